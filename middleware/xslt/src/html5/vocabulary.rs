//! The elements and attributes of HTML that are written in a way of their own.

/// What an element's name means for its markup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Ordinary,
    /// It has none, and no end tag.
    Void,
    /// It ends with its end tag and with nothing else; there are no character references.
    Raw,
    /// A line feed at its beginning is ignored.
    AfterLineFeed,
}

impl Content {
    /// Of an element of HTML, by its name in lower case.
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"area" | b"base" | b"basefont" | b"bgsound" | b"br" | b"col" | b"embed" | b"frame" | b"hr"
            | b"img" | b"input" | b"keygen" | b"link" | b"meta" | b"param" | b"source" | b"track"
            | b"wbr" => Self::Void,
            b"iframe" | b"noembed" | b"noframes" | b"plaintext" | b"script" | b"style" | b"xmp" => Self::Raw,
            b"listing" | b"pre" | b"textarea" => Self::AfterLineFeed,
            _ => Self::Ordinary,
        }
    }
}

/// True for an attribute of HTML that is on where it stands, whatever its value.
pub(super) fn is_boolean(name: &[u8]) -> bool {
    matches!(
        name,
        b"allowfullscreen"
            | b"async"
            | b"autofocus"
            | b"autoplay"
            | b"checked"
            | b"compact"
            | b"controls"
            | b"declare"
            | b"default"
            | b"defer"
            | b"disabled"
            | b"formnovalidate"
            | b"inert"
            | b"ismap"
            | b"itemscope"
            | b"loop"
            | b"multiple"
            | b"muted"
            | b"nomodule"
            | b"noresize"
            | b"noshade"
            | b"novalidate"
            | b"nowrap"
            | b"open"
            | b"playsinline"
            | b"readonly"
            | b"required"
            | b"reversed"
            | b"selected"
    )
}
