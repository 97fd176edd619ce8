//! `XsltLayer::reload`, as a program calls it that is told of changed files by its own means.

use std::convert::Infallible;
use std::path::Path;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_xslt::{Body, Policy, Stylesheet, XsltError, XsltLayer};

fn write(path: &Path, says: &str) {
    let sheet = format!(
        r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text"/><xsl:template match="/">{says}</xsl:template></xsl:stylesheet>"#
    );
    std::fs::write(path, sheet).unwrap();
}

#[tokio::test]
async fn services_that_were_made_before_use_the_new_sheet_or_the_last_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sheet.xsl");
    write(&path, "old");
    let layer = XsltLayer::new(Stylesheet::compile([&path], &Policy::default()).unwrap());
    let service = layer.clone().layer(service_fn(async |_: Request<Body<Full<Bytes>>>| {
        Ok::<_, Infallible>(
            Response::builder().header("content-type", "text/xml").body(Full::from("<a/>")).unwrap(),
        )
    }));
    let page = async || {
        let answer = service.clone().oneshot(Request::new(Full::default())).await.unwrap();
        let frame = answer.into_body().frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    };
    assert_eq!(page().await, "old");
    write(&path, "new");
    assert_eq!(page().await, "old");
    let old = layer.stylesheet().unwrap().fingerprint();
    layer.reload().unwrap();
    assert_eq!(page().await, "new");
    assert_ne!(layer.stylesheet().unwrap().fingerprint(), old);
    write(&path, "<xsl:value-of select='['/>");
    let error = layer.reload().unwrap_err();
    assert!(matches!(error, XsltError::Compile(_)) && error.to_string().contains("sheet.xsl:2:"), "{error}");
    assert_eq!(page().await, "new");
}
