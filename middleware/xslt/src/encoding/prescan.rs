//! What the beginning of an HTML document says of its encoding (HTML, "prescan a byte stream to determine its encoding").

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

/// The encoding that is declared by a `<meta>`, or else by an XML declaration.
pub(super) fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [b'<', 0, b'?', 0, b'x', 0, ..] => return Some(UTF_16LE),
        [0, b'<', 0, b'?', 0, b'x', ..] => return Some(UTF_16BE),
        _ => {}
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        if rest.starts_with(b"<!--") {
            // `<!-->` is whole.
            rest = after(&rest[2..], b"-->").unwrap_or_default();
        } else if let Some(attributes) = meta(rest) {
            let mut attributes = Attributes(attributes);
            if let Some(encoding) = of_attributes(&mut attributes) {
                return Some(encoding);
            }
            rest = attributes.0;
        } else if let Some(name) = tag_name(rest) {
            let end = name.iter().position(|byte| is_space(*byte) || *byte == b'>').unwrap_or(name.len());
            let mut attributes = Attributes(&name[end..]);
            while attributes.next().is_some() {}
            rest = attributes.0;
        } else if let [b'<', b'!' | b'/' | b'?', markup @ ..] = rest {
            rest = after(markup, b">").unwrap_or_default();
        } else {
            rest = &rest[1..];
        }
    }
    of_xml_declaration(bytes)
}

/// The encoding that a `<meta>` means by a label: it stands in text that could be read, so it cannot mean UTF-16.
pub(super) fn of_meta(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label(label.as_bytes())
        .map(as_readable)
        .map(|encoding| if encoding == X_USER_DEFINED { WINDOWS_1252 } else { encoding })
}

fn as_readable(encoding: &'static Encoding) -> &'static Encoding {
    if encoding == UTF_16BE || encoding == UTF_16LE { UTF_8 } else { encoding }
}

/// What follows `<meta`.
fn meta(bytes: &[u8]) -> Option<&[u8]> {
    let (name, rest) = bytes.split_at_checked(5)?;
    let is_whole = rest.first().is_some_and(|byte| is_space(*byte) || *byte == b'/');
    (name.eq_ignore_ascii_case(b"<meta") && is_whole).then_some(rest)
}

/// What follows the `<` or `</` of a tag.
fn tag_name(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [b'<', b'/', name @ ..] | [b'<', name @ ..] if name.first().is_some_and(u8::is_ascii_alphabetic) => {
            Some(name)
        }
        _ => None,
    }
}

fn of_attributes(attributes: &mut Attributes<'_>) -> Option<&'static Encoding> {
    let (mut has_pragma, mut needs_pragma, mut label) = (false, None, None);
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for (name, value) in attributes {
        if seen.contains(&name) {
            continue;
        }
        match &*name {
            b"http-equiv" => has_pragma |= value == b"content-type",
            b"content" if label.is_none() => {
                label = of_content(&value);
                needs_pragma = label.is_some().then_some(true);
            }
            b"charset" => (label, needs_pragma) = (Some(value), Some(false)),
            _ => {}
        }
        seen.push(name);
    }
    if needs_pragma? && !has_pragma {
        return None;
    }
    of_meta(std::str::from_utf8(&label?).ok()?)
}

/// The charset of `text/html; charset=…` (HTML, "extracting a character encoding from a meta element"). The value is in lower
/// case.
fn of_content(content: &[u8]) -> Option<Vec<u8>> {
    let mut rest = content;
    loop {
        rest = trim(after(rest, b"charset")?);
        if let [b'=', value @ ..] = rest {
            let value = trim(value);
            if let [quote @ (b'"' | b'\''), value @ ..] = value {
                let end = value.iter().position(|byte| byte == quote)?;
                return Some(value[..end].to_vec());
            }
            let end = value.iter().position(|byte| is_space(*byte) || *byte == b';');
            return Some(value[..end.unwrap_or(value.len())].to_vec());
        }
    }
}

/// `<?xml version="1.0" encoding="…"?>` (HTML, "get an XML encoding")
fn of_xml_declaration(bytes: &[u8]) -> Option<&'static Encoding> {
    let declaration = bytes.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..declaration.iter().position(|byte| *byte == b'>')?];
    let rest = after_spaces(after(declaration, b"encoding")?).strip_prefix(b"=")?;
    let (quote, value) =
        after_spaces(rest).split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    let value = &value[..value.iter().position(|byte| byte == quote)?];
    let is_plain = value.iter().all(|byte| *byte > b' ');
    is_plain.then(|| Encoding::for_label(value))?.map(as_readable)
}

/// The attributes of a tag, names and values in lower case (HTML, "get an attribute"). What is left begins where it ended.
struct Attributes<'a>(&'a [u8]);

