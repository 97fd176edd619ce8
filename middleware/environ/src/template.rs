//! `{VARIABLE}` in a text: the one syntax in which settings name a variable of the environ.

use std::borrow::Cow;
use std::str::FromStr;

use crate::{Variable, View};

/// A text with places for variables: `https://{HTTP_HOST}{REQUEST_URI}`. `{{` and `}}` stand for the braces themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Variable(Box<str>, Variable),
}

/// A text that is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{` without `}`
    #[error("`{{` opens a variable that no `}}` closes (a brace itself is written `{{{{`)")]
    Unclosed,
    /// `}` without `{`
    #[error("`}}` closes nothing (a brace itself is written `}}}}`)")]
    Unopened,
    /// Something that is no name of a variable
    #[error("`{{{0}}}` does not name a variable")]
    Name(String),
}

impl Template {
    /// The text for one request. A variable that the request does not have is empty.
    pub fn render<'a>(&'a self, view: &View<'a>) -> Cow<'a, [u8]> {
        match self.pieces.as_slice() {
            [] => Cow::Borrowed(b""),
            [Piece::Text(text)] => Cow::Borrowed(text.as_bytes()),
            [Piece::Variable(_, variable)] => view.get(variable).unwrap_or_default(),
            _ => Cow::Owned(self.render_with(|whole, _, variable| {
                whole.extend_from_slice(&view.get(variable).unwrap_or_default());
            })),
        }
    }

    /// The text in which `push` writes each variable, given by its name and what that stands for: for values that need
    /// escaping, or that stand beside the environ.
    pub fn render_with(&self, mut push: impl FnMut(&mut Vec<u8>, &str, &Variable)) -> Vec<u8> {
        let mut whole = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => whole.extend_from_slice(text.as_bytes()),
                Piece::Variable(name, variable) => push(&mut whole, name, variable),
            }
        }
        whole
    }

    /// The names of the variables that it reads.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Variable(name, _) => Some(&**name),
        })
    }

    /// The text itself where it reads no variable.
    pub fn as_text(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(source: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                text.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(TemplateError::Unopened);
            }
            let (name, after) = rest.split_once('}').ok_or(TemplateError::Unclosed)?;
            let Ok(variable) = variable(name)?.parse();
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text).into()));
            }
            pieces.push(Piece::Variable(name.into(), variable));
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text.into()));
        }
        Ok(Self { pieces })
    }
}

fn variable(name: &str) -> Result<&str, TemplateError> {
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    if is_name { Ok(name) } else { Err(TemplateError::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Environ;

    fn rendered(template: &str) -> String {
        let mut request = http::Request::get("/a?b").header("host", "example.com").body(()).unwrap();
        let environ = Environ::for_target(request.uri()).unwrap();
        request.extensions_mut().insert(environ);
        let template: Template = template.parse().unwrap();
        String::from_utf8(template.render(&View::of(&request)).into_owned()).unwrap()
    }

    #[test]
    fn variables_are_filled_in() {
        assert_eq!(rendered("https://{HTTP_HOST}{REQUEST_URI}!"), "https://example.com/a?b!");
        assert_eq!(rendered("{PATH_INFO}"), "/a");
        assert_eq!(rendered("[{NOBODY_SETS_ME}]"), "[]");
    }

    #[test]
    fn doubled_braces_are_braces() {
        assert_eq!(rendered("{{{HTTP_HOST}}} {{}}"), "{example.com} {}");
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (text, error) in [
            ("{", TemplateError::Unclosed),
            ("a}", TemplateError::Unopened),
            ("{}", TemplateError::Name(String::new())),
            ("{a b}", TemplateError::Name("a b".into())),
            ("{1}", TemplateError::Name("1".into())),
        ] {
            assert_eq!(text.parse::<Template>(), Err(error), "{text}");
        }
    }

    #[test]
    fn it_tells_what_it_reads() {
        let template: Template = "{A}{{B}}{HTTP_HOST}".parse().unwrap();
        assert_eq!(template.variables().collect::<Vec<_>>(), ["A", "HTTP_HOST"]);
    }
}
