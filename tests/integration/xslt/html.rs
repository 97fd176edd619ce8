//! Pages of HTML that are transformed: `input: html5`, `output: html5`, and the themes of `docs/themes.md`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{TestGateway, get};
use crate::python;

const COPY: &str = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="/"><xsl:copy-of select="node()"/></xsl:template>
</xsl:stylesheet>"#;

/// What browsers have to correct, and what is read in a way of its own.
const PAGE: &str = include_str!("samples/page.html");

/// The page as Chromium has it, once it is loaded.
fn dom(gateway: &TestGateway, path: &str) -> String {
    let profile = tempfile::tempdir().expect("a temporary folder");
    let browser = Command::new("timeout")
        .args(["--kill-after=5s", "180s", "chromium", "--headless", "--no-sandbox", "--disable-gpu"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", &format!("http://{}{path}", gateway.address())])
        .output()
        .expect("timeout is there");
    let (dom, errors) = (String::from_utf8_lossy(&browser.stdout), String::from_utf8_lossy(&browser.stderr));
    assert!(browser.status.success(), "{} (chromium: apt-get install chromium)\n{errors}", browser.status);
    assert!(dom.contains("another</a>"), "{dom}\n{errors}");
    dom.into_owned()
}

#[test]
fn chromium_has_the_same_page_with_and_without_us() {
    let gateway = TestGateway::with_files(
        "routes:
  - { mount: /through, layers: [ { xslt: { stylesheet: copy.xsl, input: html5, output: html5 } } ], static: { root: www } }
  - { mount: /plain, static: { root: www } }",
        &[("copy.xsl", COPY), ("www/page.html", PAGE)],
    );
    let page = get(&gateway.address(), "/through/page.html");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{}", page.text());
    assert_ne!(page.text(), PAGE, "it was transformed");
    let (plain, through) = (dom(&gateway, "/plain/page.html"), dom(&gateway, "/through/page.html"));
    assert_eq!(through.trim_end(), plain.trim_end());
}

/// The example of the page about themes, in front of this site.
fn example(site: &str) -> String {
    let page = include_str!("../../../docs/themes.md");
    let yaml =
        page.split("```").nth(1).and_then(|block| block.strip_prefix("yaml\n")).expect("the first block");
    // The harness listens where there is room.
    yaml.replace("listen: 127.0.0.1:8000\n", "").replace("127.0.0.1:8080", site)
}

#[test]
fn a_theme_that_diazo_compiled_is_put_around_the_pages_of_a_site() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("middleware/xslt/tests/diazo");
    let file = |name: &str| fs::read_to_string(rules.join(name)).expect("it is one of our files");
    let site = TestGateway::with_files(
        "routes: [ { static: { root: . } } ]",
        &[("page.html", &file("page.html")), ("about/page.html", &file("page.html"))],
    );
    let compiled = Command::new(format!("{}/bin/diazocompiler", python::venv()))
        .args(["-r", "rules.xml", "-a", "/static", "-c", "mode"])
        .current_dir(&rules)
        .output()
        .expect("Diazo is in tests/requirements.txt");
    let theme = String::from_utf8_lossy(&compiled.stdout);
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let gateway = TestGateway::with_files(
        &example(&site.address()),
        &[("theme.xsl", &theme), ("theme/css/style.css", "p { }")],
    );
    let page = get(&gateway.address(), "/page.html").text();
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"), "{page}");
    assert!(
        page.contains(
            "<title>Page &amp; title</title><link rel=\"stylesheet\" href=\"/static/css/style.css\">"
        ),
        "{page}"
    );
    assert!(page.contains("<p>Text é kept</p>") && page.contains("<p>Aside</p>"), "{page}");
    assert_eq!(page.matches("charset").count(), 1, "{page}");
    assert!(
        !get(&gateway.address(), "/about/page.html").text().contains("<p>Aside</p>"),
        "if-path=\"/about\""
    );
    assert_eq!(get(&gateway.address(), "/static/css/style.css").text(), "p { }");
    let plain = gateway.connect().request("GET", "/page.html", &["X-Theme: off"], "").expect("an answer");
    assert_eq!(plain.text(), file("page.html"));
}
