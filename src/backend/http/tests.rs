//! The backend from the YAML a user writes, before servers that do as they are told, most of them badly.

mod any_bytes;
mod failing;
mod forwarding;
mod http2;
mod script;
mod settings;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use vestibule_config::{Source, load_source};
use vestibule_layers::{Body, BodyError, Response};

use crate::gateway::{Gateway, kinds};
use crate::identity::{Connection, Peer};

/// How long any test waits before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway, asked by a client at 192.0.2.7.
struct Asked {
    gateway: Gateway,
    connection: Connection,
}

/// A gateway that forwards everything; `settings` are further ones of the backend.
fn forwarding(servers: &[&str], settings: &str) -> Asked {
    gateway(&format!("routes: [ {{ http: {{ servers: {servers:?}, {settings} }} }} ]"))
}

fn gateway(routes: &str) -> Asked {
    let source = Source::from_text("test.yaml", format!("listen: \"127.0.0.1:0\"\n{routes}\n"));
    let config = load_source(&source, &kinds(), &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let gateway = Gateway::build(config, 1).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    gateway.start();
    let peer = Peer::Tcp("192.0.2.7:4711".parse().unwrap());
    Asked { gateway, connection: Connection::new(Arc::default(), peer) }
}

impl Asked {
    async fn answer(&self, request: http::Request<Body>) -> Response {
        let answer = self.gateway.handle(&self.connection, self.gateway.number(), request);
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time")
    }

    /// The answer, read to its end.
    async fn ask(&self, request: http::Request<Body>) -> Answered {
        let (head, body) = self.answer(request).await.into_parts();
        let text = tokio::time::timeout(PATIENCE, text(body)).await.expect("a body in time");
        Answered { status: head.status, headers: head.headers, text }
    }
}

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    /// The whole body, or why it broke off.
    text: Result<String, BodyError>,
}

impl Answered {
    /// The body of an answer that must be whole.
    #[track_caller]
    fn whole(&self) -> &str {
        self.text.as_ref().expect("a whole body")
    }
}

async fn text(mut body: Body) -> Result<String, BodyError> {
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        text.extend_from_slice(&frame?.into_data().unwrap_or_default());
    }
    Ok(String::from_utf8(text)?)
}

fn get(target: &str) -> http::Request<Body> {
    http::Request::get(target).header("host", "shop.example").body(Body::Empty).unwrap()
}

fn post(body: Body) -> http::Request<Body> {
    http::Request::post("/").header("host", "shop.example").body(body).unwrap()
}

/// A body that is sent piece by piece, and ends when the sender is dropped.
fn pieces() -> (mpsc::Sender<&'static str>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Body::boxed(Pieces(receiver)))
}

struct Pieces(mpsc::Receiver<&'static str>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
    }
}
