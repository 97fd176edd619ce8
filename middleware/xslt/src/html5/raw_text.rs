//! Text of elements whose content is raw: HTML has no way to escape in there, so what would end the element too early is
//! written in the way of the language inside.

use std::borrow::Cow;

/// The text as it can stand in this element (its name in lower case).
pub(super) fn raw_text<'a>(element: &[u8], text: &'a [u8]) -> Cow<'a, [u8]> {
    match element {
        b"script" if !is_safe_script(text) => {
            // The same character in strings and regular expressions of JavaScript, and in JSON.
            let is_risky =
                |rest: &[u8]| [&b"</script"[..], b"<script", b"<!--"].iter().any(|begin| begins(rest, begin));
            replaced(text, is_risky, br"\u003C")
        }
        b"style" if ends_within(element, text) => replaced(text, |rest| is_end_tag(element, rest), br"\3C "),
        b"script" | b"style" | b"plaintext" => Cow::Borrowed(text),
        _ if ends_within(element, text) => replaced(text, |rest| is_end_tag(element, rest), b"&lt;"),
        _ => Cow::Borrowed(text),
    }
}

fn replaced<'a>(text: &'a [u8], is_risky: impl Fn(&[u8]) -> bool, by: &[u8]) -> Cow<'a, [u8]> {
    let mut written = Vec::with_capacity(text.len() + by.len());
    for (at, byte) in text.iter().enumerate() {
        if *byte == b'<' && is_risky(&text[at..]) {
            written.extend_from_slice(by);
        } else {
            written.push(*byte);
        }
    }
    written.into()
}

fn ends_within(element: &[u8], text: &[u8]) -> bool {
    (0..text.len()).any(|at| text[at] == b'<' && is_end_tag(element, &text[at..]))
}

/// Where a script's tokenizer stands: comments of old pages may hold whole scripts.
#[derive(PartialEq, Eq)]
enum Within {
    Script,
    Comment,
    ScriptInComment,
}

/// True for what comes out of a script as it went in.
fn is_safe_script(text: &[u8]) -> bool {
    let mut within = Within::Script;
    let mut at = 0;
    while let Some(ahead) = text[at..].iter().position(|byte| matches!(byte, b'<' | b'-')) {
        at += ahead;
        let rest = &text[at..];
        let (is_start, is_end) = (is_tag(b"<script", rest), is_end_tag(b"script", rest));
        match within {
            Within::Script | Within::Comment if is_end => return false,
            Within::Script if rest.starts_with(b"<!--") => {
                within = Within::Comment;
                // `<!-->` is a whole comment.
                at += 1;
            }
            Within::Comment if is_start => within = Within::ScriptInComment,
            Within::ScriptInComment if is_end => within = Within::Comment,
            Within::Comment | Within::ScriptInComment if rest.starts_with(b"-->") => within = Within::Script,
            _ => {}
        }
        at += 1;
    }
    within != Within::ScriptInComment
}

fn is_end_tag(element: &[u8], rest: &[u8]) -> bool {
    rest.starts_with(b"</") && is_tag(element, &rest[2..])
}

/// True for the name and what ends it.
fn is_tag(name: &[u8], rest: &[u8]) -> bool {
    begins(rest, name)
        && matches!(rest.get(name.len()), Some(b'\t' | b'\n' | 0x0c | b'\r' | b' ' | b'/' | b'>'))
}

fn begins(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(element: &str, text: &str) -> String {
        String::from_utf8(raw_text(element.as_bytes(), text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn a_script_that_is_none_too_short_stays_as_it_is() {
        for text in [
            "if (a < b && c > d) f('</p>')",
            "f('<\\/script>'); '</scripts>'",
            "<!--\nf()\n//-->",
            "<!-- f('<script>g()</script>') -->",
            "<!--> f()",
            "'<script>'",
            "</script",
        ] {
            assert_eq!(written("script", text), text);
        }
    }

    #[test]
    fn a_script_does_not_end_before_its_end() {
        for (text, expected) in [
            ("f('</script><b>')", r"f('\u003C/script><b>')"),
            ("f('</SCRIPT ')", r"f('\u003C/SCRIPT ')"),
            ("f('<!--<script>')", r"f('\u003C!--\u003Cscript>')"),
            ("<!-- </script> -->", r"\u003C!-- \u003C/script> -->"),
            ("<!-- --> </script/", r"\u003C!-- --> \u003C/script/"),
        ] {
            assert_eq!(written("script", text), expected);
        }
    }

    #[test]
    fn neither_does_another_raw_text() {
        assert_eq!(
            written("style", "a::after { content: '</style>' }"),
            r"a::after { content: '\3C /style>' }"
        );
        assert_eq!(written("style", "a > b { } /* </styles> </style"), "a > b { } /* </styles> </style");
        assert_eq!(written("iframe", "</p></iframe >"), "</p>&lt;/iframe >");
    }
}
