//! Patterns of `path`, in matchit's syntax: `/feeds/{name}/img-{id}.png`, `/files/{*rest}`; `{{` and `}}` are the braces.
//!
//! This is the one parser of them: checks ask what a pattern captures and covers, a router matches its segments.

use thiserror::Error;

use crate::variable::is_variable;

/// A pattern, one element for each segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub Vec<Segment>);

/// What stands between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Only this text.
    Literal(String),
    /// A name with fixed text before and after it; it stands for one character at least.
    Capture {
        /// What the segment begins with.
        before: String,
        /// The variable that is set.
        name: String,
        /// What the segment ends with.
        after: String,
    },
    /// All the rest of the path, slashes included; it may be empty. Always the last one.
    Rest {
        /// The variable that is set.
        name: String,
    },
}

/// What is wrong with the text of a [`Pattern`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    /// It is relative.
    #[error("a path begins with `/`")]
    NoSlash,
    /// A brace that opens a name.
    #[error("`{{` without its `}}` (a brace itself is written `{{{{`)")]
    Unclosed,
    /// A brace that closes nothing.
    #[error("`}}` without its `{{` (a brace itself is written `}}}}`)")]
    Unopened,
    /// A name that no variable can have.
    #[error("`{{{0}}}` does not name a variable")]
    Name(String),
    /// A name for two captures.
    #[error("`{{{0}}}` comes twice")]
    Twice(String),
    /// Two captures that nothing separates surely.
    #[error("only one `{{name}}` can stand in a segment")]
    Crowded,
    /// `//`, `/./` or `/../`.
    #[error("no request matches it: `.` and `..` are resolved before, and repeated slashes count as one")]
    Never,
    /// Something before or behind `{*rest}`.
    #[error("`{{*{0}}}` must be the whole of the last segment")]
    RestNotLast(String),
}

impl Pattern {
    /// Takes a text apart.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let segments = text.strip_prefix('/').ok_or(PatternError::NoSlash)?.split('/');
        let segments: Vec<Segment> = segments.map(segment).collect::<Result<_, _>>()?;
        let mut names: Vec<&str> = Vec::new();
        for (index, segment) in segments.iter().enumerate() {
            if let Segment::Rest { name } = segment
                && index + 1 < segments.len()
            {
                return Err(PatternError::RestNotLast(name.clone()));
            }
            if let Segment::Literal(text) = segment
                && (matches!(text.as_str(), "." | "..") || (text.is_empty() && index + 1 < segments.len()))
            {
                return Err(PatternError::Never);
            }
            let Some(name) = segment.name() else { continue };
            if names.contains(&name) {
                return Err(PatternError::Twice(name.to_owned()));
            }
            names.push(name);
        }
        Ok(Self(segments))
    }

    /// Whether a star stands in it that captures nothing.
    pub(crate) fn has_star(&self) -> bool {
        self.0.iter().any(|segment| match segment {
            Segment::Literal(text) => text.contains('*'),
            Segment::Capture { before, after, .. } => before.contains('*') || after.contains('*'),
            Segment::Rest { .. } => false,
        })
    }

    /// The names of the variables that it captures.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(Segment::name)
    }
}

impl Segment {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Capture { name, .. } | Self::Rest { name } => Some(name),
        }
    }
}

fn segment(text: &str) -> Result<Segment, PatternError> {
    let mut before = String::new();
    let rest = literal(text, &mut before)?;
    let Some(rest) = rest else { return Ok(Segment::Literal(before)) };
    let (name, rest) = rest.split_once('}').ok_or(PatternError::Unclosed)?;
    let mut after = String::new();
    if literal(rest, &mut after)?.is_some() {
        return Err(PatternError::Crowded);
    }
    let starred = name.strip_prefix('*');
    let name = starred.unwrap_or(name).to_owned();
    if !is_variable(&name) {
        return Err(PatternError::Name(name));
    }
    match starred {
        None => Ok(Segment::Capture { before, name, after }),
        Some(_) if before.is_empty() && after.is_empty() => Ok(Segment::Rest { name }),
        Some(_) => Err(PatternError::RestNotLast(name)),
    }
}

/// Collects the literal text up to a `{`; returns what stands behind that, if there is one.
fn literal<'t>(text: &'t str, collected: &mut String) -> Result<Option<&'t str>, PatternError> {
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (plain, brace) = rest.split_at(at);
        collected.push_str(plain);
        let (brace, behind) = brace.split_at(1);
        match behind.strip_prefix(brace) {
            Some(behind) => {
                collected.push_str(brace);
                rest = behind;
            }
            None if brace == "{" => return Ok(Some(behind)),
            None => return Err(PatternError::Unopened),
        }
    }
    collected.push_str(rest);
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Segment {
        Segment::Literal(text.to_owned())
    }

    fn capture(before: &str, name: &str, after: &str) -> Segment {
        Segment::Capture { before: before.to_owned(), name: name.to_owned(), after: after.to_owned() }
    }

    #[test]
    fn patterns_are_segments() {
        let parse = |text| Pattern::parse(text).unwrap().0;
        assert_eq!(parse("/"), [literal("")]);
        assert_eq!(parse("/a/{b}/"), [literal("a"), capture("", "b", ""), literal("")]);
        assert_eq!(parse("/img-{id}.png"), [capture("img-", "id", ".png")]);
        assert_eq!(parse("/a/{*rest}"), [literal("a"), Segment::Rest { name: "rest".to_owned() }]);
        assert_eq!(parse("/{{a}}/{{{b}"), [literal("{a}"), capture("{", "b", "")]);
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        let error = |text| Pattern::parse(text).unwrap_err();
        assert_eq!(error(""), PatternError::NoSlash);
        assert_eq!(error("a"), PatternError::NoSlash);
        assert_eq!(error("/{a"), PatternError::Unclosed);
        assert_eq!(error("/{a/b}"), PatternError::Unclosed);
        assert_eq!(error("/a}"), PatternError::Unopened);
        assert_eq!(error("/{}"), PatternError::Name(String::new()));
        assert_eq!(error("/{a-b}"), PatternError::Name("a-b".to_owned()));
        assert_eq!(error("/{a}{b}"), PatternError::Crowded);
        assert_eq!(error("/{a}/{a}"), PatternError::Twice("a".to_owned()));
        assert_eq!(error("/{*a}/b"), PatternError::RestNotLast("a".to_owned()));
        assert_eq!(error("/x{*a}"), PatternError::RestNotLast("a".to_owned()));
    }
}
