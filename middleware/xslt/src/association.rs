//! The `xml-stylesheet` processing instructions of a document ("Associating Style Sheets with XML documents 1.0").

/// How much of a document is looked through: its prolog comes first, and is short.
const LOOKED_AT: usize = 64 << 10;

/// What is said to be XSLT: `text/xsl` by browsers, the others by RFC 3023 and XSLT 2.0.
const XSLT: [&str; 4] = ["text/xsl", "text/xml", "application/xml", "application/xslt+xml"];

/// The reference of the stylesheet that a browser would apply: that of the first instruction before the root element whose
/// type is XSLT, whose media are a screen's, and which is no alternative. `None` where there is none.
pub(crate) fn stylesheet_of(document: &[u8]) -> Option<String> {
    let text = text_of(&document[..document.len().min(LOOKED_AT)]);
    let prolog = Prolog { rest: text.strip_prefix('\u{feff}').unwrap_or(&text) };
    prolog.filter_map(Instruction::parse).find(Instruction::applies).map(|instruction| instruction.href)
}

/// The text as far as a prolog needs it: markup is ASCII in every encoding but UTF-16, and an address nearly always.
fn text_of(bytes: &[u8]) -> String {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xfe, 0xff, ..] | [0, b'<', ..] => u16::from_be_bytes,
        [0xff, 0xfe, ..] | [b'<', 0, ..] => u16::from_le_bytes,
        _ => {
            let utf8 = std::str::from_utf8(bytes).map(str::to_owned);
            return utf8.unwrap_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect());
        }
    };
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// What the `xml-stylesheet` instructions before the root element say.
struct Prolog<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Prolog<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            self.rest = self.rest.trim_start();
            if let Some(after) = self.rest.strip_prefix("<!--") {
                self.rest = after.split_once("-->")?.1;
            } else if let Some(after) = self.rest.strip_prefix("<?") {
                let (said, after) = after.split_once("?>")?;
                self.rest = after;
                let said = said.strip_prefix("xml-stylesheet");
                if let Some(said) = said.filter(|said| said.starts_with(char::is_whitespace)) {
                    return Some(said);
                }
            } else if let Some(after) = self.rest.strip_prefix("<!DOCTYPE") {
                self.rest = after_declaration(after)?;
            } else {
                return None;
            }
        }
    }
}

/// What follows a declaration, with all that stands inside of it: an internal subset has declarations, comments,
/// instructions and quoted texts of its own.
fn after_declaration(text: &str) -> Option<&str> {
    let mut rest = text;
    let mut open = 1;
    loop {
        let from = &rest[rest.find(['<', '>', '"', '\''])?..];
        rest = if let Some(comment) = from.strip_prefix("<!--") {
            comment.split_once("-->")?.1
        } else if let Some(instruction) = from.strip_prefix("<?") {
            instruction.split_once("?>")?.1
        } else if let Some(quoted) = from.strip_prefix(['"', '\'']) {
            quoted.split_once(char::from(from.as_bytes()[0]))?.1
        } else {
            open = if from.starts_with('<') { open + 1 } else { open - 1 };
            &from[1..]
        };
        if open == 0 {
            return Some(rest);
        }
    }
}

/// One instruction.
#[derive(Debug, Default)]
struct Instruction {
    href: String,
    kind: String,
    media: String,
    alternate: bool,
}

impl Instruction {
    /// Reads the pseudo-attributes; `None` where they are malformed, or one that is needed is missing.
    fn parse(said: &str) -> Option<Self> {
        let mut instruction = Self::default();
        let (mut has_href, mut rest) = (false, said.trim());
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, after) = after[1..].split_once(quote)?;
            let value = unescaped(value)?;
            match name.trim_end() {
                "href" => (instruction.href, has_href) = (value, true),
                "type" => instruction.kind = value,
                "media" => instruction.media = value,
                "alternate" => instruction.alternate = value == "yes",
                _ => {}
            }
            rest = after.trim_start();
        }
        has_href.then_some(instruction)
    }

    fn applies(&self) -> bool {
        let kind = self.kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        !self.alternate && XSLT.contains(&kind.as_str()) && is_for_screens(&self.media)
    }
}

/// Whether a list of media queries takes a screen in, as far as that can be told without one.
fn is_for_screens(media: &str) -> bool {
    let query = |query: &str| {
        let query = query.trim().to_ascii_lowercase();
        let of = query.strip_prefix("only ").unwrap_or(&query).trim_start();
        let medium = of.split(|c: char| c.is_whitespace()).next().unwrap_or_default();
        matches!(medium, "all" | "screen") || medium.starts_with('(')
    };
    media.trim().is_empty() || media.split(',').any(query)
}

