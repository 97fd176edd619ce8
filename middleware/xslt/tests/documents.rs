//! Sheets and documents that are no files: they are fetched before, and known by their URIs.

use std::convert::Infallible;
use std::sync::Mutex;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_xslt::{
    Body, FetchDocument, Fetched, Fetching, FindSheet, InputKind, Policy, Pool, Stylesheet, Task, XsltError,
    XsltLayer,
};

fn sheet(body: &str) -> Bytes {
    format!(
        r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">{body}<xsl:output method="text"/></xsl:stylesheet>"#
    )
    .into()
}

fn fetched(documents: &[(&str, Bytes)]) -> Fetched {
    documents.iter().map(|(uri, document)| ((*uri).to_owned(), document.clone())).collect()
}

fn compile(documents: &[(&str, Bytes)]) -> Result<Stylesheet, XsltError> {
    Stylesheet::compile_fetched(documents[0].0, &fetched(documents), &Policy::default())
}

async fn run(stylesheet: &Stylesheet, documents: &[(&str, Bytes)]) -> Result<String, XsltError> {
    let task = Task {
        stylesheet: stylesheet.clone(),
        document: Bytes::from_static(b"<a>route:/b.xml</a>"),
        kind: InputKind::Xml,
        charset: None,
        params: Vec::new(),
        fetched: fetched(documents),
        limits: std::sync::Arc::default(),
    };
    let output = Pool::shared().transform(task).await?;
    Ok(String::from_utf8(output.bytes.to_vec()).unwrap())
}

const SAYS: &str = "<xsl:template match='/'>said</xsl:template>";

#[tokio::test]
async fn a_fetched_sheet_names_what_it_imports_until_it_has_all() {
    let uri = "http://styles.example/x/a.xsl";
    let mut documents = vec![(uri, sheet("<xsl:import href='../b.xsl'/><xsl:include href='c.xsl'/>"))];
    let wanted = [
        ("http://styles.example/b.xsl", sheet("<xsl:import href='route:/d.xsl'/>")),
        ("route:/d.xsl", sheet(SAYS)),
        ("http://styles.example/x/c.xsl", sheet("")),
    ];
    for (uri, document) in wanted {
        let error = compile(&documents).unwrap_err();
        assert!(matches!(&error, XsltError::NotFetched { uri: named } if named == uri), "{error} for {uri}");
        documents.push((uri, document));
    }
    let stylesheet = compile(&documents).unwrap();
    assert_eq!(run(&stylesheet, &[]).await.unwrap(), "said");
    assert_eq!(stylesheet.fetched().len(), 4);
    assert!(stylesheet.files().is_empty());
    let before = stylesheet.fingerprint();
    documents[3].1 = sheet("<xsl:template match='x'/>");
    assert_ne!(compile(&documents).unwrap().fingerprint(), before);
}

#[test]
fn a_fetched_sheet_reads_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.xsl");
    std::fs::write(&file, sheet("")).unwrap();
    let uri = format!("file://{}", file.display());
    let error = compile(&[("route:/a.xsl", sheet(&format!("<xsl:import href='{uri}'/>")))]).unwrap_err();
    assert!(matches!(&error, XsltError::NotFetched { uri: named } if *named == uri), "{error}");
}

#[test]
fn mistakes_of_a_fetched_sheet_have_its_uri_as_their_place() {
    let broken = sheet("<xsl:template match='/'>\n<xsl:value-of select='a['/></xsl:template>");
    let error = compile(&[("route:/style/a.xsl", broken)]).unwrap_err().to_string();
    assert!(error.contains("route:/style/a.xsl:2"), "{error}");
}

#[tokio::test]
async fn a_run_reads_what_was_fetched_and_names_what_was_not() {
    let read = |what: &str| {
        sheet(&format!(
            "<xsl:template match='/'><xsl:value-of select=\"document({what})/b\"/></xsl:template>"
        ))
    };
    let literal = compile(&[("route:/a.xsl", read("'b.xml'"))]).unwrap();
    assert_eq!(literal.documents(), ["route:/b.xml"]);
    let there = [("route:/b.xml", Bytes::from_static(b"<b>there</b>"))];
    assert_eq!(run(&literal, &there).await.unwrap(), "there");
    // The source of a document is none of the sheet's: what is put together is only found by its URI.
    let computed = compile(&[("route:/a.xsl", read("string(a)"))]).unwrap();
    assert_eq!(computed.documents(), [""; 0]);
    assert_eq!(run(&computed, &there).await.unwrap(), "there");
    let error = run(&computed, &[]).await.unwrap_err();
    assert!(matches!(&error, XsltError::PolicyDenied { uri } if uri == "route:/b.xml"), "{error}");
    for (uri, evil) in [
        ("route:/b.xml", "<!DOCTYPE b [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><b>&e;</b>"),
        ("route:/b.xml", "<!DOCTYPE b SYSTEM 'http://evil.example/b.dtd'><b>&e;</b>"),
    ] {
        let outcome = run(&literal, &[(uri, evil.into())]).await;
        assert!(!matches!(&outcome, Ok(text) if text.contains("root:")), "{outcome:?}");
    }
}

/// Finds every sheet, and tells which were asked for.
struct Shelf(Mutex<Vec<String>>);

impl FindSheet for Shelf {
    fn find<'a>(&'a self, href: &'a str, request: &'a Parts) -> Fetching<'a, Stylesheet> {
        self.0.lock().unwrap().push(format!("{} {href}", request.uri));
        let uri = "route:/a.xsl";
        let body =
            "<xsl:template match='/'><xsl:value-of select=\"concat(a, document('b.xml'))\"/></xsl:template>";
        Box::pin(async move { compile(&[(uri, sheet(body))]) })
    }
}

/// Answers its URI as a document.
struct Echo;

impl FetchDocument for Echo {
    fn fetch<'a>(&'a self, uri: &'a str, _: &'a Parts) -> Fetching<'a, Bytes> {
        Box::pin(async move { Ok(format!("<b> and {uri}</b>").into()) })
    }

    fn listed(&self, _: &Parts) -> Vec<String> {
        Vec::new()
    }

    fn lists_some(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_layer_applies_the_sheet_that_a_document_names() {
    let service = service_fn(|_: Request<Body<Full<Bytes>>>| async {
        let document = "<?xml-stylesheet type='text/xsl' href='look.xsl'?><a>text</a>";
        let answer = Response::builder().header("content-type", "text/xml").body(Full::from(document));
        Ok::<_, Infallible>(answer.unwrap())
    });
    let layer = XsltLayer::from_document(Shelf(Mutex::default())).documents(Echo);
    let service = layer.layer(service);
    let ask = async |accept: &str| {
        let request = Request::get("/doc").header("accept", accept).body(Full::default()).unwrap();
        let answer = service.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.headers()["vary"], "Accept");
        let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let frame = answer.into_body().frame().await.unwrap().unwrap();
        (media_type, String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    };
    let (media_type, page) = ask("text/html, */*;q=0.1").await;
    assert_eq!((media_type.as_str(), page.as_str()), ("text/plain; charset=utf-8", "text and route:/b.xml"));
    assert_eq!(ask("*/*").await.0, "text/xml");
}
