//! Characters that cannot stand for themselves.

use super::LeftOut;
use crate::output::sink::Sink;

/// What is to be done with a byte
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    Ampersand,
    Less,
    Greater,
    Quote,
    Control,
}

static CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte < b' ' as usize {
        classes[byte] = Class::Control;
        byte += 1;
    }
    classes[b'\t' as usize] = Class::Plain;
    classes[b'\n' as usize] = Class::Plain;
    classes[b'\r' as usize] = Class::Plain;
    classes[b'&' as usize] = Class::Ampersand;
    classes[b'<' as usize] = Class::Less;
    classes[b'>' as usize] = Class::Greater;
    classes[b'"' as usize] = Class::Quote;
    classes
};

/// Writes a text between tags.
pub(super) fn escape_text(text: &[u8], sink: &mut Sink) -> Result<(), LeftOut> {
    escape(text, b"", sink)
}

/// Writes an attribute's value, between these quotation marks.
pub(super) fn escape_value(value: &[u8], quote: &[u8], sink: &mut Sink) -> Result<(), LeftOut> {
    if holds_markup(value) { Err(LeftOut) } else { escape(value, quote, sink) }
}

/// Writes an attribute's value that is a URI, between double quotation marks.
pub(super) fn escape_uri(value: &[u8], sink: &mut Sink) -> Result<(), LeftOut> {
    if holds_markup(value) {
        return Err(LeftOut);
    }
    let blanks = value.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    for part in value[blanks..].chunk_by(|one, other| stands(*one) == stands(*other)) {
        if stands(part[0]) {
            escape(part, b"", sink)?;
            continue;
        }
        for byte in part {
            if !(byte.is_ascii_whitespace() || *byte >= 0x80) {
                return Err(LeftOut);
            }
            sink.put(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    Ok(())
}

/// True for a byte that stands for itself in a URI, once it is escaped for HTML. Spaces, line ends and letters of other scripts do not;
/// of all others, as of `[`, versions of libxml2 think differently.
fn stands(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()@/:=?;#%&,+<>".contains(&byte)
}

fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'A' - 10 + value }
}

/// The quotation marks that libxml2 puts around a text.
pub(super) fn quote_for(text: &[u8]) -> &'static [u8] {
    if text.contains(&b'"') && !text.contains(&b'\'') { b"'" } else { b"\"" }
}

/// True where HTML 4 lets something in an attribute be no text: `<!--` of a server-side include, `&{` of a script.
fn holds_markup(value: &[u8]) -> bool {
    let begins = |at: usize| value[at..].starts_with(b"<!--") || value[at..].starts_with(b"&{");
    value.iter().enumerate().any(|(at, byte)| matches!(byte, b'<' | b'&') && begins(at))
}

fn escape(text: &[u8], quote: &[u8], sink: &mut Sink) -> Result<(), LeftOut> {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| CLASSES[usize::from(*byte)] != Class::Plain) {
        let reference: &[u8] = match CLASSES[usize::from(rest[at])] {
            Class::Ampersand => b"&amp;",
            Class::Less => b"&lt;",
            Class::Greater => b"&gt;",
            Class::Quote if quote == b"\"" => b"&quot;",
            Class::Quote | Class::Plain => &rest[at..=at],
            Class::Control => return Err(LeftOut),
        };
        sink.put(&rest[..at]);
        sink.put(reference);
        rest = &rest[at + 1..];
    }
    sink.put(rest);
    Ok(())
}
