//! `XsltLayer::cache`: what is found again, what is not, and what is answered without a transform.

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_xslt::{
    Body, BoxError, Cache, Counters, Fetching, FindSheet, On, Otherwise, Policy, Stylesheet, XsltError,
    XsltLayer,
};

const PAGE: &str =
    "<xsl:param name='p'/><xsl:template match='/'><xsl:value-of select=\"concat($p, a)\"/></xsl:template>";

/// A folder with a sheet, and beside it a document.
fn sheet(body: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sheet.xsl");
    let sheet = format!(
        r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:output method="text"/>{body}</xsl:stylesheet>"#
    );
    std::fs::write(&file, sheet).unwrap();
    std::fs::write(folder.path().join("other.xml"), "<b/>").unwrap();
    (folder, file)
}

fn compile(body: &str) -> Stylesheet {
    let (_folder, file) = sheet(body);
    Stylesheet::compile([file], &Policy::default()).unwrap()
}

/// A body that counts how often it is read.
struct Counted(Option<Bytes>, Arc<AtomicUsize>);

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let bytes = self.0.take();
        if bytes.is_some() {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// What a service answers: headers and a document.
type Document = (Vec<(&'static str, &'static str)>, &'static str);

/// A layer around a service whose answers the test sets.
struct Site {
    layer: XsltLayer,
    says: Arc<Mutex<Document>>,
    reads: Arc<AtomicUsize>,
}

impl Site {
    fn new(layer: XsltLayer) -> Self {
        let params = |request: &Parts| vec![("p".to_owned(), request.uri.query().unwrap_or("").to_owned())];
        let says = Arc::new(Mutex::new((Vec::new(), "<a>text</a>")));
        Self { layer: layer.cache(Cache::new(1 << 20)).params(params), says, reads: Arc::default() }
    }

    fn says(&self, headers: &[(&'static str, &'static str)], document: &'static str) {
        *self.says.lock().unwrap() = (headers.to_vec(), document);
    }

    async fn ask(&self, target: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
        let (says, reads) = (Arc::clone(&self.says), Arc::clone(&self.reads));
        let service = service_fn(move |_: Request<Body<Counted>>| {
            let (headers, document) = says.lock().unwrap().clone();
            let reads = Arc::clone(&reads);
            async move {
                let mut answer = Response::builder().header("content-type", "text/xml");
                for (name, value) in headers {
                    answer = answer.header(name, value);
                }
                Ok::<_, Infallible>(answer.body(Counted(Some(document.into()), reads)).unwrap())
            }
        });
        let mut request = Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Counted(None, Arc::default())).unwrap();
        let answer = self.layer.layer(service).oneshot(request).await.unwrap();
        let (head, mut body) = answer.into_parts();
        let mut text = Vec::new();
        while let Some(frame) = body.frame().await {
            text.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        (head.status.as_u16(), head.headers, String::from_utf8(text).unwrap())
    }

    /// `Cache-Status` and the result.
    async fn found(&self, target: &str, headers: &[(&str, &str)]) -> (Option<String>, String) {
        let (_, head, text) = self.ask(target, headers).await;
        (head.get("cache-status").map(|status| status.to_str().unwrap().to_owned()), text)
    }

    fn counters(&self) -> Counters {
        self.layer.stylesheet().unwrap().counters()
    }
}

fn miss(text: &str) -> (Option<String>, String) {
    (Some("xslt; fwd=miss".to_owned()), text.to_owned())
}

fn hit(text: &str) -> (Option<String>, String) {
    (Some("xslt; hit".to_owned()), text.to_owned())
}

#[tokio::test]
async fn a_document_is_found_by_its_bytes_with_its_parameters() {
    let site = Site::new(XsltLayer::new(compile(PAGE)));
    assert_eq!(site.found("/", &[]).await, miss("text"));
    assert_eq!(site.found("/elsewhere", &[]).await, hit("text"));
    assert_eq!(site.found("/?1", &[]).await, miss("1text"));
    site.says(&[], "<a>other</a>");
    assert_eq!(site.found("/", &[]).await, miss("other"));
    let counters = site.counters();
    assert_eq!((counters.runs, counters.hits, counters.misses), (3, 1, 3));
    assert!(!counters.run_time.is_zero());
    let other = Site::new(XsltLayer::new(compile(&PAGE.replace("$p, ", "$p, '!', "))));
    assert_eq!(other.found("/", &[]).await, miss("!text"));
}

#[tokio::test]
async fn a_strong_tag_is_enough_where_the_answer_is_for_everybody() {
    let site = Site::new(XsltLayer::new(compile(PAGE)));
    site.says(&[("etag", "\"1\"")], "<a>text</a>");
    assert_eq!(site.found("/", &[]).await, miss("text"));
    assert_eq!(site.found("/", &[]).await, hit("text"));
    assert_eq!(site.reads.load(Ordering::Relaxed), 1, "the second was not read");
    assert_eq!(site.found("/elsewhere", &[]).await, miss("text"), "a tag is one of a URL's");
    site.says(&[("etag", "\"2\"")], "<a>new</a>");
    assert_eq!(site.found("/", &[]).await, miss("new"));
}

#[tokio::test]
async fn what_two_clients_see_under_one_tag_is_told_apart() {
    for (headers, cookies) in [
        (&[("etag", "\"1\"")][..], [("cookie", "user=a"), ("cookie", "user=b")]),
        (&[("etag", "\"1\"")], [("authorization", "Basic YQ=="), ("authorization", "Basic Yg==")]),
        (&[("etag", "\"1\""), ("cache-control", "max-age=5, private")], [("x", "a"), ("x", "b")]),
        (&[("etag", "\"1\""), ("vary", "Accept, X")], [("x", "a"), ("x", "b")]),
        (&[("etag", "\"1\""), ("set-cookie", "a=b")], [("x", "a"), ("x", "b")]),
        (&[("etag", "W/\"1\"")], [("x", "a"), ("x", "b")]),
    ] {
        let site = Site::new(XsltLayer::new(compile(PAGE)));
        for (cookie, document, text) in
            [(cookies[0], "<a>for a</a>", "for a"), (cookies[1], "<a>for b</a>", "for b")]
        {
            site.says(headers, document);
            assert_eq!(site.found("/", &[cookie]).await, miss(text), "{headers:?}");
        }
    }
}

#[tokio::test]
async fn who_has_the_result_is_answered_without_a_transform() {
    let site = Site::new(XsltLayer::new(compile(PAGE)));
    for headers in [&[][..], &[("etag", "\"1\"")], &[("etag", "W/\"1\"")]] {
        site.says(headers, "<a>text</a>");
        let (_, head, _) = site.ask("/", &[]).await;
        let tag = head["etag"].to_str().unwrap();
        let before = site.counters();
        let (status, head, text) = site.ask("/", &[("if-none-match", tag)]).await;
        assert_eq!((status, text.as_str(), head["etag"].to_str().unwrap()), (304, "", tag), "{headers:?}");
        assert!(!head.contains_key("content-type") && !head.contains_key("content-length"));
        let after = site.counters();
        assert_eq!((after.runs, after.not_modified), (before.runs, before.not_modified + 1));
        let (status, ..) = site.ask("/?other", &[("if-none-match", tag)]).await;
        assert_eq!(status, 200, "other parameters make another result");
    }
}

#[tokio::test]
async fn a_sheet_that_reads_other_documents_is_run_each_time() {
    let (_folder, file) = sheet(
        "<xsl:template match='/'><xsl:value-of select=\"concat(a, document('other.xml'))\"/></xsl:template>",
    );
    let stylesheet = Stylesheet::compile([file], &Policy::default()).unwrap();
    let site = Site::new(XsltLayer::new(stylesheet));
    for _ in 0..2 {
        assert_eq!(site.found("/", &[]).await, (None, "text".to_owned()));
    }
    assert_eq!((site.counters().runs, site.counters().hits), (2, 0));
    assert!(!site.ask("/", &[]).await.1.contains_key("etag"));
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let site = Site::new(XsltLayer::new(compile(PAGE)));
    site.says(&[], "<a>");
    for _ in 0..2 {
        assert_eq!(site.ask("/", &[]).await.0, 502);
    }
    assert_eq!(site.counters().hits, 0);
}

const ENDING: &str =
    "<xsl:template match='/'><xsl:message terminate='yes'>no title</xsl:message></xsl:template>";

/// Asks twice; both answers are `text`, and nothing of them is to be kept by anybody.
async fn is_not_kept(site: &Site, text: &str) {
    for _ in 0..2 {
        let (status, head, body) = site.ask("/", &[("accept", "text/html")]).await;
        assert_eq!((status, body.as_str()), (200, text));
        assert_eq!(head["cache-control"], "no-store");
        for name in ["cache-status", "etag", "expires"] {
            assert!(!head.contains_key(name), "{name}");
        }
    }
}

#[tokio::test]
async fn what_stands_in_is_not_kept() {
    // Known by its tag, and by its bytes.
    for headers in [&[("etag", "\"1\""), ("cache-control", "max-age=5"), ("expires", "0")][..], &[]] {
        let site = Site::new(XsltLayer::new(compile(ENDING)).otherwise(Otherwise::Pass));
        site.says(headers, "<a>text</a>");
        is_not_kept(&site, "<a>text</a>").await;
        assert_eq!((site.counters().hits, site.counters().misses), (0, 2));

        let fallback = compile(PAGE);
        let otherwise = Otherwise::Fallback(fallback.clone());
        let site = Site::new(XsltLayer::new(compile(ENDING)).otherwise(otherwise));
        site.says(headers, "<a>text</a>");
        is_not_kept(&site, "text").await;
        assert_eq!((fallback.counters().runs, fallback.counters().misses), (2, 0));
    }
}

/// Has no sheet.
struct Empty;

impl FindSheet for Empty {
    fn find<'a>(&'a self, href: &'a str, _: &'a Parts) -> Fetching<'a, Stylesheet> {
        let error = XsltError::PolicyDenied { uri: href.to_owned() };
        Box::pin(async { Err(error) })
    }
}

