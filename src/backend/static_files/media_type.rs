//! The media type of a file, by the ending of its name.

use http::HeaderValue;

/// What the configuration says, before what everybody says.
pub(super) struct MediaTypes {
    own: Vec<(String, MediaType)>,
}

/// A media type as it is sent, and whether files of its kind are worth compressing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MediaType {
    pub(super) value: HeaderValue,
    pub(super) is_compressible: bool,
}

impl MediaTypes {
    /// Endings, without a dot, and their types.
    pub(super) fn new<'a>(own: impl IntoIterator<Item = (&'a str, HeaderValue)>) -> Self {
        let own = own.into_iter().map(|(ending, value)| {
            let is_compressible = value.to_str().is_ok_and(is_compressible);
            (ending.to_owned(), MediaType { value, is_compressible })
        });
        Self { own: own.collect() }
    }

    /// The type of the file with this path.
    pub(super) fn of(&self, path: &[u8]) -> MediaType {
        let Some(ending) = ending(path) else { return unknown() };
        if let Some((_, own)) = self.own.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)) {
            return own.clone();
        }
        mime_guess::from_ext(ending).first_raw().map_or_else(unknown, known)
    }
}

fn ending(path: &[u8]) -> Option<&str> {
    let name = path.rsplit(|&byte| byte == b'/').next()?;
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0)?;
    std::str::from_utf8(&name[dot + 1..]).ok()
}

fn unknown() -> MediaType {
    MediaType { value: HeaderValue::from_static("application/octet-stream"), is_compressible: false }
}

/// Text is UTF-8. XML says itself what it is, and a charset beside it would overrule that (RFC 7303 section 3).
fn known(name: &'static str) -> MediaType {
    let value = match name {
        "text/html" => HeaderValue::from_static("text/html; charset=utf-8"),
        "text/css" => HeaderValue::from_static("text/css; charset=utf-8"),
        "text/javascript" => HeaderValue::from_static("text/javascript; charset=utf-8"),
        "text/plain" => HeaderValue::from_static("text/plain; charset=utf-8"),
        text if text.starts_with("text/") && text != "text/xml" => {
            HeaderValue::try_from(format!("{text}; charset=utf-8"))
                .expect("a table of media types holds what a header may hold")
        }
        other => HeaderValue::from_static(other),
    };
    MediaType { value, is_compressible: is_compressible(name) }
}

/// Whether a type is text in some form, or a font or image that is not compressed in itself.
fn is_compressible(name: &str) -> bool {
    const OTHERS: [&str; 9] = [
        "application/javascript",
        "application/json",
        "application/vnd.ms-fontobject",
        "application/wasm",
        "application/xml",
        "font/otf",
        "font/ttf",
        "image/bmp",
        "image/x-icon",
    ];
    let name = name.split(';').next().unwrap_or(name).trim_end();
    name.starts_with("text/") || name.ends_with("+xml") || name.ends_with("+json") || OTHERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> (String, bool) {
        let own = [
            ("foo", HeaderValue::from_static("application/x-foo")),
            ("LOG", HeaderValue::from_static("text/plain")),
        ];
        let found = MediaTypes::new(own).of(path.as_bytes());
        (found.value.to_str().unwrap().to_owned(), found.is_compressible)
    }

    #[test]
    fn the_ending_tells_the_type() {
        for (path, expected, is_compressible) in [
            ("index.html", "text/html; charset=utf-8", true),
            ("a/b.CSS", "text/css; charset=utf-8", true),
            ("app.js", "text/javascript; charset=utf-8", true),
            ("app.mjs", "application/javascript", true),
            ("data.csv", "text/csv; charset=utf-8", true),
            ("feed.xml", "text/xml", true),
            ("drawing.svg", "image/svg+xml", true),
            ("data.json", "application/json", true),
            ("site.webmanifest", "application/manifest+json", true),
            ("module.wasm", "application/wasm", true),
            ("photo.jpg", "image/jpeg", false),
            ("photo.avif", "image/avif", false),
            ("font.woff2", "font/woff2", false),
            ("film.mp4", "video/mp4", false),
            ("archive.tar.gz", "application/gzip", false),
        ] {
            assert_eq!(of(path), (expected.to_owned(), is_compressible), "{path}");
        }
    }

    #[test]
    fn the_configuration_comes_first_and_is_sent_as_written() {
        assert_eq!(of("a.foo"), ("application/x-foo".into(), false));
        assert_eq!(of("a.log"), ("text/plain".into(), true));
    }

    #[test]
    fn what_nobody_knows_is_bytes() {
        for path in ["README", ".html", "a.b/c", "a.", "x.qqqqq", "\u{fc}.\u{fc}"] {
            assert_eq!(of(path), ("application/octet-stream".into(), false), "{path}");
        }
        assert_eq!(MediaTypes::new([]).of(b"a.\xff"), unknown());
    }
}
