//! Characters that cannot stand for themselves.

/// Writes a text between tags.
pub(super) fn escape_text(text: &[u8], put: impl FnMut(&[u8])) {
    escape(text, false, put);
}

/// Writes a piece of an attribute's value, between double quotes.
pub(super) fn escape_value(text: &[u8], put: impl FnMut(&[u8])) {
    escape(text, true, put);
}

/// A carriage return would be read as a line feed; a non-breaking space would not be seen by who reads the source.
fn escape(text: &[u8], quotes: bool, mut put: impl FnMut(&[u8])) {
    let mut start = 0;
    for (at, byte) in text.iter().enumerate() {
        let (reference, length): (&[u8], usize) = match byte {
            b'&' => (b"&amp;", 1),
            b'<' => (b"&lt;", 1),
            b'>' => (b"&gt;", 1),
            b'\r' => (b"&#13;", 1),
            b'"' if quotes => (b"&quot;", 1),
            0xc2 if text.get(at + 1) == Some(&0xa0) => (b"&nbsp;", 2),
            _ => continue,
        };
        put(&text[start..at]);
        put(reference);
        start = at + length;
    }
    put(&text[start..]);
}

/// Writes a comment. What would end it early is parted by a space.
pub(super) fn comment(text: &[u8], mut put: impl FnMut(&[u8])) {
    put(b"<!--");
    if text.starts_with(b">") || text.starts_with(b"->") {
        put(b" ");
    }
    let mut start = 0;
    for at in 0..text.len() {
        let rest = &text[at..];
        if rest.starts_with(b"-->") || rest.starts_with(b"--!>") {
            put(&text[start..at + 2]);
            put(b" ");
            start = at + 2;
        }
    }
    put(&text[start..]);
    put(b"-->");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(write: impl FnOnce(&mut dyn FnMut(&[u8]))) -> String {
        let mut all = Vec::new();
        write(&mut |part| all.extend_from_slice(part));
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn markup_is_escaped_and_quotes_only_in_values() {
        let text = "<a b=\"c\">&amp;\u{a0}é\r\n".as_bytes();
        assert_eq!(collected(|put| escape_text(text, put)), "&lt;a b=\"c\"&gt;&amp;amp;&nbsp;é&#13;\n");
        assert_eq!(
            collected(|put| escape_value(text, put)),
            "&lt;a b=&quot;c&quot;&gt;&amp;amp;&nbsp;é&#13;\n"
        );
    }

    #[test]
    fn a_comment_does_not_end_before_its_end() {
        for (text, expected) in [
            ("a -- b", "<!--a -- b-->"),
            ("", "<!---->"),
            ("-", "<!----->"),
            (">a", "<!-- >a-->"),
            ("->a", "<!-- ->a-->"),
            ("a-->b--!>c", "<!--a-- >b-- !>c-->"),
        ] {
            assert_eq!(collected(|put| comment(text.as_bytes(), put)), expected);
        }
    }
}
