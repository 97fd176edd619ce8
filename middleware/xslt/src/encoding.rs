//! In which encoding a document came: what its bytes say, what its Content-Type says, and who goes first.
//!
//! A byte order mark goes before everything, in XML (RFC 7303, 3) as in HTML (HTML, 13.2.3.2). Then comes the charset of the
//! Content-Type, then what the document says of itself: for XML libxml2 reads that; for HTML it is in its first kilobyte.

mod prescan;

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use prescan::declared;

/// How much of an HTML document is searched for its encoding.
const SEARCHED: usize = 1024;

/// The charset that an XML parser is to be told: that of the Content-Type, unless the document has a byte order mark.
pub(crate) fn of_xml<'a>(bytes: &[u8], charset: Option<&'a str>) -> Option<&'a str> {
    charset.filter(|_| Encoding::for_bom(bytes).is_none())
}

/// The encoding of an HTML document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HtmlEncoding {
    encoding: &'static Encoding,
    /// Somebody said so, so that a `<meta>` further down says nothing new.
    pub(crate) is_certain: bool,
}

impl HtmlEncoding {
    /// Where nobody says anything it is UTF-8 if it can be, or else what most old pages are in.
    pub(crate) fn of(bytes: &[u8], charset: Option<&str>) -> Self {
        let said = Encoding::for_bom(bytes)
            .map(|(encoding, _)| encoding)
            .or_else(|| Encoding::for_label(charset?.as_bytes()))
            .or_else(|| declared(&bytes[..bytes.len().min(SEARCHED)]));
        match said {
            Some(encoding) => Self { encoding, is_certain: true },
            None if Encoding::utf8_valid_up_to(bytes) == bytes.len() => {
                Self { encoding: UTF_8, is_certain: false }
            }
            None => Self { encoding: WINDOWS_1252, is_certain: false },
        }
    }

    /// What a `<meta>` says that was found late, if it says anything new.
    pub(crate) fn corrected(self, label: &str) -> Option<Self> {
        let encoding = prescan::of_meta(label)?;
        (!self.is_certain && encoding != self.encoding).then_some(Self { encoding, is_certain: true })
    }

    /// The text. What is no character in this encoding becomes U+FFFD, and a byte order mark goes.
    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        self.encoding.decode_with_bom_removal(bytes).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], charset: Option<&str>) -> (&'static str, String) {
        let found = HtmlEncoding::of(bytes, charset);
        (found.encoding.name(), found.decode(bytes).into_owned())
    }

    #[test]
    fn the_mark_goes_before_the_content_type_and_that_before_the_document() {
        let marked = b"\xef\xbb\xbf<meta charset=koi8-r>\xc3\xa9";
        assert_eq!(read(marked, Some("iso-8859-2")), ("UTF-8", "<meta charset=koi8-r>é".to_owned()));
        assert_eq!(read(&marked[3..], Some("iso-8859-2")).0, "ISO-8859-2");
        assert_eq!(read(&marked[3..], None).0, "KOI8-R");
        assert_eq!(read(&marked[3..], Some("no such thing")).0, "KOI8-R");
        assert_eq!(read(b"\xff\xfe<\0a\0>\0", Some("utf-8")), ("UTF-16LE", "<a>".to_owned()));
    }

    #[test]
    fn a_document_that_says_nothing_is_utf_8_if_it_can_be() {
        assert_eq!(read("<p>é".as_bytes(), None), ("UTF-8", "<p>é".to_owned()));
        assert_eq!(read(b"<p>\xe9 \x80", None), ("windows-1252", "<p>é €".to_owned()));
        assert_eq!(read(b"", None), ("UTF-8", String::new()));
    }

    #[test]
    fn only_the_first_kilobyte_is_searched() {
        let late = format!("{}<meta charset=koi8-r>", " ".repeat(SEARCHED));
        assert_eq!(read(late.as_bytes(), None).0, "UTF-8");
        let tentative = HtmlEncoding::of(late.as_bytes(), None);
        assert_eq!(tentative.corrected("koi8-r").map(|found| found.encoding.name()), Some("KOI8-R"));
        assert_eq!(tentative.corrected("utf-8"), None);
        assert_eq!(HtmlEncoding::of(b"", Some("utf-8")).corrected("koi8-r"), None);
    }

    #[test]
    fn bytes_that_are_no_text_become_replacement_characters() {
        assert_eq!(read(b"a\xffb", Some("utf-8")).1, "a\u{fffd}b");
    }

    #[test]
    fn xml_with_a_mark_needs_no_charset() {
        assert_eq!(of_xml(b"\xef\xbb\xbf<a/>", Some("iso-8859-1")), None);
        assert_eq!(of_xml(b"\xfe\xff\0<", Some("utf-8")), None);
        assert_eq!(of_xml(b"<a/>", Some("iso-8859-1")), Some("iso-8859-1"));
    }
}
