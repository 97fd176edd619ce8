//! Hostile sheets and documents: each ends in the error that names what it tried.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tower_xslt::{Fetched, InputKind, Limit, Limits, Output, Policy, Pool, Stylesheet, Task, XsltError};

const IDENTITY: &str = r#"<xsl:template match="/"><out><xsl:value-of select="."/></out></xsl:template>"#;
/// Calls itself without end.
const ENDLESS: &str = r#"<xsl:template name="t"><xsl:call-template name="t"/></xsl:template><xsl:template match="/"><xsl:call-template name="t"/></xsl:template>"#;
/// Takes 10^8 steps, without recursion.
const LONG: &str = r#"<xsl:template match="/"><xsl:for-each select="//*"><xsl:for-each select="//*"><xsl:for-each select="//*"><xsl:for-each select="//*"><x/></xsl:for-each></xsl:for-each></xsl:for-each></xsl:for-each></xsl:template>"#;

fn wrap(body: &str) -> String {
    format!(
        r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:exsl="http://exslt.org/common" extension-element-prefixes="exsl">{body}</xsl:stylesheet>"#
    )
}

fn compile_in(folder: &Path, body: &str) -> Result<Stylesheet, XsltError> {
    let file = folder.join("sheet.xsl");
    std::fs::write(&file, wrap(body)).unwrap();
    Stylesheet::compile([file], &Policy::default())
}

fn compile(body: &str) -> Stylesheet {
    compile_in(tempfile::tempdir().unwrap().path(), body).unwrap_or_else(|error| panic!("failed to {error}"))
}

fn run(body: &str, document: &str, limits: &Limits) -> Result<Output, XsltError> {
    compile(body).transform(document.as_bytes(), &[], limits)
}

fn denied(result: Result<impl Sized, XsltError>) -> String {
    match result.err() {
        Some(XsltError::PolicyDenied { uri }) => uri,
        other => panic!("the policy was not asked: {other:?}"),
    }
}

