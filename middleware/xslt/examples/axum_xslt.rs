//! An axum program whose XML is shown as HTML: the line with `.layer(…)` is all that it takes.
//!
//! `cargo run -p tower-xslt --example axum_xslt`, then open <http://127.0.0.1:3000/>.

use std::error::Error;
use std::path::Path;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tower_xslt::{Policy, Stylesheet, XsltError, XsltLayer};

/// A feed, as any handler would make it.
const FEED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title>Weather</title>
  <entry><title>It rains</title></entry>
  <entry><title>The sun shines</title></entry>
</feed>"#;

/// The program: give it the sheet, and its XML becomes HTML.
pub(crate) fn app(sheet: &Path) -> Result<Router, XsltError> {
    let stylesheet = Stylesheet::compile([sheet], &Policy::default())?;
    Ok(Router::new()
        .route("/", get(|| async { ([(CONTENT_TYPE, "application/atom+xml")], FEED) }))
        .route("/plain", get(|| async { "as it is" }))
        .layer(XsltLayer::new(stylesheet)))
}

#[tokio::main]
#[cfg_attr(test, expect(dead_code, reason = "the test serves `app` by itself"))]
async fn main() -> Result<(), Box<dyn Error>> {
    let sheet = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/feed.xsl");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}/", listener.local_addr()?);
    axum::serve(listener, app(&sheet)?).await?;
    Ok(())
}
