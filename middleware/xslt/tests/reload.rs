//! `XsltLayer::reload`, as a program calls it that is told of changed files by its own means.

use std::convert::Infallible;
use std::path::Path;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_xslt::{Body, Otherwise, Policy, Stylesheet, XsltError, XsltLayer};

fn write(path: &Path, says: &str) {
    let sheet = format!(
        r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text"/><xsl:template match="/">{says}</xsl:template></xsl:stylesheet>"#
    );
    std::fs::write(path, sheet).unwrap();
}

/// Asks a service that was made of the layer now.
fn pages(layer: &XsltLayer) -> impl AsyncFn() -> String {
    let service = layer.clone().layer(service_fn(async |_: Request<Body<Full<Bytes>>>| {
        Ok::<_, Infallible>(
            Response::builder().header("content-type", "text/xml").body(Full::from("<a/>")).unwrap(),
        )
    }));
    async move || {
        let answer = service.clone().oneshot(Request::new(Full::default())).await.unwrap();
        let frame = answer.into_body().frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    }
}

#[tokio::test]
async fn services_that_were_made_before_use_the_new_sheet_or_the_last_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sheet.xsl");
    write(&path, "old");
    let layer = XsltLayer::new(Stylesheet::compile([&path], &Policy::default()).unwrap());
    let page = pages(&layer);
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

#[tokio::test]
async fn the_sheet_that_stands_in_is_reloaded_too_and_all_sheets_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let (path, fallback) = (folder.path().join("sheet.xsl"), folder.path().join("fallback.xsl"));
    let stop = "<xsl:message terminate='yes'>no</xsl:message>";
    write(&path, stop);
    write(&fallback, "old");
    let compile = |path: &Path| Stylesheet::compile([path], &Policy::default()).unwrap();
    let layer = XsltLayer::new(compile(&path)).otherwise(Otherwise::Fallback(compile(&fallback)));
    let page = pages(&layer);
    assert_eq!(page().await, "old");
    write(&fallback, "new");
    layer.reload().unwrap();
    assert_eq!(page().await, "new");
    write(&path, "mended");
    write(&fallback, "<xsl:value-of select='['/>");
    assert!(matches!(layer.reload(), Err(XsltError::Compile(_))));
    assert_eq!(page().await, "new");
    write(&fallback, "mended, too");
    layer.reload().unwrap();
    assert_eq!(page().await, "mended");
}
