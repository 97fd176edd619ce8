//! `${NAME}`, `${NAME:-default}` and `${NAME:?message}` in scalars.
//!
//! They are replaced after parsing, so that no value of a variable can bring in structure, and columns stay right.
//! `$${` stands for a literal `${`. As in a shell, an empty variable counts as unset for `:-` and `:?`.

use crate::diagnostic::Diagnostics;
use crate::place::Place;

/// Where the variables come from.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The text with its variables replaced. A mistake leaves nothing in its place and is recorded.
pub(crate) fn substitute(
    text: &str,
    place: &Place,
    lookup: Lookup<'_>,
    diagnostics: &mut Diagnostics,
) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            replaced.push_str(before);
            replaced.push_str("${");
            rest = &from[2..];
            continue;
        }
        replaced.push_str(before);
        let Some(end) = from.find('}') else {
            diagnostics
                .error(&place.narrowed_to(from), "`${` without its `}`")
                .help("write `$${` for a literal `${`");
            return replaced;
        };
        let (whole, after) = from.split_at(end + 1);
        match evaluate(&whole[2..end], lookup) {
            Ok(value) => replaced.push_str(&value),
            Err(message) => {
                diagnostics.error(&place.narrowed_to(whole), message).help(
                    "`${NAME}` is a variable of the environment or of `env_file`; `${NAME:-default}` has a default",
                );
                // The name stands in, so that nothing that would follow from an empty text is told as well.
                replaced.push_str(&whole[2..end]);
            }
        }
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

/// The value of what stands between `${` and `}`.
fn evaluate(expression: &str, lookup: Lookup<'_>) -> Result<String, String> {
    let name_ends =
        expression.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(expression.len());
    let (name, operator) = expression.split_at(name_ends);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("`${{{expression}}}` does not begin with a variable's name"));
    }
    let value = lookup(name);
    if operator.is_empty() {
        return value.ok_or_else(|| format!("the variable `{name}` is not set"));
    }
    let given = value.filter(|value| !value.is_empty());
    if let Some(default) = operator.strip_prefix(":-") {
        Ok(given.unwrap_or_else(|| default.to_owned()))
    } else if let Some(message) = operator.strip_prefix(":?") {
        let message = if message.is_empty() { "it is required" } else { message };
        given.ok_or_else(|| format!("the variable `{name}` is not set: {message}"))
    } else {
        Err(format!(
            "`{operator}` is not known after a variable's name, only `:-default` and `:?message` are"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str) -> Result<String, String> {
        let lookup = |name: &str| match name {
            "A" => Some("alpha".to_owned()),
            "EMPTY" => Some(String::new()),
            "SLY" => Some("${A} ]: {".to_owned()),
            _ => None,
        };
        let mut diagnostics = Diagnostics::new();
        let text = substitute(text, &Place::default(), &lookup, &mut diagnostics);
        match diagnostics.iter().next() {
            Some(diagnostic) => Err(diagnostic.message().to_owned()),
            None => Ok(text),
        }
    }

    #[test]
    fn variables_are_replaced_wherever_they_stand() {
        assert_eq!(replaced("${A}").unwrap(), "alpha");
        assert_eq!(replaced("x${A}y${A}${EMPTY}z").unwrap(), "xalphayalphaz");
        assert_eq!(replaced("$A $ {A} {A}").unwrap(), "$A $ {A} {A}");
    }

    #[test]
    fn defaults_serve_the_unset_and_the_empty() {
        assert_eq!(replaced("${B:-beta}").unwrap(), "beta");
        assert_eq!(replaced("${EMPTY:-beta}").unwrap(), "beta");
        assert_eq!(replaced("${A:-beta}").unwrap(), "alpha");
        assert_eq!(replaced("${B:-}").unwrap(), "");
    }

    #[test]
    fn a_doubled_dollar_stands_for_itself() {
        assert_eq!(replaced("$${A} ${A}").unwrap(), "${A} alpha");
        assert_eq!(replaced("$$ $${").unwrap(), "$$ ${");
    }

    #[test]
    fn values_are_not_replaced_again() {
        assert_eq!(replaced("${SLY}").unwrap(), "${A} ]: {");
    }

    #[test]
    fn mistakes_name_the_variable() {
        assert_eq!(replaced("${B}").unwrap_err(), "the variable `B` is not set");
        assert_eq!(
            replaced("${B:?ask the admin}").unwrap_err(),
            "the variable `B` is not set: ask the admin"
        );
        assert_eq!(replaced("${EMPTY:?}").unwrap_err(), "the variable `EMPTY` is not set: it is required");
        assert_eq!(replaced("${A").unwrap_err(), "`${` without its `}`");
        assert!(replaced("${}").is_err() && replaced("${1A}").is_err() && replaced("${A:+x}").is_err());
    }
}