/// A value without its references to characters and to the five entities that need no declaration.
fn unescaped(value: &str) -> Option<String> {
    let mut text = String::with_capacity(value.len());
    let mut parts = value.split('&');
    text.push_str(parts.next()?);
    for part in parts {
        let (name, after) = part.split_once(';')?;
        text.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => char::from_u32(match name.strip_prefix("#x") {
                Some(number) => u32::from_str_radix(number, 16).ok()?,
                None => name.strip_prefix('#')?.parse().ok()?,
            })?,
        });
        text.push_str(after);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(document: &str) -> Option<String> {
        stylesheet_of(document.as_bytes())
    }

    #[test]
    fn the_instruction_is_found_wherever_a_prolog_may_have_it() {
        let instruction = r#"<?xml-stylesheet type="text/xsl" href="a.xsl"?>"#;
        for prolog in [
            String::new(),
            "\u{feff}<?xml version='1.0'?>\n".to_owned(),
            "<?xml version='1.0'?><!-- <?xml-stylesheet?> > --><?other href='b'?>\n".to_owned(),
            format!(
                "<!DOCTYPE a [ <!-- ' --> <!ENTITY b '\">]'> <?x '?> <!ELEMENT a ANY> ]>{}",
                "\n".repeat(9)
            ),
            "<!DOCTYPE html PUBLIC \"-//W3C//DTD>\" 'x'>".to_owned(),
        ] {
            assert_eq!(found(&format!("{prolog}{instruction}<a/>")).as_deref(), Some("a.xsl"), "{prolog}");
        }
    }

    #[test]
    fn what_stands_elsewhere_is_none() {
        let instruction = r#"<?xml-stylesheet type="text/xsl" href="a.xsl"?>"#;
        for document in [
            format!("<a>{instruction}</a>"),
            format!("<a/>{instruction}"),
            format!("<!-- {instruction} --><a/>"),
            format!("<!DOCTYPE a [ {instruction} ]><a/>"),
            "<?xml-stylesheets type='text/xsl' href='a.xsl'?><a/>".to_owned(),
            "<?xml-stylesheet type='text/xsl' href='a.xsl'".to_owned(),
            format!("<!DOCTYPE a [{instruction}<a/>"),
            String::new(),
        ] {
            assert_eq!(found(&document), None, "{document}");
        }
    }

    #[test]
    fn type_media_and_alternate_decide() {
        for (said, applies) in [
            ("type='text/xsl' href='a'", true),
            ("href='a' type='application/xslt+xml; charset=utf-8' title='t' media='screen'", true),
            (
                "type = 'TEXT/XML' media='print, only screen and (min-width: 1px)' alternate='no' href='a'",
                true,
            ),
            ("type='text/xsl' media='(min-width: 1px)' href='a'", true),
            ("type='text/css' href='a'", false),
            ("href='a'", false),
            ("type='text/xsl'", false),
            ("type='text/xsl' href='a' media='print'", false),
            ("type='text/xsl' href='a' alternate='yes'", false),
            ("type='text/xsl' href=a", false),
            ("type='text/xsl' href='a&b'", false),
        ] {
            assert_eq!(found(&format!("<?xml-stylesheet {said}?><a/>")).is_some(), applies, "{said}");
        }
    }

    #[test]
    fn the_first_that_applies_is_taken() {
        let document = "<?xml-stylesheet type='text/css' href='1'?><?xml-stylesheet type='text/xsl' href='2' alternate='yes'?>
<?xml-stylesheet type='text/xsl' href='3'?><?xml-stylesheet type='text/xsl' href='4'?><a/>";
        assert_eq!(found(document).as_deref(), Some("3"));
    }

    #[test]
    fn references_in_an_address_are_resolved() {
        let document = "<?xml-stylesheet type='text/xsl' href='a?b=1&amp;c=&#39;&#x2f;'?><a/>";
        assert_eq!(found(document).as_deref(), Some("a?b=1&c='/"));
    }

    #[test]
    fn utf_16_and_latin_1_are_read() {
        let document = "\u{feff}<?xml-stylesheet type='text/xsl' href='ä.xsl'?><a/>";
        let little: Vec<u8> = document.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = document.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let latin: Vec<u8> = document.chars().skip(1).map(|c| u8::try_from(c).unwrap()).collect();
        for bytes in [little, big, latin] {
            assert_eq!(stylesheet_of(&bytes).as_deref(), Some("ä.xsl"));
        }
    }
}
