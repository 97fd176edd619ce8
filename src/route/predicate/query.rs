//! Parameters of the query string, form-decoded: `query: { format: [xml, atom] }`. All of them must match; of a parameter
//! that is repeated, any value may.

use std::borrow::Cow;

use http_environ::View;
use vestibule_config::Kind;

use super::{Captures, Predicate};
use crate::route::Value;

pub(super) static KIND: Kind = Kind {
    name: "query",
    summary: "parameters of the query string, by name",
    example: "query: { format: [xml, atom] }",
    read: |reader| super::settings(Query(super::by_name(reader, |_, name| Some(name.as_bytes().into())))),
    sets: super::captures,
};

struct Query(Vec<(Box<[u8]>, Value)>);

impl Predicate for Query {
    fn holds(&self, view: &View<'_>, captures: &mut Captures) -> bool {
        self.0.iter().all(|(name, value)| {
            let mut given = parameters(view.query()).filter(|(key, _)| **key == **name).peekable();
            if given.peek().is_none() {
                return value.matches(None, captures);
            }
            given.any(|(_, text)| value.matches(Some(&text), captures))
        })
    }

    fn captures(&self) -> Vec<String> {
        super::captures_of(&self.0)
    }
}

fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (form_decode(name), form_decode(value))
    })
}

/// `+` and `%XX`; an escape that is none stands for itself (as the URL standard has it).
fn form_decode(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text.as_bytes());
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_encoding::percent_decode_str(&spaced).collect())
}

#[cfg(test)]
mod tests {
    use crate::route::predicate::testing::holds;

    #[test]
    fn parameters_are_decoded() {
        assert!(holds("query: { 'a b': 'c d' }", "/?x&a+b=c%20d", &[]));
        assert!(holds("query: { a: '100%' }", "/?a=100%", &[]));
    }

    #[test]
    fn any_value_of_a_repeated_parameter_may_match() {
        assert!(holds("query: { a: '2' }", "/?a=1&a=2", &[]));
        assert!(!holds("query: { a: '3' }", "/?a=1&a=2", &[]));
    }

    #[test]
    fn presence_can_be_asked_for() {
        assert!(holds("query: { a: present, b: absent }", "/?a", &[]));
        assert!(!holds("query: { a: absent }", "/?a=", &[]));
    }
}
