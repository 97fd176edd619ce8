//! The names of environ variables.

/// Whether a text can name a variable that is set. Frameworks have some with dots; `wsgi.input` and its like are the server's
/// (PEP 3333).
pub(crate) fn is_variable(name: &str) -> bool {
    !name.starts_with("wsgi.")
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::is_variable;

    #[test]
    fn names_are_words() {
        assert!(["A", "_", "site2", "paste.config"].into_iter().all(is_variable));
        assert!(!["", "1A", "A-B", "A B", ".a", "é", "*rest", "wsgi.input"].into_iter().any(is_variable));
    }
}
