//! One connection to a server: a task of hyper's that reads and writes, and the handle that requests are sent by.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use vestibule_layers::{Body, BodyError};

use crate::backend::upstream::address::Stream;
use crate::backend::upstream::deadline::{Deadline, Phase};

/// How much is read at once. hyper would go to 400 KiB, which leaves the processor's cache: a body of 100 kB then costs an
/// eighth more.
const BUFFER: usize = 64 << 10;

/// What a connection may use up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long the server may be silent while something is expected of it.
    pub(super) timeout: Duration,
    /// How long the connection is kept without a request.
    pub(super) idle_timeout: Duration,
    /// The largest head of an answer.
    pub(super) header_bytes: usize,
}

/// The handle of a connection. When it and the answers are dropped, the connection closes; so it does where an answer is
/// dropped before its end.
pub(super) struct Connection {
    sender: SendRequest<Outgoing>,
    phase: Phase,
}

/// A request that was not answered.
pub(super) struct Unanswered {
    pub(super) error: hyper::Error,
    /// The request, where nothing of it was sent.
    pub(super) request: Option<http::Request<Body>>,
}

impl Connection {
    /// Starts HTTP on a socket. The task ends with the connection.
    pub(super) async fn open(stream: Stream, limits: Limits) -> hyper::Result<Self> {
        let phase = Phase::idle();
        let io = Deadline::new(stream, phase.clone(), limits.timeout, limits.idle_timeout);
        let (sender, connection) = http1::Builder::new()
            .max_header_size(limits.header_bytes)
            .max_buf_size(limits.header_bytes.max(BUFFER))
            .handshake(TokioIo::new(io))
            .await?;
        tokio::spawn(async move {
            // Whoever waits for an answer is told by its own means; nobody waits for an idle connection.
            if let Err(error) = connection.await {
                tracing::trace!("a connection to an upstream ended: {error}");
            }
        });
        Ok(Self { sender, phase })
    }

    /// Whether it takes a request now: the last answer was read to its end.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether it will never take a request again.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Begins to count its time as idle.
    pub(super) fn rest(&self) {
        self.phase.wait_for_request();
    }

    /// Sends a request; the answer's body streams from the connection. Not `async`, and the error is hyper's: each future
    /// around another one would have room for the request twice.
    pub(super) fn send(
        &mut self,
        request: http::Request<Body>,
    ) -> impl Future<Output = Result<http::Response<Incoming>, TrySendError<http::Request<Outgoing>>>> {
        self.phase.wait_for_server();
        let phase = self.phase.clone();
        self.sender.try_send_request(request.map(|body| Outgoing { body, phase }))
    }
}

impl From<TrySendError<http::Request<Outgoing>>> for Unanswered {
    fn from(mut error: TrySendError<http::Request<Outgoing>>) -> Self {
        let request = error.take_message().map(|request| request.map(|outgoing| outgoing.body));
        Self { error: error.into_error(), request }
    }
}

/// The body of a request on its way, which tells the connection where the client keeps it waiting.
pub(super) struct Outgoing {
    body: Body,
    phase: Phase,
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_pending() {
            self.phase.wait_for_client();
        } else {
            self.phase.wait_for_server();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
