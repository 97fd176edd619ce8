//! The `env_file`: lines of `NAME=value` whose variables join the process environment in `${…}`.
//!
//! `#` begins a comment at the start of a line or after a blank; `export ` before a name is ignored. A value in single quotes is
//! taken as it stands; in double quotes `\n`, `\t`, `\"`, `\\` and `\$` are escapes. Nothing is expanded, no value spans lines.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::Diagnostics;
use crate::place::{Place, SourceText};

/// Reads all lines; of a name that comes twice, the last value holds.
pub(crate) fn parse(source: &Arc<SourceText>, diagnostics: &mut Diagnostics) -> HashMap<String, String> {
    let mut variables = HashMap::new();
    let mut offset = 0;
    for line in source.text().split_inclusive('\n') {
        let content = line.trim();
        if !content.is_empty() && !content.starts_with('#') {
            match assignment(content) {
                Ok((name, value)) => {
                    variables.insert(name.to_owned(), value);
                }
                Err(message) => {
                    let start = offset + line.len() - line.trim_start().len();
                    diagnostics.error(&Place::new(source, start, content.len()), message);
                }
            }
        }
        offset += line.len();
    }
    variables
}

/// `NAME=value`
fn assignment(line: &str) -> Result<(&str, String), &'static str> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, text) = line.split_once('=').ok_or("`NAME=value` is expected on each line")?;
    let name = name.trim();
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err("a variable's name consists of letters, digits and `_`, and does not begin with a digit");
    }
    Ok((name, value(text)?))
}

fn value(untrimmed: &str) -> Result<String, &'static str> {
    let text = untrimmed.trim_start();
    if let Some(quoted) = text.strip_prefix('\'') {
        let (value, after) = quoted.split_once('\'').ok_or("the quote is not closed on this line")?;
        return end(after).map(|()| value.to_owned());
    }
    if let Some(quoted) = text.strip_prefix('"') {
        return double_quoted(quoted);
    }
    let mut signs = untrimmed.match_indices('#').map(|(at, _)| at);
    let comment = signs.find(|at| untrimmed[..*at].ends_with([' ', '\t'])).unwrap_or(untrimmed.len());
    Ok(untrimmed[..comment].trim().to_owned())
}

fn double_quoted(text: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '"' => return end(rest.as_str()).map(|()| value),
            '\\' => value.push(match rest.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(escaped @ ('"' | '\\' | '$')) => escaped,
                _ => return Err("only `\\n`, `\\t`, `\\\"`, `\\\\` and `\\$` are known after a `\\`"),
            }),
            plain => value.push(plain),
        }
    }
    Err("the quote is not closed on this line")
}

/// Behind a closing quote only a comment may follow.
fn end(after: &str) -> Result<(), &'static str> {
    let after = after.trim_start();
    if after.is_empty() || after.starts_with('#') {
        Ok(())
    } else {
        Err("something follows the closing quote")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(line: &str) -> Result<String, String> {
        let mut diagnostics = Diagnostics::new();
        let variables = parse(&Arc::new(SourceText::new("env", line)), &mut diagnostics);
        match diagnostics.iter().next() {
            Some(diagnostic) => Err(diagnostic.message().to_owned()),
            None => Ok(variables["A"].clone()),
        }
    }

    #[test]
    fn values_are_bare_or_quoted() {
        assert_eq!(value_of("A=b").unwrap(), "b");
        assert_eq!(value_of("  export A = b c \r\n").unwrap(), "b c");
        assert_eq!(value_of("A=").unwrap(), "");
        assert_eq!(value_of("A=a=b#c # comment").unwrap(), "a=b#c");
        assert_eq!(value_of("A= # comment").unwrap(), "");
        assert_eq!(value_of("A=#fff").unwrap(), "#fff");
        assert_eq!(value_of("A='a \\n # ${B}' # comment").unwrap(), "a \\n # ${B}");
        assert_eq!(value_of(r#"A="a\n\"\\ # \$b""#).unwrap(), "a\n\"\\ # $b");
        assert_eq!(value_of("# first\n\nA=1\nA=2\n").unwrap(), "2");
    }

    #[test]
    fn wrong_lines_are_mistakes() {
        for line in ["A", "=b", "1A=b", "A B=c", "A='b", "A=\"b", "A='b'c", "A=\"\\x\""] {
            assert!(value_of(line).is_err(), "{line}");
        }
    }

    #[test]
    fn mistakes_have_their_place_in_the_file() {
        let mut diagnostics = Diagnostics::new();
        parse(&Arc::new(SourceText::new("site.env", "A=1\n  what\n")), &mut diagnostics);
        let place = diagnostics.iter().next().unwrap().place().unwrap();
        assert_eq!((place.to_string().as_str(), place.text()), ("site.env:2:3", "what"));
    }
}
