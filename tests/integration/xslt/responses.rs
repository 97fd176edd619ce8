//! Answers that are transformed.

use super::start;
use crate::harness::{Answer, TestGateway, get};

const FEED: &str = "<feed><title>From a file</title></feed>";

/// A page that was made of a feed: what it says, and headers that fit.
fn is_page(answer: &Answer, title: &str) {
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text}");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{text}");
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    assert!(text.starts_with(&format!("<h1>{title}</h1>")), "{text}");
}

const OF_PYTHON: &str = r#"
layers: [ { xslt: { stylesheet: page.xsl, params: { at: "{PATH_INFO}" } } } ]
routes: [ { wsgi: { app: "feed:application", path: "${APPS}" } } ]"#;

#[test]
fn an_application_is_transformed() {
    let gateway = start(OF_PYTHON, &[]);
    is_page(&get(&gateway.address(), "/here"), "From Python");
}

#[test]
fn a_file_is_transformed_and_others_are_left_alone() {
    let gateway = start(
        "layers: [ { xslt: { stylesheet: page.xsl } } ]\nroutes: [ { static: { root: www } } ]",
        &[("www/feed.xml", FEED), ("www/note.txt", FEED)],
    );
    is_page(&get(&gateway.address(), "/feed.xml"), "From a file");
    let note = get(&gateway.address(), "/note.txt");
    assert_eq!((note.text().as_str(), note.header("accept-ranges")), (FEED, Some("bytes")));
}

#[test]
fn an_upstream_is_transformed() {
    let upstream = TestGateway::with_files("routes: [ { static: { root: . } } ]", &[("feed.xml", FEED)]);
    let gateway = start(
        &format!(
            "layers: [ {{ xslt: {{ stylesheet: page.xsl }} }} ]\nroutes: [ {{ http: {{ servers: \"{}\" }} }} ]",
            upstream.address()
        ),
        &[],
    );
    is_page(&get(&gateway.address(), "/feed.xml"), "From a file");
}

#[test]
fn a_list_hands_the_tree_from_sheet_to_sheet() {
    let rename = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="/rss"><feed><title><xsl:value-of select="name"/>, renamed</title></feed></xsl:template>
</xsl:stylesheet>"#;
    let gateway = start(
        "layers: [ { xslt: { stylesheet: [rename.xsl, page.xsl] } } ]\nroutes: [ { static: { root: www } } ]",
        &[("rename.xsl", rename), ("www/a.xml", "<rss><name>A</name></rss>")],
    );
    is_page(&get(&gateway.address(), "/a.xml"), "A, renamed");
}

#[test]
fn a_parameter_is_a_string_whatever_quotes_it_holds() {
    let gateway = start(OF_PYTHON, &[]);
    for (sent, told) in
        [("/it's", "/it's"), ("/%22quoted%22", "/\"quoted\""), ("/'%22)]%20%7C%20//*", "/'\")] | //*")]
    {
        let page = get(&gateway.address(), sent).text();
        assert!(page.contains(&format!("<p>{told}</p>")), "{sent}: {page}");
    }
}

#[test]
fn a_tag_of_the_result_is_confirmed_by_304() {
    let gateway = start(OF_PYTHON, &[]);
    let mut client = gateway.connect();
    let page = client.request("GET", "/", &[], "").unwrap();
    let tag = page.header("etag").expect("the application's tag is carried on").to_owned();
    assert_ne!(tag, "\"python-1\"", "the result is not the document");
    let ask = format!("If-None-Match: {tag}");
    let again = client.request("GET", "/", &[&ask], "").unwrap();
    assert_eq!((again.status, again.header("etag"), again.body.len()), (304, Some(&*tag), 0));
    // One that was made with other parameters is another.
    assert_eq!(client.request("GET", "/elsewhere", &[&ask], "").unwrap().status, 200);
}

#[test]
fn head_tells_the_type_of_the_result_and_no_length_of_the_document() {
    let gateway = start(OF_PYTHON, &[]);
    let mut client = gateway.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let head = client.head().unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let page = client.request("GET", "/", &[], "").unwrap();
    assert_eq!(head.header("etag"), page.header("etag"));
    assert!(head.header("content-length").is_none_or(|length| Some(length) == page.header("content-length")));
}

#[test]
fn a_range_of_the_document_is_not_taken_for_one_of_the_result() {
    let gateway = start(
        "layers: [ { xslt: { stylesheet: page.xsl } } ]\nroutes: [ { static: { root: www } } ]",
        &[("www/feed.xml", FEED)],
    );
    let answer = gateway.connect().request("GET", "/feed.xml", &["Range: bytes=0-4"], "").unwrap();
    is_page(&answer, "From a file");
    assert_eq!((answer.header("accept-ranges"), answer.header("last-modified")), (None, None));
}

#[test]
fn html_is_parsed_where_that_is_asked_for() {
    let title = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text"/><xsl:template match="/"><xsl:value-of select="//title"/></xsl:template>
</xsl:stylesheet>"#;
    let gateway = start(
        "layers: [ { xslt: { stylesheet: title.xsl, input: html } } ]\nroutes: [ { static: { root: www } } ]",
        &[("title.xsl", title), ("www/a.html", "<title>Tag soup</title><p>unclosed<br>")],
    );
    let answer = get(&gateway.address(), "/a.html");
    assert_eq!(
        (answer.text().as_str(), answer.header("content-type")),
        ("Tag soup", Some("text/plain; charset=utf-8"))
    );
}