fn limit(result: Result<impl Sized, XsltError>) -> Limit {
    match result.err() {
        Some(XsltError::Limit(limit)) => limit,
        other => panic!("no limit was met: {other:?}"),
    }
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

/// A document of so many elements.
fn elements(count: usize) -> String {
    format!("<r>{}</r>", "<e/>".repeat(count))
}

#[test]
fn document_reads_nothing_outside_of_its_folders() {
    for uri in ["file:///etc/passwd", "/etc/passwd", "http://localhost:1/a.xml", "ftp://localhost:1/a.xml"] {
        let body =
            format!(r#"<xsl:template match="/"><xsl:copy-of select="document('{uri}')"/></xsl:template>"#);
        assert_eq!(denied(run(&body, "<a/>", &Limits::default())), uri);
    }
}

#[test]
fn document_reads_its_own_folder_and_listed_ones() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(own.path().join("a.xml"), "<a>own</a>").unwrap();
    std::fs::write(other.path().join("b.xml"), "<b>other</b>").unwrap();
    let sheet = own.path().join("sheet.xsl");
    let uri = other.path().join("b.xml");
    let body = format!(
        r#"<xsl:output omit-xml-declaration="yes"/><xsl:template match="/"><xsl:copy-of select="document('a.xml')|document('{}')"/></xsl:template>"#,
        uri.display()
    );
    std::fs::write(&sheet, wrap(&body)).unwrap();
    let mut policy = Policy::default();
    let run = |policy: &Policy| {
        let sheet = Stylesheet::compile([&sheet], policy).unwrap();
        let result = sheet.transform(b"<x/>".as_slice(), &[], &Limits::default());
        (result, sheet.reads_documents())
    };
    assert_eq!(denied(run(&policy).0), uri.display().to_string());
    policy.folders.push(other.path().to_owned());
    let (result, reads_documents) = run(&policy);
    assert_eq!(result.unwrap().bytes, "<a>own</a><b>other</b>\n");
    assert!(reads_documents);
}

#[test]
fn imports_and_includes_outside_of_the_folder_are_refused() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("o.xsl"), wrap(IDENTITY)).unwrap();
    for instruction in ["import", "include"] {
        let uri = outside.path().join("o.xsl").display().to_string();
        assert_eq!(denied(compile_in(folder.path(), &format!(r#"<xsl:{instruction} href="{uri}"/>"#))), uri);
        let uri = "http://localhost:1/o.xsl";
        assert_eq!(denied(compile_in(folder.path(), &format!(r#"<xsl:{instruction} href="{uri}"/>"#))), uri);
    }
}

#[test]
fn a_link_that_leaves_the_folder_is_refused() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("o.xsl"), wrap(IDENTITY)).unwrap();
    let link = folder.path().join("link.xsl");
    std::os::unix::fs::symlink(outside.path().join("o.xsl"), &link).unwrap();
    let uri = denied(compile_in(folder.path(), r#"<xsl:import href="link.xsl"/>"#));
    assert_eq!(Path::new(&uri), link);
}

#[test]
fn nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/written.xml");
    for instruction in ["exsl:document", "xsl:document"] {
        let body = format!(
            r#"<xsl:template match="/"><{instruction} href="{}" method="xml"><a/></{instruction}></xsl:template>"#,
            file.display()
        );
        let sheet = compile_in(folder.path(), &body.replace("version=\"1.0\"", "version=\"1.1\"")).unwrap();
        assert_eq!(
            denied(sheet.transform(b"<a/>".as_slice(), &[], &Limits::default())),
            file.display().to_string()
        );
        assert!(!file.parent().unwrap().exists());
    }
}

#[test]
fn an_entity_of_a_sheet_reads_nothing_outside_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sheet.xsl");
    for uri in ["file:///etc/passwd", "http://localhost:1/x"] {
        let sheet = format!(
            r#"<!DOCTYPE x [<!ENTITY x SYSTEM "{uri}">]>{}"#,
            wrap("<!-- --><xsl:template match='/'>&x;</xsl:template>")
        );
        std::fs::write(&file, sheet).unwrap();
        assert_eq!(denied(Stylesheet::compile([&file], &Policy::default())), uri);
    }
}

#[test]
fn external_entities_are_refused_and_named() {
    for uri in ["file:///etc/passwd", "http://localhost:1/x"] {
        let document = format!(r#"<!DOCTYPE a [<!ENTITY x SYSTEM "{uri}">]><a>&x;</a>"#);
        assert_eq!(denied(run(IDENTITY, &document, &Limits::default())), uri);
        let document = format!(r#"<!DOCTYPE a [<!ENTITY % x SYSTEM "{uri}"> %x;]><a/>"#);
        assert_eq!(denied(run(IDENTITY, &document, &Limits::default())), uri);
    }
}

#[test]
fn an_external_dtd_is_refused_where_the_document_needs_it_and_only_there() {
    let doctype = r#"<!DOCTYPE a SYSTEM "http://localhost:1/a.dtd">"#;
    let fine = run(IDENTITY, &format!("{doctype}<a>text</a>"), &Limits::default()).unwrap();
    assert_eq!(fine.bytes, "<?xml version=\"1.0\"?>\n<out>text</out>\n");
    let result = run(IDENTITY, &format!("{doctype}<a>&nbsp;</a>"), &Limits::default());
    assert_eq!(denied(result), "http://localhost:1/a.dtd");
    // However it is written, and also where it is no URI; but an entity of the same URI is no DTD.
    for uri in ["a b.dtd", "x/../a.dtd", "ä.dtd", "a%20b.dtd", "%zz", "[", ":", "file:///etc/passwd"] {
        let fine = run(IDENTITY, &format!(r#"<!DOCTYPE a SYSTEM "{uri}"><a>text</a>"#), &Limits::default());
        assert!(fine.is_ok(), "{uri}: {fine:?}");
        for reference in ["&x;", "&x;&x;"] {
            let document =
                format!(r#"<!DOCTYPE a SYSTEM "{uri}" [<!ENTITY x SYSTEM "{uri}">]><a>{reference}</a>"#);
            run(IDENTITY, &document, &Limits::default()).unwrap_err();
        }
    }
}

#[test]
fn defaults_of_the_internal_subset_apply() {
    let body =
        r#"<xsl:template match="/"><xsl:value-of select="a/@b"/></xsl:template><xsl:output method="text"/>"#;
    let declared = r#"[<!ATTLIST a b CDATA "default">]"#;
    for external in ["", r#"SYSTEM "http://localhost:1/a.dtd" "#] {
        let document = format!("<!DOCTYPE a {external}{declared}><a/>");
        assert_eq!(run(body, &document, &Limits::default()).unwrap().bytes, "default");
    }
}

#[test]
fn entities_do_not_blow_up() {
    let mut laughs = String::from(r#"<!DOCTYPE a [<!ENTITY l0 "lol">"#);
    for level in 1..12 {
        let reference = format!("&l{};", level - 1).repeat(10);
        write!(laughs, r#"<!ENTITY l{level} "{reference}">"#).unwrap();
    }
    laughs += "]><a>&l11;</a>";
    assert_eq!(limit(run(IDENTITY, &laughs, &Limits::default())), Limit::Entities);

    let parameters = laughs
        .replace("<!ENTITY l", "<!ENTITY % l")
        .replace("&l", "%l")
        .replace("]><a>%l11;</a>", "%l11;]><a/>");
    run(IDENTITY, &parameters, &Limits::default()).unwrap_err();

    let quadratic = format!(
        r#"<!DOCTYPE a [<!ENTITY x "{}">]><a>{}</a>"#,
        "x".repeat(50_000),
        "<b>&x;</b>".repeat(50_000)
    );
    assert_eq!(limit(run(IDENTITY, &quadratic, &Limits::default())), Limit::Entities);
}

#[test]
fn a_deep_document_is_refused() {
    let deep = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
    assert_eq!(limit(run(IDENTITY, &deep, &Limits::default())), Limit::Depth);
}

#[test]
fn a_huge_text_is_refused() {
    let half = "x".repeat(6_000_000);
    let huge = format!("<a>{half}&lt;{half}</a>");
    assert_eq!(limit(run(IDENTITY, &huge, &Limits::default())), Limit::Text);
}

#[test]
fn a_large_document_is_refused() {
    let small = limits(|limits| limits.input_bytes = 10);
    assert_eq!(limit(run(IDENTITY, "<a>1234</a>", &small)), Limit::InputBytes);
    run(IDENTITY, "<a>123</a>", &small).unwrap();
}

#[test]
fn endless_recursion_is_refused() {
    assert_eq!(limit(run(ENDLESS, "<a/>", &Limits::default())), Limit::TemplateDepth);
}

#[test]
fn variables_without_end_are_refused() {
    let few = limits(|limits| limits.template_variables = 100);
    let body = ENDLESS.replace(
        r#"<xsl:template name="t">"#,
        r#"<xsl:template name="t"><xsl:variable name="v" select="1"/>"#,
    );
    assert_eq!(limit(run(&body, "<a/>", &few)), Limit::TemplateVariables);
}

#[test]
fn too_many_instructions_are_refused() {
    let few = limits(|limits| limits.operations = 10_000);
    assert_eq!(limit(run(LONG, &elements(100), &few)), Limit::Operations);
}

#[test]
fn an_exponential_expression_is_refused() {
    let few = limits(|limits| limits.operations = 1_000_000);
    let body = format!(
        r#"<xsl:template match="/"><xsl:value-of select="count(//*{})"/></xsl:template>"#,
        "[count(//*".repeat(8) + &") > 0]".repeat(8)
    );
    assert_eq!(limit(run(&body, &elements(100), &few)), Limit::Operations);
}

#[test]
fn output_without_end_is_refused_before_memory_is() {
    // It ends neither by depth nor, within the time of a test, by operations.
    let few = limits(|limits| {
        limits.memory = 32 << 20;
        limits.operations = u64::MAX;
    });
    assert_eq!(limit(run(LONG, &elements(1_000), &few)), Limit::Memory);
    // The thread serves on, with all of its memory.
    run(IDENTITY, "<a>text</a>", &few).unwrap();
}

#[test]
fn a_string_that_doubles_is_refused() {
    let body = r#"<xsl:template name="t"><xsl:param name="s"/><xsl:call-template name="t"><xsl:with-param name="s" select="concat($s, $s)"/></xsl:call-template></xsl:template>
        <xsl:template match="/"><xsl:call-template name="t"><xsl:with-param name="s" select="'0123456789'"/></xsl:call-template></xsl:template>"#;
    assert_eq!(limit(run(body, "<a/>", &limits(|limits| limits.memory = 32 << 20))), Limit::Memory);
}

#[test]
fn one_instruction_that_takes_all_memory_is_refused() {
    let small = limits(|limits| limits.memory = 32 << 20);
    let text = format!("<a>{}</a>", "x ".repeat(1_000_000));
    for expression in ["str:tokenize(/)", "str:split(/, '')"] {
        let body = format!(
            r#"<xsl:template match="/"><xsl:value-of xmlns:str="http://exslt.org/strings" select="count({expression})"/></xsl:template>"#
        );
        assert_eq!(limit(run(&body, &text, &small)), Limit::Memory, "{expression}");
    }
}

#[test]
fn a_document_whose_tree_is_too_large_is_refused() {
    let small = limits(|limits| limits.memory = 1 << 20);
    assert_eq!(limit(run(IDENTITY, &elements(100_000), &small)), Limit::Memory);
}

#[test]
fn a_large_result_is_refused() {
    let small = limits(|limits| limits.output_bytes = 1_000);
    let body = r#"<xsl:template match="e"><some-output/></xsl:template>"#;
    assert_eq!(limit(run(body, &elements(1_000), &small)), Limit::OutputBytes);
}

#[tokio::test]
async fn at_the_wall_time_the_answer_is_there_and_the_run_ends() {
    let pool = Pool::new(1, 4);
    let task = |body: &str, time, document: String| Task {
        stylesheet: compile(body),
        document: Bytes::from(document),
        kind: InputKind::Xml,
        charset: None,
        params: Vec::new(),
        fetched: Fetched::default(),
        limits: Arc::new(limits(|limits| {
            limits.time = time;
            limits.operations = u64::MAX;
        })),
    };
    let start = Instant::now();
    let late = pool.transform(task(LONG, Duration::from_millis(100), elements(1_000))).await;
    assert_eq!(limit(late), Limit::Time);
    // The sheet takes months.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    // The pool has one thread: it serves again, so the run has ended.
    pool.transform(task(IDENTITY, Duration::from_secs(30), "<a/>".to_owned())).await.unwrap();
}
