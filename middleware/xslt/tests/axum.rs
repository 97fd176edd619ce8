//! The layer in an axum program, which is the example of the crate.

use std::path::Path;

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use tower::ServiceExt as _;

#[path = "../examples/axum_xslt.rs"]
mod axum_xslt;

async fn get(path: &str) -> Response<Body> {
    let sheet = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/feed.xsl");
    let app = axum_xslt::app(&sheet).unwrap_or_else(|error| panic!("failed to {error}"));
    app.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(answer: Response<Body>) -> String {
    let mut body = Limited::new(answer.into_body(), 1 << 20);
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        text.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn the_example_shows_its_feed_as_html() {
    let answer = get("/").await;
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let page = text(answer).await;
    assert!(page.contains("<h1>Weather</h1>") && page.contains("<li>It rains</li>"), "{page}");
}

#[tokio::test]
async fn what_is_no_xml_passes() {
    assert_eq!(text(get("/plain").await).await, "as it is");
}
