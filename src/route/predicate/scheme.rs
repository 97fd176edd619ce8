//! The scheme that the client used, as far as the front server is believed: `scheme: https`.

use http_environ::{Scheme, View};
use vestibule_config::{Kind, Spanned};

use super::{Captures, Predicate};

pub(super) static KIND: Kind = Kind {
    name: "scheme",
    summary: "the scheme that the client used: http or https",
    example: "scheme: http",
    read: |reader| {
        let text: Spanned<String> = reader.whole();
        let scheme = [Scheme::Http, Scheme::Https].into_iter().find(|scheme| scheme.as_str() == text.value);
        if scheme.is_none() {
            let message = format!("unknown scheme `{}`", text.value);
            reader.mistake(&text.place, message).allowed(&text, ["http", "https"]);
        }
        super::settings(IsScheme(scheme.unwrap_or_default()))
    },
    sets: super::captures,
};

struct IsScheme(Scheme);

impl Predicate for IsScheme {
    fn holds(&self, view: &View<'_>, _: &mut Captures) -> bool {
        view.environ().scheme == self.0
    }
}

#[cfg(test)]
mod tests {
    use crate::route::predicate::testing::{holds, read_error};

    #[test]
    fn schemes_match() {
        assert!(holds("scheme: http", "/", &[]));
        assert!(!holds("scheme: https", "/", &[]));
    }

    #[test]
    fn another_word_is_a_mistake() {
        assert!(read_error("scheme: htps").contains("did you mean `https`?"));
    }
}
