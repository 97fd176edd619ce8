//! Requests that are transformed before they are forwarded.

use super::start;
use crate::harness::TestGateway;

/// An envelope around an order becomes the order.
const UNWRAP: &str = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
 xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" exclude-result-prefixes="soap">
<xsl:output omit-xml-declaration="yes" media-type="application/vnd.order+xml" encoding="UTF-8"/>
<xsl:param name="who"/>
<xsl:template match="/soap:Envelope"><order by="{$who}"><xsl:apply-templates select="soap:Body/*"/></order></xsl:template>
<xsl:template match="buy"><item name="{@what}"/></xsl:template>
</xsl:stylesheet>"#;

const ENVELOPE: &str = r#"<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><buy what="bell"/></soap:Body></soap:Envelope>"#;

/// A gateway that transforms, and the echo behind it, in a process of its own.
fn soap() -> (TestGateway, TestGateway) {
    let upstream = start("routes: [ { wsgi: { app: \"echo:application\", path: \"${APPS}\" } } ]", &[]);
    let yaml = format!(
        "layers: [ {{ xslt: {{ on: request, stylesheet: unwrap.xsl, max_input: 10KiB, params: {{ who: \"{{HTTP_X_WHO}}\" }} }} }} ]
routes: [ {{ http: {{ servers: \"{}\" }} }} ]",
        upstream.address()
    );
    let gateway = start(&yaml, &[("unwrap.xsl", UNWRAP)]);
    (gateway, upstream)
}

#[test]
fn an_envelope_reaches_the_upstream_as_what_it_holds() {
    let (gateway, _upstream) = soap();
    let headers = ["Content-Type: text/xml; charset=utf-8", "X-Who: O'Hara"];
    let answer = gateway.connect().request("POST", "/", &headers, ENVELOPE).unwrap();
    let order = r#"<order by="O'Hara"><item name="bell"/></order>"#;
    assert_eq!((answer.status, answer.text().trim()), (200, order));
    let was = format!("POST {} application/vnd.order+xml; charset=utf-8", answer.body.len());
    assert_eq!(answer.header("x-was"), Some(&*was));
}

#[test]
fn other_bodies_pass_and_so_does_none() {
    let (gateway, _upstream) = soap();
    let mut client = gateway.connect();
    let answer = client.request("POST", "/", &["Content-Type: text/plain"], ENVELOPE).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, ENVELOPE));
    assert_eq!(client.request("GET", "/", &["Content-Type: text/xml"], "").unwrap().status, 200);
}

#[test]
fn a_body_that_does_not_parse_is_the_clients_fault() {
    let (gateway, _upstream) = soap();
    let mut client = gateway.connect();
    let answer = client.request("POST", "/", &["Content-Type: text/xml"], "<open>").unwrap();
    assert_eq!(answer.status, 400);
    let line = gateway.log().wait_for_text("V-BAD-REQUEST");
    assert!(line.contains("failed to parse the document: document:1:"), "{line}");
    assert_eq!(client.request("GET", "/", &[], "").unwrap().status, 200, "the connection goes on");
}

#[test]
fn a_body_over_the_limit_is_413_and_the_log_names_the_limit() {
    let (gateway, _upstream) = soap();
    let large = format!("<a>{}</a>", " ".repeat(20_000));
    let answer = gateway.connect().request("POST", "/", &["Content-Type: text/xml"], &large).unwrap();
    assert_eq!(answer.status, 413);
    let line = gateway.log().wait_for_text("V-TOO-LARGE");
    assert!(line.contains("max_input"), "{line}");
}
