//! From the YAML that a user would write to an answer: what the tests of layers share.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderName;
use http_body_util::BodyExt as _;
use http_environ::Environ;
use tower::Layer as _;
use vestibule_config::{Diagnostics, Reader, Settings, SourceText, document};

use crate::{Body, BoxLayer, BoxService, KINDS, LayerKind, Request, Response};

/// Reads one layer as it stands in a list of layers: its settings, or every mistake.
pub(crate) fn read(yaml: &str) -> Result<(&'static LayerKind, Settings), Diagnostics> {
    let mut diagnostics = Diagnostics::new();
    // Paths in the YAML start from the folder of this file's fixtures.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/testing/test.yaml");
    let source = Arc::new(SourceText::new(path, yaml));
    let root = document::read(&source, &|_| None, &mut diagnostics).expect("the test is YAML");
    let document::Value::Map(entries) = &root.value else { panic!("a mapping of one key, the kind") };
    let entry = &entries[0];
    let row = KINDS.iter().find(|row| row.kind.name == entry.key.value).expect("a kind of the list");
    let mut reader = Reader::new(&entry.value, &entry.key.place, &mut diagnostics);
    let settings = (row.kind.read)(&mut reader);
    reader.finish();
    if diagnostics.has_errors() { Err(diagnostics) } else { Ok((row, settings)) }
}

/// Reads and builds one layer.
pub(crate) fn build(yaml: &str) -> Result<BoxLayer, Diagnostics> {
    let (row, settings) = read(yaml)?;
    (row.build)(&settings).map_err(Diagnostics::from)
}

/// The mistakes of a layer, rendered.
pub(crate) fn mistakes(yaml: &str) -> String {
    build(yaml).err().expect("the settings are wrong").to_string()
}

/// One layer around an asynchronous function.
pub(crate) fn around<F, Fut>(yaml: &str, inner: F) -> BoxService
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Response> + Send + 'static,
{
    let layer = build(yaml).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    layer.layer(BoxService::from_fn(inner))
}

/// A request with its environ: `POST /path`, headers, a body.
pub(crate) fn request(line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    let mut request = Request::new(body.into());
    *request.method_mut() = method.parse().expect("a method");
    *request.uri_mut() = target.parse().expect("a target");
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a header's name");
        request.headers_mut().append(name, value.parse().expect("a header's value"));
    }
    let environ = Environ::for_target(request.uri()).expect("a path");
    request.extensions_mut().insert(environ);
    request
}

/// A GET without headers.
pub(crate) fn get(target: &str) -> Request {
    request(&format!("GET {target}"), &[], Body::Empty)
}

/// An answer of 200 with headers and a body.
pub(crate) fn answer(headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut answer = Response::new(body.into());
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a header's name");
        answer.headers_mut().append(name, value.parse().expect("a header's value"));
    }
    answer
}

/// A body that yields these pieces, its length unknown, and after them the error, if there is one.
pub(crate) fn pieces(pieces: &[&'static [u8]], error: Option<&'static str>) -> Body {
    let frames = pieces.iter().map(|piece| Ok(Bytes::from_static(piece)));
    let mut frames: Vec<Result<Bytes, &'static str>> = frames.collect();
    frames.extend(error.map(Err));
    Body::boxed(Pieces(frames.into_iter()))
}

/// The whole of a body, or the text of its error.
pub(crate) async fn whole(mut body: Body) -> Result<Vec<u8>, String> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|error| error.to_string())?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole)
}

/// The whole of a body that is text and does not fail.
pub(crate) async fn text(body: Body) -> String {
    String::from_utf8(whole(body).await.expect("the body ends well")).expect("the body is text")
}

struct Pieces(std::vec::IntoIter<Result<Bytes, &'static str>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, &'static str>>> {
        std::task::Poll::Ready(self.0.next().map(|piece| piece.map(http_body::Frame::data)))
    }
}