#[tokio::test]
async fn what_stands_in_for_the_page_of_a_document_that_names_its_sheet_is_not_kept() {
    const NAMED: &str = "<?xml-stylesheet type='text/xsl' href='x'?><a>text</a>";
    let ending = Shelf(compile(ENDING));
    for layer in [XsltLayer::from_document(Empty), XsltLayer::from_document(ending)] {
        let fallback = compile(PAGE);
        for (otherwise, text) in [(Otherwise::Pass, NAMED), (Otherwise::Fallback(fallback.clone()), "text")] {
            let site = Site::new(layer.clone().otherwise(otherwise));
            site.says(&[("etag", "\"1\"")], NAMED);
            is_not_kept(&site, text).await;
            assert_eq!(site.ask("/", &[("accept", "text/html")]).await.1["vary"], "Accept");
        }
        assert_eq!(fallback.counters().runs, 3);
    }
}

struct Shelf(Stylesheet);

impl FindSheet for Shelf {
    fn find<'a>(&'a self, _: &'a str, _: &'a Parts) -> Fetching<'a, Stylesheet> {
        let found: Result<_, XsltError> = Ok(self.0.clone());
        Box::pin(async { found })
    }
}

#[tokio::test]
async fn pages_of_documents_that_name_their_sheets_are_kept_too() {
    let stylesheet = compile(PAGE);
    let site = Site::new(XsltLayer::from_document(Shelf(stylesheet.clone())));
    site.says(&[], "<?xml-stylesheet type='text/xsl' href='x'?><a>text</a>");
    assert_eq!(site.found("/", &[("accept", "text/html")]).await, miss("text"));
    assert_eq!(site.found("/", &[("accept", "text/html")]).await, hit("text"));
    assert_eq!((stylesheet.counters().runs, stylesheet.counters().hits), (1, 1));
}

#[tokio::test]
async fn bodies_of_requests_are_found_again() {
    let stylesheet = compile(PAGE);
    let layer = XsltLayer::new(stylesheet.clone()).on(On::Request).cache(Cache::new(1 << 20));
    let service = layer.layer(service_fn(async |request: Request<Body<Counted>>| {
        assert_eq!(request.headers()["content-length"], "4");
        Ok::<_, Infallible>(Response::new(Counted(None, Arc::default())))
    }));
    for _ in 0..2 {
        let body = Counted(Some(Bytes::from_static(b"<a>text</a>")), Arc::default());
        let request = Request::post("/").header("content-type", "text/xml").body(body).unwrap();
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
    }
    assert_eq!((stylesheet.counters().runs, stylesheet.counters().hits), (1, 1));
}
