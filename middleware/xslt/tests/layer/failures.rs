//! What becomes of an exchange whose transform fails.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_xslt::{Body, Limits, Otherwise, Policy, Pool, Stylesheet, XsltError, XsltLayer, debug_answer};

use crate::exchange::{Received, SHEET, TestBody, XML, answer, layer, post, request, send};

#[tokio::test]
async fn what_cannot_be_transformed_is_a_bad_gateway() {
    let broken = || TestBody { chunks: vec!["<a>text</a>"], breaks: true, ..TestBody::default() };
    let compressed = [("content-type", "text/xml"), ("content-encoding", "gzip")];
    for (headers, body, says) in [
        (&compressed[..1], TestBody::of("<a>"), "parse the document: document:1:4"),
        (&compressed[..1], TestBody::default(), "parse the document: document:1:1: Document is empty"),
        (&compressed[..1], broken(), "read the body"),
        (&compressed[..], TestBody::of(XML), "put a layer that decompresses it inside of this one"),
    ] {
        let (received, _) = send(&layer(), request(&[]), answer(headers, body)).await;
        assert_eq!((received.status, received.text()), (StatusCode::BAD_GATEWAY, "502 Bad Gateway\n"));
        let error = received.error.unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn the_answer_to_a_failure_is_the_users_to_make() {
    let layer = layer().on_error(|error, on| {
        let mut answer = Response::new(Bytes::from(format!("{on:?}: {error}")));
        *answer.status_mut() = StatusCode::IM_A_TEAPOT;
        answer
    });
    let (received, _) =
        send(&layer, request(&[]), answer(&[("content-type", "text/xml")], TestBody::of("<"))).await;
    assert_eq!(received.status, StatusCode::IM_A_TEAPOT);
    assert!(received.text().starts_with("Response: parse the document: "), "{}", received.text());
}

/// A layer whose sheet always ends itself.
fn failing() -> XsltLayer {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("failing.xsl");
    let body = r#"<xsl:message terminate="yes">no &lt;price></xsl:message>"#;
    std::fs::write(&file, SHEET.replace(r#"<xsl:value-of select="."/>"#, body)).unwrap();
    XsltLayer::new(Stylesheet::compile([file], &Policy::default()).unwrap())
}

const TAGGED: [(&str, &str); 3] =
    [("content-type", "text/xml"), ("etag", "\"abc\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")];

#[tokio::test]
async fn the_document_may_pass_where_it_cannot_be_transformed() {
    let layer = failing().otherwise(Otherwise::Pass);
    let (received, _) = send(&layer, request(&[]), answer(&TAGGED, TestBody::of(XML))).await;
    assert_eq!((received.status, received.text()), (StatusCode::OK, XML));
    assert_eq!(received.header("content-type"), Some("text/xml"));
    assert_eq!((received.header("etag"), received.header("last-modified")), (None, None));
    assert!(matches!(received.stood_in.as_deref(), Some(XsltError::Terminated { .. })));

    let (received, _) = post(failing().otherwise(Otherwise::Pass), "text/xml", TestBody::of(XML)).await;
    assert_eq!(received.text(), XML);
    assert!(received.stood_in.is_some());
}

#[tokio::test]
async fn another_sheet_may_stand_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fallback.xsl");
    std::fs::write(&file, SHEET.replace(r#"name="p""#, r#"name="error""#).replace("$p", "$error")).unwrap();
    let fallback = Stylesheet::compile([file], &Policy::default()).unwrap();
    let layer = failing().otherwise(Otherwise::Fallback(fallback.clone()));
    let (received, _) = send(&layer, request(&[]), answer(&TAGGED, TestBody::of(XML))).await;
    assert_eq!(received.status, StatusCode::OK);
    assert!(
        received.text().contains("no &lt;price&gt;") && received.text().ends_with(">text</b>\n"),
        "{}",
        received.text()
    );
    assert_eq!(
        (received.header("content-type"), received.header("etag")),
        (Some("text/html; charset=utf-8"), None)
    );
    assert!(received.stood_in.is_some());

    // What no sheet can transform fails as ever.
    let (received, _) = send(&layer, request(&[]), answer(&TAGGED, TestBody::of("<a>"))).await;
    assert_eq!(received.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn the_author_of_a_theme_may_see_what_went_wrong() {
    let (received, _) =
        send(&failing().on_error(debug_answer), request(&[]), answer(&TAGGED, TestBody::of(XML))).await;
    assert_eq!(received.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(received.header("content-type"), Some("text/html; charset=utf-8"));
    for part in ["The stylesheet ended itself", "no &lt;price&gt;", "match=&quot;/&quot;"] {
        assert!(received.text().contains(part), "{part} in {}", received.text());
    }
    let (received, _) = send(&failing(), request(&[]), answer(&TAGGED, TestBody::of(XML))).await;
    assert_eq!(received.text(), "500 Internal Server Error\n");
}

#[tokio::test]
async fn a_full_queue_and_a_late_result_have_their_statuses() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slow.xsl");
    // With a thousand elements this is a matter of months.
    let (open, close) = (r#"<xsl:for-each select="//*">"#.repeat(4), "</xsl:for-each>".repeat(4));
    std::fs::write(&file, SHEET.replace(r#"<xsl:value-of select="."/>"#, &format!("{open}<x/>{close}")))
        .unwrap();
    let slow = Stylesheet::compile([file], &Policy::default()).unwrap();
    let mut limits = Limits::default();
    limits.time = Duration::from_millis(500);
    limits.operations = u64::MAX;
    let layer = XsltLayer::new(slow).pool(Pool::new(1, 1)).limits(limits);
    let document: &'static str = format!("<a>{}</a>", "<e/>".repeat(1_000)).leak();
    let service = service_fn(move |_: Request<Body<Full<Bytes>>>| async move {
        Ok::<_, Infallible>(answer(&[("content-type", "text/xml")], TestBody::of(document)))
    });
    let service = layer.layer(service);
    let requests = (0..8).map(|_| tokio::spawn(service.clone().oneshot(request(&[]))));
    let requests: Vec<_> = requests.collect();
    let mut statuses = Vec::new();
    for request in requests {
        let received = Received::read(request.await.unwrap()).await;
        if received.status == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(received.header("retry-after"), Some("1"));
        }
        statuses.push(received.status);
    }
    assert!(statuses.contains(&StatusCode::SERVICE_UNAVAILABLE), "{statuses:?}");
    assert!(statuses.contains(&StatusCode::GATEWAY_TIMEOUT), "{statuses:?}");
}
