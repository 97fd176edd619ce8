//! Content-Type: what a body is, and in which charset.

use http::{HeaderMap, header};

use crate::input::InputKind;

/// True when the Content-Type is one that this parser is for.
pub(super) fn matches(headers: &HeaderMap, kind: InputKind) -> bool {
    let media_type = of(headers);
    match kind {
        InputKind::Xml => {
            matches!(media_type.as_str(), "text/xml" | "application/xml") || media_type.ends_with("+xml")
        }
        InputKind::Html | InputKind::Html5 => {
            matches!(media_type.as_str(), "text/html" | "application/xhtml+xml")
        }
    }
}

/// The type itself, without parameters; empty where there is none.
pub(super) fn of(headers: &HeaderMap) -> String {
    content_type(headers)
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// The charset parameter.
pub(super) fn charset(headers: &HeaderMap) -> Option<String> {
    content_type(headers)?.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then(|| value.to_owned())
    })
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(content_type: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())])
    }

    #[test]
    fn xml_is_what_says_so() {
        for xml in ["text/xml", "Application/XML; charset=utf-8", "application/rss+xml", "image/svg+xml ;a=b"]
        {
            assert!(matches(&headers(xml), InputKind::Xml), "{xml}");
        }
        for other in ["text/html", "text/xml-ish", "application/xml-dtd", ""] {
            assert!(!matches(&headers(other), InputKind::Xml), "{other}");
        }
        assert!(!matches(&HeaderMap::new(), InputKind::Xml));
    }

    #[test]
    fn html_is_html_and_xhtml() {
        assert!(matches(&headers("text/html; charset=x"), InputKind::Html));
        assert!(matches(&headers("application/xhtml+xml"), InputKind::Html));
        assert!(!matches(&headers("text/xml"), InputKind::Html));
    }

    #[test]
    fn the_charset_is_a_parameter_quoted_or_not() {
        assert_eq!(charset(&headers("text/xml; a=b; Charset=\"ISO-8859-1\"")).as_deref(), Some("ISO-8859-1"));
        assert_eq!(charset(&headers("text/xml; charset=utf-8")).as_deref(), Some("utf-8"));
        assert_eq!(charset(&headers("text/xml; charset=")), None);
    }
}