impl Iterator for Attributes<'_> {
    type Item = (Vec<u8>, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.0.iter().position(|byte| !is_space(*byte) && *byte != b'/').unwrap_or(self.0.len());
        self.0 = &self.0[start..];
        if matches!(self.0.first(), None | Some(b'>')) {
            return None;
        }
        // A name may begin with `=`.
        let ends = |byte: &u8| is_space(*byte) || matches!(byte, b'=' | b'/' | b'>');
        let end = self.0.iter().skip(1).position(ends).map_or(self.0.len(), |end| end + 1);
        let name = self.take(end);
        let rest = trim(self.0);
        let [b'=', rest @ ..] = rest else { return Some((name, Vec::new())) };
        self.0 = trim(rest);
        let value = match self.0 {
            [quote @ (b'"' | b'\''), value @ ..] => {
                self.0 = value;
                let end = value.iter().position(|byte| byte == quote);
                let text = self.take(end.unwrap_or(value.len()));
                self.0 = self.0.get(1..).unwrap_or_default();
                text
            }
            value => {
                let end = value.iter().position(|byte| is_space(*byte) || *byte == b'>');
                self.take(end.unwrap_or(value.len()))
            }
        };
        Some((name, value))
    }
}

impl Attributes<'_> {
    fn take(&mut self, length: usize) -> Vec<u8> {
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        text.to_ascii_lowercase()
    }
}

fn after<'a>(bytes: &'a [u8], what: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(what.len()).position(|window| window == what)?;
    Some(&bytes[at + what.len()..])
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_space(*byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

/// Any byte up to the space counts as one in an XML declaration.
fn after_spaces(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| *byte > b' ').unwrap_or(bytes.len());
    &bytes[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<&'static str> {
        declared(text.as_bytes()).map(Encoding::name)
    }

    #[test]
    fn a_meta_declares_it_in_either_way() {
        for text in [
            "<meta charset=koi8-r>",
            "<META\tCharSet = 'KOI8-R' />",
            "<meta/charset=\"koi8-r\">",
            "<!DOCTYPE html><html lang=\"a>b\"><head a='<meta charset=utf-8>'><meta name=x><meta charset=koi8-r>",
            "<!-- <meta charset=utf-8> --><meta charset=koi8-r>",
            "<!--><meta charset=koi8-r>",
            "<?pi <x?></p x=y><meta charset=koi8-r>",
            "<meta http-equiv=Content-Type content='text/html; charset=koi8-r'>",
            "<meta content=\"text/html;charset = 'koi8-r'\" http-equiv=content-type>",
            "<meta content='charset, charset=koi8-r; x' http-equiv=content-type>",
            "<meta charset=koi8-r charset=utf-8>",
            "<meta =x charset=koi8-r>",
        ] {
            assert_eq!(name(text), Some("KOI8-R"), "{text}");
        }
    }

    #[test]
    fn what_declares_nothing_is_passed_over() {
        for text in [
            "<meta content='text/html; charset=koi8-r'>",
            "<meta http-equiv=refresh content='charset=koi8-r'>",
            "<meta charset=unheard-of>",
            "<metacharset=koi8-r>",
            "<!-- <meta charset=koi8-r>",
            "<a x='<meta charset=koi8-r>",
            "< meta charset=koi8-r>",
            "<meta charset",
            "<meta http-equiv=content-type content='charset=\"koi8-r'>",
        ] {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn what_could_be_read_is_not_in_utf_16() {
        assert_eq!(name("<meta charset=utf-16le>"), Some("UTF-8"));
        assert_eq!(name("<meta charset=x-user-defined>"), Some("windows-1252"));
    }

    #[test]
    fn an_xml_declaration_counts_where_no_meta_does() {
        assert_eq!(name("<?xml version='1.0' encoding='koi8-r'?><html>"), Some("KOI8-R"));
        assert_eq!(name("<?xml encoding='koi8-r'?><meta charset=big5>"), Some("Big5"));
        assert_eq!(name("<?xml version='1.0'?><html>"), None);
        assert_eq!(name("<\0?\0x\0"), Some("UTF-16LE"));
        assert_eq!(name("\0<\0?\0x"), Some("UTF-16BE"));
    }

    #[test]
    fn every_beginning_of_a_document_can_be_searched() {
        let text = "<!DOCTYPE html><?xml?><!--x--><html a='b' c=\"d\" e=f g></x><meta content='charset=\"u' charset=koi8-r/>";
        for end in 0..text.len() {
            declared(&text.as_bytes()[..end]);
            of_content(&text.as_bytes()[..end]);
            of_xml_declaration(&text.as_bytes()[..end]);
        }
    }
}
