//! Results are, byte for byte, those of `xsltproc`.

use std::path::{Path, PathBuf};
use std::process::Command;

use tower_xslt::{Input, InputKind, Limits, Policy, Stylesheet};

fn sheets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sheets")
}

/// What xsltproc writes.
fn xsltproc(args: &[&str], sheet: &Path, document: &Path) -> Vec<u8> {
    let output = Command::new("xsltproc")
        .args(args)
        .args([sheet, document])
        .output()
        .expect("xsltproc (apt-get install xsltproc)");
    assert!(output.status.success(), "xsltproc: {}", String::from_utf8_lossy(&output.stderr));
    assert!(!output.stdout.is_empty(), "xsltproc wrote nothing for {}", sheet.display());
    output.stdout
}

/// Transforms `NAME.xml` by `NAME.xsl` in both ways and gives our Content-Type.
fn compare(name: &str, params: &[(&str, &str)]) -> String {
    let (sheet, document) =
        (sheets().join(name).with_extension("xsl"), sheets().join(name).with_extension("xml"));
    let mut args = Vec::new();
    for (name, value) in params {
        args.extend(["--stringparam", name, value]);
    }
    args.push("--nonet");
    let expected = xsltproc(&args, &sheet, &document);
    let params: Vec<_> =
        params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let ours = Stylesheet::compile([&sheet], &Policy::default())
        .unwrap_or_else(|error| panic!("failed to {error}"))
        .transform(&*std::fs::read(document).unwrap(), &params, &Limits::default())
        .unwrap_or_else(|error| panic!("failed to {error}"));
    assert_eq!(
        ours.bytes,
        expected,
        "{name}:\n{}\n--- xsltproc:\n{}",
        String::from_utf8_lossy(&ours.bytes),
        String::from_utf8_lossy(&expected)
    );
    ours.content_type
}

#[test]
fn sorting() {
    assert_eq!(compare("sort", &[]), "text/xml; charset=utf-8");
}

#[test]
fn keys_and_grouping() {
    compare("keys", &[]);
}

#[test]
fn modes_and_white_space() {
    assert_eq!(compare("modes", &[]), "text/html; charset=utf-8");
}

#[test]
fn imports_includes_and_documents() {
    assert_eq!(compare("imports", &[]), "text/xml; charset=us-ascii");
}

#[test]
fn exslt() {
    compare("exslt", &[]);
}

#[test]
fn text_in_latin_1() {
    assert_eq!(compare("text", &[]), "text/plain; charset=iso-8859-1");
}

#[test]
fn a_page_with_parameters_doctype_and_entities() {
    assert_eq!(compare("page", &[]), "text/html; charset=iso-8859-1");
    compare("page", &[("path", "/a?b=\"c\"&d=é"), ("user", "count(//*)")]);
    compare("page", &[("path", "it's"), ("user", "\"quoted\" <&>"), ("nobody-asked", "x")]);
}

#[test]
fn namespaces() {
    compare("namespaces", &[]);
}

#[test]
fn cdata_sections_in_utf_16() {
    assert_eq!(compare("cdata", &[]), "text/xml; charset=utf-16");
}

#[test]
fn numbers() {
    compare("numbers", &[]);
}

#[test]
fn html_input() {
    let (sheet, document) = (sheets().join("html.xsl"), sheets().join("html.html"));
    let expected = xsltproc(&["--html"], &sheet, &document);
    let bytes = std::fs::read(document).unwrap();
    let input = Input { bytes: &bytes, kind: InputKind::Html, charset: None };
    let ours =
        Stylesheet::compile([sheet], &Policy::default()).unwrap().transform(input, &[], &Limits::default());
    assert_eq!(ours.unwrap().bytes, expected);
}

#[test]
fn a_list_of_sheets_gives_what_xsltproc_gives_one_after_the_other() {
    // The first one does not indent: that would only be in the tree that has been a file in between.
    let (first, second, document) =
        (sheets().join("keys.xsl"), sheets().join("cdata.xsl"), sheets().join("keys.xml"));
    let between = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&between, xsltproc(&[], &first, &document)).unwrap();
    let expected = xsltproc(&[], &second, between.path());
    let ours = Stylesheet::compile([&first, &second], &Policy::default()).unwrap();
    let ours = ours.transform(&*std::fs::read(document).unwrap(), &[], &Limits::default()).unwrap();
    assert_eq!(ours.bytes, expected);
}
