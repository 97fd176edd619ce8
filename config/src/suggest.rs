//! "did you mean": the known name that a wrong one was probably meant to be.

/// The nearest of `names`, if it is near enough that a slip of the fingers explains the difference.
pub(crate) fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = given.to_lowercase();
    // One slip in a short name, two in a middling one, three in a long one.
    let limit = 1 + given.chars().count().saturating_sub(1) / 4;
    names
        .into_iter()
        .filter(|name| *name != given)
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit.min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_understood() {
        assert_eq!(nearest("layrs", ["app", "layers", "listen"]), Some("layers"));
        assert_eq!(nearest("ruotes", ["routes"]), Some("routes"));
        assert_eq!(nearest("Mount", ["mount"]), Some("mount"));
    }

    #[test]
    fn another_word_is_not_a_slip() {
        assert_eq!(nearest("proxy", ["app", "mount", "path"]), None);
        assert_eq!(nearest("a", ["http"]), None);
    }
}
