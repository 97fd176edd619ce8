//! Transforms that fail, each with the answer to its cause.

use std::fs;
use std::process::Command;

use tempfile::tempdir;

use super::{PAGE, start};
use crate::harness::{Answer, TestGateway, get};

/// A gateway whose application answers what the query says, through a sheet with settings.
fn through(sheet: &str, settings: &str) -> TestGateway {
    let yaml = format!(
        "layers: [ {{ xslt: {{ stylesheet: sheet.xsl{settings} }} }} ]
routes: [ {{ wsgi: {{ app: \"feed:application\", path: \"${{APPS}}\" }} }} ]"
    );
    let sheet = format!(
        r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">{sheet}</xsl:stylesheet>"#
    );
    start(&yaml, &[("sheet.xsl", &sheet)])
}

/// Asks the application for a document.
fn ask(gateway: &TestGateway, document: &str) -> Answer {
    let encoded: Vec<_> = document.bytes().map(|byte| format!("%{byte:02x}")).collect();
    get(&gateway.address(), &format!("/?{}", encoded.concat()))
}

/// Asks for a document; the status of the answer, and the line of the log that holds `code`.
fn failed(gateway: &TestGateway, document: &str, code: &str) -> (u16, String) {
    let answer = ask(gateway, document);
    assert!(answer.text().contains(code), "{}", answer.text());
    (answer.status, gateway.log().wait_for_text(&format!("\"{code}\"")))
}

const COPY: &str = r#"<xsl:template match="/"><xsl:copy-of select="."/></xsl:template>"#;

#[test]
fn an_answer_that_does_not_parse_is_502() {
    let gateway = through(COPY, "");
    let (status, line) = failed(&gateway, "<feed>\n<title>", "V-UPSTREAM");
    assert!(status == 502 && line.contains("parse the document: document:2:"), "{line}");
    assert_eq!(get(&gateway.address(), "/").status, 200);
}

#[test]
fn external_entities_are_refused_and_read_nothing() {
    let gateway = through(COPY, "");
    let evil = r#"<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>"#;
    let answer = ask(&gateway, evil);
    assert!(answer.status >= 500 && !answer.text().contains("root:"), "{}", answer.text());
}

#[test]
fn every_limit_has_its_status_and_is_named_in_the_log() {
    let deep =
        r#"<xsl:template match="/" name="down"><a><xsl:call-template name="down"/></a></xsl:template>"#;
    let wide = r#"<xsl:template match="/"><a><xsl:for-each select="//b"><c>0123456789</c></xsl:for-each></a></xsl:template>"#;
    let document = format!("<a>{}</a>", "<b/>".repeat(100));
    for (sheet, settings, query, status, code, name) in [
        (COPY, "max_input: 20", "", 502, "V-UPSTREAM", "max_input"),
        (wide, "max_output: 100", &*document, 500, "V-TRANSFORM", "max_output"),
        (deep, "max_depth: 50", "", 500, "V-TRANSFORM", "max_depth"),
        (wide, "max_memory: 10KiB", &*document, 500, "V-TRANSFORM", "max_memory"),
        (wide, "max_operations: 50", &*document, 500, "V-TRANSFORM", "max_operations"),
    ] {
        let gateway = through(sheet, &format!(", {settings}"));
        let (given, line) = failed(&gateway, query, code);
        assert!(given == status && line.contains(name), "{settings}: {given} {line}");
    }
}

#[test]
fn a_transform_that_takes_too_long_is_504() {
    let squares = r#"<xsl:template match="/"><a><xsl:for-each select="//b"><xsl:for-each select="//b"><xsl:for-each
 select="//b"><xsl:value-of select="count(//b)"/></xsl:for-each></xsl:for-each></xsl:for-each></a></xsl:template>"#;
    let gateway = through(squares, ", max_time: 1s, max_operations: 1000000000000");
    let document = format!("<a>{}</a>", "<b/>".repeat(1000));
    let (status, line) = failed(&gateway, &document, "V-TOO-SLOW");
    assert!(status == 504 && line.contains("max_time"), "{line}");
    // The thread has come back, and others go on.
    assert_eq!(get(&gateway.address(), "/").status, 200);
}

#[test]
fn transforms_that_do_not_even_end_when_told_to_delay_no_other() {
    // One expression: libxslt looks whether it is to end before it and after it.
    let deaf = r#"<xsl:template match="/"><xsl:value-of select="count(//b[count(//b[count(//b) > 0]) > 0])"/></xsl:template>"#;
    let sheet = |body| {
        format!(
            r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">{body}</xsl:stylesheet>"#
        )
    };
    let yaml = "apps: { documents: { wsgi: { app: \"feed:application\", path: \"${APPS}\" } } }
routes:
  - mount: /deaf
    layers: [ { xslt: { stylesheet: deaf.xsl, max_time: 100ms } } ]
    app: documents
  - mount: /fine
    layers: [ { xslt: { stylesheet: copy.xsl } } ]
    app: documents";
    let gateway = start(yaml, &[("deaf.xsl", &sheet(deaf)), ("copy.xsl", &sheet(COPY))]);
    let document = "%3Cb/%3E".repeat(1000);
    let path = format!("/deaf?%3Ca%3E{document}%3C/a%3E");
    std::thread::scope(|scope| {
        // More than the pool has threads for.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let late: Vec<_> =
            (0..=threads).map(|_| scope.spawn(|| get(&gateway.address(), &path).status)).collect();
        let statuses: Vec<_> = late.into_iter().map(|late| late.join().unwrap()).collect();
        assert_eq!(statuses, vec![504; threads + 1]);
    });
    let answer = get(&gateway.address(), "/fine?%3Ca/%3E");
    assert!(answer.status == 200 && answer.text().contains("<a/>"), "{}", answer.text());
    gateway.log().wait_for_text("XSLT runs that nobody waits for do not end");
}

#[test]
fn a_sheet_that_ends_itself_is_told_with_its_message() {
    let stop =
        r#"<xsl:template match="/"><xsl:message terminate="yes">no title</xsl:message></xsl:template>"#;
    let (status, line) = failed(&through(stop, ""), "", "V-TRANSFORM");
    assert!(status == 500 && line.contains("no title"), "{line}");
}

#[test]
fn the_log_tells_the_author_of_a_theme_where_a_run_stood() {
    let broken = "<xsl:template match=\"/\"><xsl:apply-templates select=\"feed/entry\"/></xsl:template>
<xsl:template match=\"entry\"><xsl:value-of select=\"$nothing\"/></xsl:template>";
    let (status, line) = failed(&through(broken, ""), "<feed>\n<entry/></feed>", "V-TRANSFORM");
    assert_eq!(status, 500);
    for part in
        ["sheet.xsl:2:29: <value-of>: ", "at /feed/entry (line 2 of the document)", "called by match="]
    {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn what_stands_in_is_sent_and_the_failure_is_in_the_log_all_the_same() {
    let stop =
        r#"<xsl:template match="/"><xsl:message terminate="yes">no title</xsl:message></xsl:template>"#;
    let gateway = through(stop, ", on_error: pass");
    let answer = ask(&gateway, "<feed>as it came</feed>");
    assert!(answer.status == 200 && answer.text().contains("as it came"), "{}", answer.text());
    let line = gateway.log().wait_for_text("something else stands in");
    assert!(line.contains("no title") && line.contains("request_id"), "{line}");
}

#[test]
fn a_misspelled_element_is_told_when_the_sheet_is_compiled() {
    let gateway = through(r#"<xsl:template match="/"><a><xsl:value-off select="b"/></a></xsl:template>"#, "");
    let line = gateway.log().wait_for_text("unknown xsl:value-off");
    assert!(line.contains("WARN") && line.contains("sheet.xsl:1:"), "{line}");
    assert_eq!(gateway.log().count("unknown xsl:value-off"), 1, "{}", gateway.log());
}

#[test]
fn a_library_that_cannot_be_opened_names_its_package() {
    let folder = tempdir().unwrap();
    // The dynamic linker finds this one first: as if the real one were damaged.
    fs::write(folder.path().join("libxslt.so.1"), "no library").unwrap();
    fs::write(folder.path().join("page.xsl"), PAGE).unwrap();
    let yaml = "layers: [ { xslt: { stylesheet: page.xsl } } ]\nroutes: [ { respond: { status: 204 } } ]";
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_vestibule"))
        .args(["check", "vestibule.yaml"])
        .current_dir(&folder)
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .expect("the binary starts");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("failed to open libxslt.so.1: ") && told.contains("apt-get install libxslt1.1"),
        "{told}"
    );
}

#[test]
fn a_library_that_is_not_installed_is_told_with_its_package() {
    let folder = tempdir().unwrap();
    let hide = folder.path().join("hide.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/xslt/hide.c");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&hide).arg(source).status();
    assert!(compiled.expect("whoever builds the gateway has a C compiler").success());
    fs::write(folder.path().join("page.xsl"), PAGE).unwrap();
    let yaml = "listen: \"127.0.0.1:0\"
layers: [ { xslt: { stylesheet: page.xsl } } ]
routes: [ { respond: { status: 204 } } ]";
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    for command in ["check", "run"] {
        let output = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args([command, "vestibule.yaml"])
            .current_dir(&folder)
            .env("LD_AUDIT", &hide)
            .output()
            .expect("the binary starts");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {told}");
        for part in [
            "failed to open libxslt.so.1: ",
            "No such file or directory",
            "apt-get install libxslt1.1",
            "vestibule.yaml:2:33",
        ] {
            assert!(told.contains(part), "{command}: {part}\n{told}");
        }
    }
}

#[test]
fn a_gateway_without_xslt_needs_no_library() {
    let folder = tempdir().unwrap();
    for name in ["libxslt.so.1", "libxml2.so.2", "libexslt.so.0"] {
        fs::write(folder.path().join(name), "no library").unwrap();
    }
    let gateway = TestGateway::with_environment(
        "routes: [ { respond: { text: hello } } ]",
        &[],
        &[("LD_LIBRARY_PATH", folder.path())],
    );
    assert_eq!(get(&gateway.address(), "/").text(), "hello");
}
