//! Headers of the request: `header: { X-Api-Version: "2", Authorization: present }`. All of them must match.
//!
//! Of a header that is repeated, the values joined by commas are matched, as applications see them.

use http::HeaderName;
use http_environ::Variable;
use vestibule_config::Kind;

pub(super) static KIND: Kind = Kind {
    name: "header",
    summary: "headers of the request, by name",
    example: "header: { X-Api-Version: \"2\" }",
    read: |reader| {
        let values =
            super::by_name(reader, |reader, name| reader.parse::<HeaderName>(name).map(Variable::Header));
        super::settings(super::Variables(values))
    },
    sets: super::captures,
};

#[cfg(test)]
mod tests {
    use crate::route::predicate::testing::{holds, read_error};

    #[test]
    fn all_of_the_headers_must_match() {
        let headers = [("x-a", "1"), ("x-b", "two")];
        assert!(holds("header: { X-A: '1', X-B: 't*', X-C: absent }", "/", &headers));
        assert!(!holds("header: { X-A: '1', X-B: '2' }", "/", &headers));
        assert!(!holds("header: { X-C: present }", "/", &headers));
    }

    #[test]
    fn a_name_that_is_none_is_a_mistake() {
        assert!(read_error("header: { 'a b': x }").contains("`a b` is not understood"));
    }
}
