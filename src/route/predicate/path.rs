//! `PATH_INFO` as the mounts above have left it, each run of slashes as one: `path: "~\\.php$"`.
//!
//! The key `path` of a route itself is a pattern with captures; this one takes the forms of all values.

use http_environ::View;
use vestibule_config::Kind;

use super::{Captures, Predicate};
use crate::route::Value;

pub(super) static KIND: Kind = Kind {
    name: "path",
    summary: "PATH_INFO, decoded, as the mounts above have left it",
    example: "path: \"*.php\"",
    read: |reader| {
        let patterns = reader.whole();
        super::settings(Path(Value::read(reader, &patterns)))
    },
    sets: super::captures,
};

struct Path(Value);

impl Predicate for Path {
    fn holds(&self, view: &View<'_>, captures: &mut Captures) -> bool {
        self.0.matches(Some(&view.environ().path().matched()), captures)
    }

    fn captures(&self) -> Vec<String> {
        self.0.captures().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::route::predicate::testing::holds;

    #[test]
    fn paths_match_decoded() {
        assert!(holds("path: '*.php'", "/a/b.php?x", &[]));
        assert!(holds("path: '/caf*é'", "/caf%C3%A9", &[]));
        assert!(!holds("path: '*.php'", "/a.php/b", &[]));
    }
}
