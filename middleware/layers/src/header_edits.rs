//! Changes to a list of headers: what `request_headers` and `response_headers` share.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http_environ::{Template, View};
use vestibule_config::{Reader, Spanned};

use crate::setting;

/// Changes, in the order in which they are made.
pub(crate) struct HeaderEdits(Vec<Edit>);

struct Edit {
    action: Action,
    name: HeaderName,
    value: Value,
}

#[derive(Clone, Copy)]
enum Action {
    Remove,
    Set,
    Add,
    Default,
}

enum Value {
    Fixed(HeaderValue),
    Rendered(Template),
}

impl HeaderEdits {
    /// Reads `remove` (names), then `set` (replaces), `add` (joins) and `default` (where absent): names with templates.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let mut edits = Vec::new();
        for name in reader.or("remove", Vec::<Spanned<String>>::new()) {
            if let Some(name) = header(reader, &name) {
                edits.push(Edit {
                    action: Action::Remove,
                    name,
                    value: Value::Fixed(HeaderValue::from_static("")),
                });
            }
        }
        for (key, action) in [("set", Action::Set), ("add", Action::Add), ("default", Action::Default)] {
            for (name, text) in reader.pairs(key) {
                let template = setting::template(reader, &text);
                if let (Some(name), Some(template)) = (header(reader, &name), template) {
                    edits.push(Edit { action, name, value: Value::new(template) });
                }
            }
        }
        Self(edits)
    }

    /// The values for one request, to be applied at any later time.
    pub(crate) fn render(&self, view: &View<'_>) -> Vec<HeaderValue> {
        self.0.iter().map(|edit| edit.value.render(view)).collect()
    }

    /// Makes the changes, with values that [`render`](Self::render) gave.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, values: Vec<HeaderValue>) {
        for (Edit { action, name, .. }, value) in self.0.iter().zip(values) {
            match action {
                Action::Remove => drop(headers.remove(name)),
                Action::Set => drop(headers.insert(name, value)),
                Action::Add => drop(headers.append(name, value)),
                Action::Default => drop(headers.entry(name).or_insert(value)),
            }
        }
    }
}

impl Value {
    fn new(template: Template) -> Self {
        match template.as_text() {
            Some(text) => Self::Fixed(carried(text.as_bytes())),
            None => Self::Rendered(template),
        }
    }

    fn render(&self, view: &View<'_>) -> HeaderValue {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Rendered(template) => carried(&template.render(view)),
        }
    }
}

/// Bytes as a header can carry them: control characters, which a path may hold, are percent-encoded, so that no value of a
/// client's can begin a header of its own.
fn carried(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes).unwrap_or_else(|_| {
        let encode = |&byte: &u8| {
            if byte.is_ascii_control() { format!("%{byte:02X}").into_bytes() } else { vec![byte] }
        };
        let encoded: Vec<u8> = bytes.iter().flat_map(encode).collect();
        HeaderValue::from_bytes(&encoded).expect("a header carries every byte but control characters")
    })
}

/// A name that may be changed: not one that frames the message or belongs to one connection (RFC 9110 section 7.6.1).
fn header(reader: &mut Reader<'_>, text: &Spanned<String>) -> Option<HeaderName> {
    let name: HeaderName = reader.parse(text)?;
    let is_framing = [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(&name)
        || ["keep-alive", "proxy-connection"].contains(&name.as_str());
    if is_framing {
        let message = format!("`{}` belongs to the connection and is set by the gateway itself", text.value);
        reader.mistake(&text.place, message);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::mistakes;

    #[test]
    fn control_characters_are_encoded() {
        assert_eq!(carried(b"a\r\nX: y\0"), "a%0D%0AX: y%00");
        assert_eq!(carried("é\t".as_bytes()).as_bytes(), "é\t".as_bytes());
    }

    #[test]
    fn headers_of_the_connection_are_refused() {
        let mistakes = mistakes(
            "response_headers: { remove: [Transfer-Encoding], set: { content-length: 1, Keep-Alive: x, \"a b\": y } }",
        );
        assert_eq!(mistakes.matches("belongs to the connection").count(), 3, "{mistakes}");
        assert!(mistakes.contains("`a b` is not understood"), "{mistakes}");
    }
}
