//! Hostile documents for `input: html5`: each is read within its limits, or ends in the error that names the one it met.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tower_xslt::{
    Fetched, Input, InputKind, Limit, Limits, Output, OutputKind, Policy, Pool, Stylesheet, Task, XsltError,
};

const COPY: &str = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="/"><xsl:copy-of select="node()"/></xsl:template></xsl:stylesheet>"#;

fn copy() -> Stylesheet {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.xsl");
    std::fs::write(&file, COPY).unwrap();
    Stylesheet::compile([file], &Policy::default()).unwrap().writing(OutputKind::Html5)
}

fn run(html: &str, change: impl FnOnce(&mut Limits)) -> Result<Output, XsltError> {
    let mut limits = Limits::default();
    change(&mut limits);
    copy().transform(Input { bytes: html.as_bytes(), kind: InputKind::Html5, charset: None }, &[], &limits)
}

fn limit(result: Result<Output, XsltError>) -> Limit {
    match result {
        Err(XsltError::Limit(limit)) => limit,
        Err(other) => panic!("no limit was met: failed to {other}"),
        Ok(output) => panic!("no limit was met: {} bytes", output.bytes.len()),
    }
}

#[test]
fn elements_may_be_nested_as_deep_as_in_browsers_and_no_deeper() {
    // <html> and <body> are around them.
    run(&"<div>".repeat(510), |_| {}).unwrap();
    for (count, tags) in [(511, "<div>"), (100_000, "<div>"), (100_000, "<table><td>"), (100_000, "<svg>")] {
        assert_eq!(limit(run(&tags.repeat(count), |_| {})), Limit::Depth, "{count} × {tags}");
    }
}

#[test]
fn formatting_that_is_opened_again_and_again_is_bounded_by_memory() {
    let mut html = "<p>".to_owned();
    for number in 0..400 {
        write!(html, "<b id={number}>").unwrap();
    }
    html += &"<p>x".repeat(100_000);
    assert_eq!(limit(run(&html, |limits| limits.memory = 32 << 20)), Limit::Memory);
}

#[test]
fn an_element_has_a_bounded_number_of_attributes() {
    let tag = |count: u32| {
        let mut tag = "<p".to_owned();
        (0..count).for_each(|number| write!(tag, " a{number}").unwrap());
        tag + ">"
    };
    run(&tag(1_000), |_| {}).unwrap();
    assert_eq!(limit(run(&tag(1_001), |_| {})), Limit::Attributes);
    // A second <body> adds to the first.
    let mut bodies = String::new();
    (0..1_001).for_each(|number| write!(bodies, "<body a{number}>").unwrap());
    assert_eq!(limit(run(&bodies, |_| {})), Limit::Attributes);
}

#[test]
fn what_html5ever_holds_counts_as_memory() {
    for html in ["x<!--y-->".repeat(100_000), "<p a=b>".repeat(100_000), "x".repeat(10 << 20)] {
        assert_eq!(limit(run(&html, |limits| limits.memory = 8 << 20)), Limit::Memory);
        run("<p>", |limits| limits.memory = 8 << 20).unwrap();
    }
}

#[test]
fn the_size_of_the_document_and_of_the_result_are_bounded() {
    assert_eq!(limit(run("<p>text", |limits| limits.input_bytes = 6)), Limit::InputBytes);
    assert_eq!(limit(run("<p>text", |limits| limits.output_bytes = 60)), Limit::OutputBytes);
}

#[test]
fn text_in_many_pieces_is_one_node_in_linear_time() {
    let html = format!("<p>{}", "a&amp;".repeat(200_000));
    let output = run(&html, |_| {}).unwrap();
    assert!(output.bytes.len() > html.len());
}

#[tokio::test]
async fn at_the_wall_time_the_answer_is_there_and_the_reading_ends() {
    let pool = Pool::new(1, 4);
    let task = |html: String, time| Task {
        stylesheet: copy(),
        document: Bytes::from(html),
        kind: InputKind::Html5,
        charset: None,
        params: Vec::new(),
        fetched: Fetched::default(),
        limits: Arc::new({
            let mut limits = Limits::default();
            limits.time = time;
            limits
        }),
    };
    // html5ever compares each attribute of a tag with all before it: that takes minutes.
    let mut tag = "<p".to_owned();
    (0..600_000).for_each(|number| write!(tag, " a{number}").unwrap());
    let start = Instant::now();
    let late = pool.transform(task(tag, Duration::from_millis(200))).await;
    assert_eq!(limit(late), Limit::Time);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    // The pool has one thread: it serves again, so the reading has ended.
    pool.transform(task("<p>".to_owned(), Duration::from_secs(60))).await.unwrap();
}
