//! `document()` of the gateway's own routes and of other hosts.

use super::start;
use crate::harness::{TestGateway, Upstream, get, with_length};

/// A gateway whose sheet says what an expression comes to, beside documents for all and one for members.
fn reading(expression: &str, settings: &str) -> TestGateway {
    let sheet = format!(
        r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:output method="text"/>
<xsl:param name="name"/><xsl:template match="/"><xsl:value-of select="{expression}"/></xsl:template></xsl:stylesheet>"#
    );
    let yaml = format!(
        r#"
routes:
  - path: /page/{{name}}
    layers: [ {{ xslt: {{ stylesheet: sheet.xsl, params: {{ name: "{{name}}" }}{settings} }} }} ]
    respond: {{ text: "<a/>", content_type: text/xml }}
  - match: {{ path: /members.xml, not: {{ cookie: {{ member: "1" }} }} }}
    respond: {{ status: 403, text: no }}
  - {{ path: /menu.xml, respond: {{ text: "<b>the menu</b>", content_type: text/xml }} }}
  - {{ path: /stock.xml, respond: {{ text: "<b>the stock</b>", content_type: text/xml }} }}
  - {{ path: /members.xml, respond: {{ text: "<b>the members</b>", content_type: text/xml }} }}"#
    );
    start(&yaml, &[("sheet.xsl", &sheet)])
}

#[test]
fn a_document_that_the_sheet_names_is_fetched_from_a_route() {
    let gateway = reading("document('route:/menu.xml')/b", "");
    let answer = get(&gateway.address(), "/page/a");
    assert_eq!((answer.status, answer.text().as_str()), (200, "the menu"));
    assert_eq!(answer.header("etag"), None);
}

#[test]
fn what_a_sheet_puts_together_must_be_listed() {
    let computed = "document(concat('route:/', $name, '.xml'))/b";
    let gateway = reading(computed, "");
    assert_eq!(get(&gateway.address(), "/page/menu").status, 500);
    gateway.log().wait_for_texts(&["give access to route:/menu.xml", "setting documents"]);
    let gateway = reading(computed, ", documents: \"route:/{name}.xml\"");
    assert_eq!(get(&gateway.address(), "/page/menu").text(), "the menu");
    assert_eq!(get(&gateway.address(), "/page/stock").text(), "the stock");
}

#[test]
fn a_document_is_only_for_those_who_may_see_it() {
    let gateway = reading("document('route:/members.xml')/b", "");
    let mut client = gateway.connect();
    let member = client.request("GET", "/page/a", &["Cookie: member=1"], "").unwrap();
    assert_eq!((member.status, member.text().as_str()), (200, "the members"));
    assert_eq!(client.request("GET", "/page/a", &[], "").unwrap().status, 502);
    gateway.log().wait_for_texts(&["failed to fetch route:/members.xml", "403"]);
}

#[test]
fn a_document_that_is_not_needed_fails_nothing() {
    let gateway = reading("substring('ok', 1, 2 * (1 = 1 or document('route:/members.xml')))", "");
    let answer = get(&gateway.address(), "/page/a");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}

#[test]
fn a_document_that_needs_itself_ends() {
    let gateway = reading("document('route:/page/again')/b", "");
    assert_eq!(get(&gateway.address(), "/page/a").status, 502);
    gateway.log().wait_for_text("sub-requests are nested more than 3 deep");
}

#[test]
fn a_host_is_asked_where_it_is_listed_and_nowhere_else() {
    let upstream = Upstream::always(|peer| {
        while peer.head().is_some() {
            peer.write(with_length("<b>levels</b>"));
        }
    });
    let uri = format!("http://{}/levels.xml", upstream.address());
    let expression = format!("document('{uri}')/b");
    let gateway = reading(&expression, "");
    assert_eq!(get(&gateway.address(), "/page/a").status, 500);
    gateway.log().wait_for_text(&format!("give access to {uri}"));
    assert_eq!(upstream.connections(), 0);
    let gateway = reading(&expression, &format!(", documents: [\"{uri}\"]"));
    assert_eq!(get(&gateway.address(), "/page/a").text(), "levels");
}
