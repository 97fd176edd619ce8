//! How a value is matched: exactly, by `*`, by `~regex`, by any of a list; `present` and `absent`.

use std::sync::Arc;

use regex::bytes::Regex;
use vestibule_config::{Patterns, Reader, Spanned};

use super::Captures;

/// The forms that a value may have in `match`.
#[derive(Debug, Clone)]
pub struct Value {
    presence: Option<bool>,
    exact: Vec<Box<[u8]>>,
    regexes: Vec<Named>,
}

#[derive(Debug, Clone)]
struct Named {
    regex: Regex,
    /// The index and the variable of each named group.
    groups: Vec<(usize, Arc<str>)>,
}

impl Value {
    /// Compiles what the file says; mistakes are recorded in the reader.
    pub fn read(reader: &mut Reader<'_>, patterns: &Patterns) -> Self {
        let mut value = Self { presence: None, exact: Vec::new(), regexes: Vec::new() };
        for pattern in &patterns.0 {
            match pattern.as_str() {
                "present" => value.presence = Some(true),
                "absent" => value.presence = Some(false),
                text => match text.strip_prefix('~') {
                    Some(regex) => value.regexes.extend(compile(reader, pattern, regex)),
                    None if text.contains('*') => value.regexes.extend(compile(reader, pattern, &glob(text))),
                    None => value.exact.push(text.as_bytes().into()),
                },
            }
        }
        value
    }

    /// The same, with letters of the patterns in lower case, for values that are compared without regard to case.
    pub fn read_lowercase(reader: &mut Reader<'_>, patterns: &Patterns) -> Self {
        let lower = |pattern: &Spanned<String>| {
            let text = match pattern.strip_prefix('~') {
                Some(regex) => format!("~(?i){regex}"),
                None => pattern.to_ascii_lowercase(),
            };
            Spanned::new(text, pattern.place.clone())
        };
        Self::read(reader, &Patterns(patterns.0.iter().map(lower).collect()))
    }

    /// Whether a value, or its absence, matches. Named groups are captured.
    pub fn matches(&self, value: Option<&[u8]>, captures: &mut Captures) -> bool {
        let Some(value) = value else { return self.presence == Some(false) };
        self.presence == Some(true)
            || self.exact.iter().any(|exact| **exact == *value)
            || self.regexes.iter().any(|named| named.matches(value, captures))
    }

    /// The exact values where there is nothing else that could match.
    pub fn only_exact(&self) -> Option<&[Box<[u8]>]> {
        (self.presence.is_none() && self.regexes.is_empty()).then_some(&self.exact)
    }

    /// The names of the groups that it captures.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        self.regexes.iter().flat_map(|named| named.groups.iter().map(|(_, name)| &**name))
    }
}

impl Named {
    fn matches(&self, value: &[u8], captures: &mut Captures) -> bool {
        if self.groups.is_empty() {
            return self.regex.is_match(value);
        }
        let Some(found) = self.regex.captures(value) else { return false };
        for (index, name) in &self.groups {
            let text = found.get(*index).map_or(b"".as_slice(), |group| group.as_bytes());
            captures.push((Arc::clone(name), text.into()));
        }
        true
    }
}

fn compile(reader: &mut Reader<'_>, pattern: &Spanned<String>, regex: &str) -> Option<Named> {
    let regex: Regex = reader.regular_expression(&pattern.place, regex)?;
    let names = regex.capture_names().enumerate();
    let groups = names.filter_map(|(index, name)| Some((index, name?.into()))).collect();
    Some(Named { regex, groups })
}

/// `*` stands for any text, the empty one too.
fn glob(pattern: &str) -> String {
    let pieces: Vec<_> = pattern.split('*').map(regex::escape).collect();
    format!("^{}$", pieces.join("(?s-u:.*)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::predicate::testing;

    /// Whether `match: { method: PATTERN }` holds for a method, and what it captures.
    fn matches(pattern: &str, value: Option<&[u8]>) -> (bool, Captures) {
        let mut captures = Captures::new();
        let value_form = testing::read(pattern, |reader| {
            let patterns = reader.whole();
            Value::read(reader, &patterns)
        });
        let holds = value_form.expect("the pattern is right").matches(value, &mut captures);
        (holds, captures)
    }

    #[test]
    fn values_match_in_every_form() {
        for (pattern, value, holds) in [
            ("abc", "abc", true),
            ("abc", "ABC", false),
            ("abc", "abcd", false),
            ("'*.example.com'", "www.example.com", true),
            ("'*.example.com'", "example.com", false),
            ("'a*'", "a", true),
            ("'a.c*'", "abc", false),
            ("'~^a+$'", "aaa", true),
            ("'~b'", "abc", true),
            ("'~^b'", "abc", false),
            ("[x, 'y*', '~z$']", "yes", true),
            ("[x, 'y*', '~z$']", "jazz", true),
            ("[x, 'y*', '~z$']", "no", false),
            ("present", "", true),
            ("absent", "", false),
            ("'*é*'", "café!", true),
        ] {
            assert_eq!(matches(pattern, Some(value.as_bytes())).0, holds, "{pattern} {value}");
        }
    }

    #[test]
    fn only_absent_matches_what_is_not_there() {
        assert!(matches("absent", None).0);
        assert!(matches("[abc, absent]", None).0);
        assert!(!matches("'*'", None).0);
        assert!(!matches("present", None).0);
    }

    #[test]
    fn bytes_that_are_no_text_are_matched_too() {
        assert!(matches("'a*z'", Some(b"a\xff\nz")).0);
    }

    #[test]
    fn named_groups_are_captured() {
        let (holds, captures) = matches(r"'~^/(?<year>\d+)/(?<name>.*)$'", Some(b"/2026/x"));
        let text = |(name, value): &(Arc<str>, Box<[u8]>)| format!("{name}={}", value.escape_ascii());
        assert!(holds);
        assert_eq!(captures.iter().map(text).collect::<Vec<_>>(), ["year=2026", "name=x"]);
    }

    #[test]
    fn a_wrong_expression_is_a_mistake() {
        let error = testing::read("'~('", |reader| {
            let patterns = reader.whole();
            Value::read(reader, &patterns)
        });
        let message = error.unwrap_err();
        assert!(message.contains("not a regular expression: unclosed group"), "{message}");
    }
}
