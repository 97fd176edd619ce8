//! Parameters are strings, whatever they hold: quotes, XPath, markup, control characters.

use tower_xslt::{Limits, Output, Policy, Stylesheet, XsltError};

/// Writes its parameter by this method, once as text and once as an attribute.
fn sheet(method: &str) -> Stylesheet {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sheet.xsl");
    let sheet = format!(
        r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="{method}" omit-xml-declaration="yes" encoding="UTF-8"/><xsl:param name="p" select="'unset'"/>
<xsl:template match="/"><a b="{{$p}}"><xsl:value-of select="$p"/></a></xsl:template></xsl:stylesheet>"#
    );
    std::fs::write(&path, sheet).unwrap();
    Stylesheet::compile([path], &Policy::default()).unwrap()
}

fn run(sheet: &Stylesheet, value: &str) -> Result<Output, XsltError> {
    let params = [("p".to_owned(), value.to_owned())];
    sheet.transform(b"<secret>of the document</secret>".as_slice(), &params, &Limits::default())
}

fn hostile() -> Vec<String> {
    let written = [
        "it's",
        "say \"so\"",
        "\"both\" and 'both' and \"'\"'",
        "'",
        "\"",
        "''''\"\"\"\"",
        "' or '1'='1",
        "', document('/etc/passwd'), '",
        "\"), document(\"/etc/passwd\"), concat(\"",
        "document('file:///etc/passwd')",
        "/secret",
        "{/secret}",
        "string(/)",
        "$p",
        "1 + 1",
        "1 div 0",
        "system-property('xsl:vendor')",
        "//*[",
        "&lt;&amp;&quot;&#39;&secret;",
        "<script>alert(1)</script>",
        "]]>",
        "<!-- -->",
        "<?php ?>",
        "",
        " leading and trailing ",
        "tab\tline\nreturn\r\n",
        "\u{feff}\u{202e}\u{2028}\u{fffd}\u{1f600}é",
        "%s%n%d",
        "\\'\\\"\\",
    ];
    // Each of ASCII's control characters but NUL, alone and between quotes.
    let controls = (1..0x20_u8).chain([0x7f]).map(char::from);
    let controls = controls.flat_map(|c| [c.to_string(), format!("'{c}\"")]);
    let long = ["'\"".repeat(50_000), "document('/etc/passwd')|".repeat(5_000)];
    written.map(str::to_owned).into_iter().chain(controls).chain(long).collect()
}

#[test]
fn they_arrive_as_they_were_given() {
    let sheet = sheet("text");
    for value in hostile() {
        assert_eq!(run(&sheet, &value).unwrap().bytes, value, "{value:?}");
    }
}

#[test]
fn they_are_text_in_markup() {
    for method in ["xml", "html"] {
        let sheet = sheet(method);
        for value in hostile() {
            let output = run(&sheet, &value).unwrap().bytes;
            let page = std::str::from_utf8(&output).unwrap();
            // One element with one attribute, whatever the value is.
            let inside = page.trim_end_matches('\n').strip_prefix("<a b=").unwrap();
            let quote = inside.chars().next().filter(|c| matches!(c, '"' | '\'')).unwrap();
            let (_, rest) = inside[1..].split_once(quote).unwrap();
            let text = if value.is_empty() && method == "xml" {
                assert_eq!(rest, "/>");
                ""
            } else {
                rest.strip_prefix('>').unwrap().strip_suffix("</a>").unwrap()
            };
            assert!(!text.contains('<'), "{method} {value:?}: {page}");
            assert!(!page.contains("of the document") && !page.contains("root:"), "{value:?}: {page}");
        }
    }
}

#[test]
fn a_name_is_a_name_and_no_expression() {
    let sheet = sheet("text");
    for name in ["", "q", "p'", "document('/etc/passwd')", "{urn:x}p", "a b", "$p"] {
        let params = [(name.to_owned(), "given".to_owned())];
        let result = sheet.transform(b"<a/>".as_slice(), &params, &Limits::default());
        assert!(result.is_ok_and(|output| output.bytes == "unset"), "{name:?}");
    }
}

#[test]
fn what_no_string_of_c_can_hold_is_refused_by_name() {
    let error = run(&sheet("text"), "a\0b").unwrap_err();
    assert!(matches!(&error, XsltError::Parameter { name } if name == "p"), "{error}");
}
