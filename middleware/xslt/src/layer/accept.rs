//! Accept: who wants to look at a document, and who wants the document.

use http::{HeaderMap, header};

/// Whether a client asks for HTML by name: only then may its answer become some.
pub(super) fn names_html(headers: &HeaderMap) -> bool {
    Ranges::of(headers).of_html() > 0
}

/// Whether a client would rather have HTML than XML of this type. Browsers name HTML first. A feed reader or a harvester names
/// XML, at least as high, or takes anything (`*/*`, no Accept at all): it gets the document as it is.
pub(super) fn prefers_html(headers: &HeaderMap, media_type: &str) -> bool {
    let ranges = Ranges::of(headers);
    let xml = ["application/xml", "text/xml"].into_iter().filter_map(|name| ranges.named(name));
    ranges.of_html() > xml.chain([ranges.quality(media_type)]).max().unwrap_or(0)
}

/// Media ranges and their qualities, in thousandths.
struct Ranges(Vec<(String, u16)>);

impl Ranges {
    fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        Self(values.flat_map(|value| value.split(',')).map(range).collect())
    }

    fn of_html(&self) -> u16 {
        ["text/html", "application/xhtml+xml"]
            .into_iter()
            .filter_map(|name| self.named(name))
            .max()
            .unwrap_or(0)
    }

    /// The quality of a range that is written like this.
    fn named(&self, name: &str) -> Option<u16> {
        self.0.iter().find(|(range, _)| range == name).map(|(_, quality)| *quality)
    }

    /// The quality of a type: that of the most specific range that takes it in (RFC 9110 section 12.5.1).
    fn quality(&self, media_type: &str) -> u16 {
        let family = media_type.split_once('/').map_or(media_type, |(family, _)| family);
        let named = self.named(media_type).or_else(|| self.named(&format!("{family}/*")));
        named.or_else(|| self.named("*/*")).unwrap_or(0)
    }
}

fn range(text: &str) -> (String, u16) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, quality.map_or(1000, thousandths))
}

/// `0.75` as 750; what is no quality counts for nothing.
fn thousandths(quality: &str) -> u16 {
    match quality.split_once('.').unwrap_or((quality, "")) {
        ("1", _) => 1000,
        ("0", digits) if digits.len() <= 3 => format!("{digits:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())])
    }

    #[test]
    fn browsers_get_html() {
        for accept in [
            // Firefox, Chromium, Safari
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
            "application/xhtml+xml, */*;q=0.1",
            "text/html",
        ] {
            for xml in ["application/rss+xml", "text/xml", "application/atom+xml"] {
                assert!(names_html(&accepting(accept)) && prefers_html(&accepting(accept), xml), "{accept}");
            }
        }
    }

    #[test]
    fn feed_readers_and_harvesters_get_xml() {
        for accept in [
            "*/*",
            "",
            "application/rss+xml, application/atom+xml;q=0.9, */*;q=0.1",
            "application/atom+xml,application/rss+xml,application/xml;q=0.9,text/xml;q=0.8,text/html;q=0.7",
            "application/xml, application/atom+xml, application/rss+xml, text/html, */*;q=0.9",
            "text/html;q=0, */*",
            "text/html;q=2",
            "text/*",
        ] {
            assert!(!prefers_html(&accepting(accept), "application/rss+xml"), "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new(), "text/xml") && !names_html(&HeaderMap::new()));
    }

    #[test]
    fn qualities_are_thousandths() {
        let cases = [
            ("1", 1000),
            ("1.000", 1000),
            ("0.8", 800),
            ("0.05", 50),
            ("0", 0),
            ("0.", 0),
            ("0.1234", 0),
            ("x", 0),
        ];
        for (quality, expected) in cases {
            assert_eq!(thousandths(quality), expected, "{quality}");
        }
    }
}
