//! The request's method: `method: [GET, HEAD]`.

use http_environ::View;
use vestibule_config::Kind;

use super::{Captures, Predicate};
use crate::route::Value;

pub(super) static KIND: Kind = Kind {
    name: "method",
    summary: "the method of the request",
    example: "method: [GET, HEAD]",
    read: |reader| {
        let patterns = reader.whole();
        super::settings(Method(Value::read(reader, &patterns)))
    },
    sets: super::captures,
};

struct Method(Value);

impl Predicate for Method {
    fn holds(&self, view: &View<'_>, captures: &mut Captures) -> bool {
        self.0.matches(Some(view.method().as_str().as_bytes()), captures)
    }

    fn captures(&self) -> Vec<String> {
        self.0.captures().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::route::predicate::testing::holds;

    #[test]
    fn methods_match() {
        assert!(holds("method: [POST, GET]", "/", &[]));
        assert!(!holds("method: get", "/", &[]));
    }
}
