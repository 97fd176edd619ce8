//! Forwards requests to an application that speaks SCGI.
//!
//! ```yaml
//! apps:
//!   tracker: { scgi: { address: "127.0.0.1:4000" } }
//! ```
//!
//! Each request has a connection of its own. Bodies stream both ways, as fast as the slower side takes them; one of unknown
//! length is kept until its end, as the application is told its length first.
//!
//! An answer has the head of a CGI answer, and ends with the connection. One that has a Content-Length and ends before it is
//! aborted; **where it has none, an application that dies in mid-answer cannot be told from one that has finished**, unless the
//! connection is reset.

use bytes::BytesMut;
use http_environ::View;
use vestibule_config::{Kind, Settings as Checked, sets_nothing};

use super::BackendKind;
use super::upstream::failure::Unsendable;
use super::upstream::single_use::{self, Settings};

pub(super) static KIND: BackendKind = BackendKind {
    kind: Kind {
        name: "scgi",
        summary: "forwards requests to an SCGI application",
        example: "scgi: { address: \"127.0.0.1:4000\" }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings, context| single_use::build(settings.get(), put_head, context),
    processes: Some(|settings| settings.get::<Settings>().wanted()),
};

/// Writes the netstring of the variables, the length of the body first; a NUL byte ends each name and each value.
fn put_head(view: &View<'_>, length: u64) -> Result<BytesMut, Unsendable> {
    let mut variables = format!("CONTENT_LENGTH\0{length}\0SCGI\x001\0").into_bytes();
    let mut unsendable = None;
    view.for_each(|name, value| {
        // Each name may stand there once.
        if matches!(name, "CONTENT_LENGTH" | "SCGI") {
            return;
        }
        if name.as_bytes().contains(&0) || value.contains(&0) {
            unsendable = Some(Unsendable::Nul(name.to_owned()));
        }
        for part in [name.as_bytes(), b"\0", value, b"\0"] {
            variables.extend_from_slice(part);
        }
    });
    if let Some(unsendable) = unsendable {
        return Err(unsendable);
    }
    let mut head = BytesMut::from(format!("{}:", variables.len()).as_bytes());
    head.extend_from_slice(&variables);
    head.extend_from_slice(b",");
    Ok(head)
}

#[cfg(test)]
mod tests {
    use http_environ::Environ;

    use super::*;

    fn head(variables: &[(&str, &[u8])]) -> Result<BytesMut, Unsendable> {
        let mut request = http::Request::post("/a%20b?c").header("Content-Length", "3").body(()).unwrap();
        let mut environ = Environ::for_target(request.uri()).unwrap();
        for (name, value) in variables {
            environ.set(&(*name).into(), *value);
        }
        request.extensions_mut().insert(environ);
        put_head(&View::of(&request), 3)
    }

    #[test]
    fn a_head_is_a_netstring_that_begins_with_the_length_of_the_body() {
        let head = head(&[("SCGI", b"2")]).unwrap();
        let colon = head.iter().position(|byte| *byte == b':').unwrap();
        let told: usize = std::str::from_utf8(&head[..colon]).unwrap().parse().unwrap();
        let variables = head[colon + 1..].strip_suffix(b",").unwrap();
        assert_eq!(variables.len(), told);
        let mut parts = variables.strip_suffix(b"\0").unwrap().split(|byte| *byte == 0);
        let pairs: Vec<_> = std::iter::from_fn(|| Some((parts.next()?, parts.next()?))).collect();
        assert_eq!(pairs[..2], [(b"CONTENT_LENGTH".as_slice(), b"3".as_slice()), (b"SCGI", b"1")]);
        assert!(pairs.contains(&(b"PATH_INFO", b"/a b")));
        let mut names: Vec<_> = pairs.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), pairs.len(), "each name stands there once");
    }

    #[test]
    fn a_variable_with_a_nul_byte_is_refused() {
        assert_eq!(head(&[("USER", b"a\0b")]), Err(Unsendable::Nul("USER".to_owned())));
    }
}
