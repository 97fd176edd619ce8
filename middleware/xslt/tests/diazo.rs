//! A theme that Diazo's own compiler has compiled gives what it gives by lxml.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tower_xslt::{Input, InputKind, Limits, OutputKind, Policy, Stylesheet};

/// Pages, with the parameters `path` and `mode`.
const PAGES: [[&str; 3]; 6] = [
    ["page.html", "/", ""],
    ["page.html", "/about/us", ""],
    ["page.html", "/it's \"quoted\"", "plain"],
    ["page.html", "/raw/page", ""],
    ["other.html", "/", ""],
    ["other.html", "/", "plain"],
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diazo")
}

/// Compiles the rules and applies them, by Python: the compiled sheet and the results are in the folder.
fn by_diazo() -> tempfile::TempDir {
    let venv = std::env::var("VESTIBULE_TEST_VENV").expect("VESTIBULE_TEST_VENV is not set: start tests/run");
    let results = tempfile::tempdir().expect("a temporary folder");
    let status = Command::new("timeout")
        .args(["--kill-after=5s", "60s"])
        .arg(format!("{venv}/bin/python"))
        .args([folder().join("themed.py"), folder().join("rules.xml"), results.path().to_owned()])
        .args(PAGES.map(|page| page.join(",")))
        .status()
        .expect("timeout is there");
    assert!(status.success(), "{status}: Diazo is in tests/requirements.txt");
    results
}

fn run(sheet: &Stylesheet, html: &[u8], kind: InputKind, params: &[(&str, &str)]) -> String {
    let params: Vec<_> = params.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let input = Input { bytes: html, kind, charset: Some("utf-8") };
    let output = sheet.transform(input, &params, &Limits::default());
    let output = output.unwrap_or_else(|error| panic!("failed to {error}"));
    String::from_utf8(output.bytes.to_vec()).expect("it is UTF-8")
}

fn compile(sheet: &Path) -> Stylesheet {
    Stylesheet::compile([sheet], &Policy::default()).unwrap_or_else(|error| panic!("failed to {error}"))
}

/// The tree that a browser makes of it, node by node.
fn tree(html: &str) -> String {
    let sheet = compile(&folder().with_file_name("html5").join("tree.xsl"));
    run(&sheet, html.as_bytes(), InputKind::Html5, &[])
}

#[test]
fn a_theme_gives_what_lxml_gives() {
    let by_diazo = by_diazo();
    let theme = compile(&by_diazo.path().join("theme.xsl"));
    for (number, [page, path, mode]) in PAGES.into_iter().enumerate() {
        let html = fs::read(folder().join(page)).expect("it is one of our files");
        let params = [("path", path), ("mode", mode)];
        let ours = run(&theme, &html, InputKind::Html, &params);
        let theirs =
            fs::read_to_string(by_diazo.path().join(format!("{number}.html"))).expect("it was written");
        assert_eq!(tree(&ours), tree(&theirs), "{page} {path} {mode}:\n{ours}\n--- lxml:\n{theirs}");

        // As HTML for browsers it is the same page, but for what is said of the charset and of XML.
        let ours = run(&theme.clone().writing(OutputKind::Html5), &html, InputKind::Html, &params);
        assert_eq!(
            without_asides(&tree(&ours)),
            without_asides(&tree(&theirs)),
            "{page} {path} {mode}:\n{ours}"
        );
        assert_eq!(ours.matches("charset").count(), 1, "{ours}");
    }
}

/// A tree without `<meta>` of the encoding, `xmlns`, `xml:lang` and white space beside the root.
fn without_asides(tree: &str) -> String {
    let asides = ["< meta>", "@ charset=", "@ http-equiv=", "@ content=text/html", "@ xml:lang=", "@ xmlns="];
    let lines = tree.lines().filter(|line| !asides.iter().any(|aside| line.trim_start().starts_with(aside)));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_theme_does_what_its_rules_say() {
    let by_diazo = by_diazo();
    let theme = compile(&by_diazo.path().join("theme.xsl"));
    let html = fs::read(folder().join("page.html")).expect("it is one of our files");
    let themed = |params: &[(&str, &str)]| run(&theme, &html, InputKind::Html, params);
    let page = themed(&[("path", "/")]);
    for (rule, expected) in [
        ("replace", "<title>Page &amp; title</title>"),
        ("append", "<meta name=\"description\" content=\"d\" />"),
        ("before", "<li>About</li><li>placeholder</li>"),
        ("after", "<p>Aside</p><p>Inline <b>after</b></p>"),
        ("copy attributes", "<div id=\"content\" class=\"new\" data-x=\"1\">"),
        ("merge attributes", "<body class=\"theme doc\">"),
        ("strip, drop content", "<p>Text é kept</p>"),
        ("xsl inline", "Path: /</div>"),
        ("if-content", "<p class=\"info\">Note</p><h1>Logo</h1>"),
        ("replace content by xsl", "<a rel=\"external\" class=\"ext\" href=\"http://e/\">ext</a>"),
    ] {
        assert!(page.contains(expected), "{rule}: {expected} in {page}");
    }
    assert!(!page.contains("drop-me"), "drop: {page}");
    assert!(!themed(&[("path", "/about")]).contains("Aside"), "if-path");
    assert!(themed(&[("mode", "plain")]).contains("<h1>Plain</h1>"), "two themes");
    assert!(!themed(&[("path", "/raw")]).contains("Logo"), "notheme");
}
