//! `cache:` through the gateway, and what is told of it.

use super::start;
use crate::harness::{TestGateway, get};

fn caching() -> TestGateway {
    start(
        "layers: [ { xslt: { stylesheet: page.xsl, params: { at: \"{PATH_INFO}\" }, cache: 1MiB } } ]
routes: [ { respond: { text: \"<feed><title>news</title></feed>\", content_type: text/xml } } ]",
        &[],
    )
}

#[test]
fn a_result_is_found_again_and_told_at_the_end() {
    let mut gateway = caching();
    for (path, status) in [("/a", "xslt; fwd=miss"), ("/a", "xslt; hit"), ("/b", "xslt; fwd=miss")] {
        let answer = get(&gateway.address(), path);
        assert_eq!(answer.header("cache-status"), Some(status), "{path}");
        assert!(answer.text().contains(&format!("<h1>news</h1><p>{path}</p>")), "{}", answer.text());
    }
    let tag = get(&gateway.address(), "/a").header("etag").expect("a kept document has a tag").to_owned();
    let known = format!("If-None-Match: {tag}");
    assert_eq!(gateway.connect().request("GET", "/a", &[&known], "").unwrap().status, 304);
    assert_eq!(gateway.connect().request("GET", "/b", &[&known], "").unwrap().status, 200);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let line = gateway.log().wait_for_text("what a stylesheet has done");
    for counted in
        ["page.xsl", "\"runs\":2", "\"hits\":3", "\"misses\":2", "\"not_modified\":1", "\"run_ms\":"]
    {
        assert!(line.contains(counted), "{counted} in {line}");
    }
}

#[test]
fn without_the_setting_nothing_is_kept() {
    let gateway = start(
        "layers: [ { xslt: { stylesheet: page.xsl } } ]
routes: [ { respond: { text: \"<feed><title>news</title></feed>\", content_type: text/xml } } ]",
        &[],
    );
    for _ in 0..2 {
        let answer = get(&gateway.address(), "/");
        assert_eq!((answer.status, answer.header("cache-status"), answer.header("etag")), (200, None, None));
    }
}
