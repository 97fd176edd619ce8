//! Cookies: `cookie: { beta: "1" }`. All of them must match; of a cookie that is repeated, any value may.

use http_environ::View;
use vestibule_config::Kind;

use super::{Captures, Predicate};
use crate::route::Value;

pub(super) static KIND: Kind = Kind {
    name: "cookie",
    summary: "cookies, by name",
    example: "cookie: { beta: \"1\" }",
    read: |reader| super::settings(Cookies(super::by_name(reader, |_, name| Some(name.as_bytes().into())))),
    sets: super::captures,
};

struct Cookies(Vec<(Box<[u8]>, Value)>);

impl Predicate for Cookies {
    fn holds(&self, view: &View<'_>, captures: &mut Captures) -> bool {
        self.0.iter().all(|(name, value)| {
            let mut given = view.cookies().filter(|(key, _)| *key == &**name).peekable();
            if given.peek().is_none() {
                return value.matches(None, captures);
            }
            given.any(|(_, text)| value.matches(Some(text), captures))
        })
    }

    fn captures(&self) -> Vec<String> {
        super::captures_of(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::route::predicate::testing::holds;

    #[test]
    fn cookies_match_by_name() {
        let headers = [("cookie", "a=1; beta=\"yes\";c"), ("cookie", "a=2")];
        assert!(holds("cookie: { beta: 'yes' }", "/", &headers));
        assert!(holds("cookie: { a: '2', z: absent }", "/", &headers));
        assert!(!holds("cookie: { bet: present }", "/", &headers));
    }
}
