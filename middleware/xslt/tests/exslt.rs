//! EXSLT, module by module: each is there and works, but for crypto, and for `exsl:document`, which writes files.

use tower_xslt::{Limits, Policy, Stylesheet, XsltError};

const DOCUMENT: &str = "<r><n>3</n><n>1</n><n>3</n><e>1 + 1</e></r>";

/// Runs a sheet whose only template has this body, for a document of a few numbers.
fn run(top: &str, body: &str) -> Result<String, XsltError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sheet.xsl");
    let modules = [
        ("exsl", "common"),
        ("math", "math"),
        ("set", "sets"),
        ("str", "strings"),
        ("date", "dates-and-times"),
        ("dyn", "dynamic"),
        ("func", "functions"),
        ("crypto", "crypto"),
    ];
    let names =
        modules.map(|(prefix, name)| format!(r#" xmlns:{prefix}="http://exslt.org/{name}""#)).concat();
    let sheet = format!(
        r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:my="urn:my"{names}
 extension-element-prefixes="exsl func"><xsl:output method="text"/>{top}<xsl:template match="/">{body}</xsl:template></xsl:stylesheet>"#
    );
    std::fs::write(&path, sheet).unwrap();
    let sheet = Stylesheet::compile([path], &Policy::default())?;
    let output = sheet.transform(DOCUMENT.as_bytes(), &[], &Limits::default())?;
    Ok(String::from_utf8(output.bytes.to_vec()).unwrap())
}

#[track_caller]
fn gives(expression: &str, expected: &str) {
    let body = format!(r#"<xsl:value-of select="{expression}"/>"#);
    assert_eq!(run("", &body).unwrap_or_else(|error| panic!("failed to {error}")), expected, "{expression}");
}

#[test]
fn common_makes_nodes_of_a_fragment() {
    let body = r#"<xsl:variable name="v"><a>1</a><a>2</a></xsl:variable>
<xsl:value-of select="concat(count(exsl:node-set($v)/a), exsl:object-type($v), exsl:object-type(/r))"/>"#;
    assert_eq!(run("", body).unwrap().trim(), "2RTFnode-set");
}

#[test]
fn math_computes() {
    gives(
        "concat(math:max(/r/n), ' ', math:min(/r/n), ' ', math:power(2, 10), ' ', math:abs(-4))",
        "3 1 1024 4",
    );
    gives("count(math:highest(/r/n))", "2");
}

#[test]
fn sets_compare_nodes() {
    gives(
        "concat(count(set:distinct(/r/n)), count(set:difference(/r/*, /r/n)), set:has-same-node(/r/n, /r/e))",
        "21false",
    );
}

#[test]
fn strings_are_split_and_replaced() {
    gives(
        "concat(count(str:tokenize('a b,c', ' ,')), str:replace('a-b', '-', '+'), str:padding(3, 'x'))",
        "3a+bxxx",
    );
    gives("str:decode-uri(str:encode-uri('ä b', true()))", "ä b");
}

#[test]
fn dates_are_computed_and_formatted() {
    gives("date:add('2026-01-31', 'P1D')", "2026-02-01");
    gives(
        "concat(date:year('2026-11-22'), date:month-name('2026-11-22'), date:day-in-week('2026-11-22'))",
        "2026November1",
    );
    gives("string-length(date:date-time()) &gt; 18", "true");
}

#[test]
fn dynamic_evaluates_what_the_document_says() {
    gives("dyn:evaluate(/r/e)", "2");
}

#[test]
fn functions_are_defined_by_sheets() {
    let top = r#"<func:function name="my:twice"><xsl:param name="n"/><func:result select="$n * 2"/></func:function>"#;
    assert_eq!(run(top, r#"<xsl:value-of select="my:twice(sum(/r/n))"/>"#).unwrap(), "14");
}

#[test]
fn crypto_is_not_there() {
    gives("concat(function-available('crypto:md5'), function-available('crypto:rc4_encrypt'))", "falsefalse");
    let error = run("", r#"<xsl:value-of select="crypto:md5('a')"/>"#).unwrap_err();
    assert!(matches!(error, XsltError::Failed(_)) && error.to_string().contains("md5"), "{error}");
}

#[test]
fn a_document_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("written.xml");
    let body = format!(r#"<exsl:document href="{}"><a/></exsl:document>"#, file.display());
    let error = run("", &body).unwrap_err();
    assert!(matches!(&error, XsltError::PolicyDenied { uri } if uri.contains("written.xml")), "{error}");
    assert!(!file.exists());
}
