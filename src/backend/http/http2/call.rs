//! A request on its stream, and its answer: both at once, in the task of whoever waits for the answer.
//!
//! An answer may begin, and end, before the request does: what is left of the request is then not sent. An answer without
//! its end is broken off, whatever the reason: also `NO_ERROR` only says that nobody wants the rest of the request (RFC 9113
//! section 8.1).

mod upload;
mod wait;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::client::ResponseFuture;
use http::{HeaderMap, HeaderName, Method, Response as HttpResponse};
use http_body::{Frame, SizeHint};
use vestibule_layers::rescue::BrokenOff;
use vestibule_layers::{Body, Response, told_length};

use self::upload::Upload;
use self::wait::Wait;
use super::shared::Line;
use crate::backend::http::failure::Failure;
use crate::backend::http::hop::is_hop_by_hop;
use crate::backend::upstream::deadline::Limits;
use crate::backend::upstream::failure::Failure as Wire;
use crate::backend::upstream::has_body;
use crate::backend::upstream::upload::Framing;

/// A request that was sent, or not.
pub(super) enum Begun {
    Sent(Call),
    /// With its whole body.
    Unsent(Failure, Body),
}

/// A request under way.
pub(super) struct Call {
    response: ResponseFuture,
    rest: Rest,
}

/// What a request and its answer have in common.
struct Rest {
    upload: Upload,
    wait: Wait,
    line: Line,
}

impl Call {
    /// Sends the head. `limits` are how long the server may be silent.
    pub(super) fn begin(
        mut line: Line,
        head: http::Request<()>,
        body: Body,
        framing: Framing,
        limits: Limits,
    ) -> Begun {
        let is_whole = framing == Framing::Length(0);
        match line.sender.send_request(head, is_whole) {
            Ok((response, stream)) => {
                let upload = Upload::new(stream, body, framing);
                Begun::Sent(Self { response, rest: Rest { upload, wait: Wait::new(limits), line } })
            }
            Err(error) => {
                line.leave();
                Begun::Unsent(Failure::Stream(error), body)
            }
        }
    }

    /// Waits for the head of the answer.
    pub(super) async fn head(&mut self) -> Result<HttpResponse<RecvStream>, Failure> {
        let head = poll_fn(|cx| {
            self.rest.poll_upload(cx)?;
            if let Poll::Ready(head) = Pin::new(&mut self.response).poll(cx) {
                return Poll::Ready(head.map_err(Failure::Stream));
            }
            self.rest.poll_overdue(cx)
        });
        let head = head.await;
        if head.as_ref().is_err_and(Failure::is_end_of_connection) {
            self.rest.line.leave();
        }
        head
    }

    /// The body of the request, where nothing was taken of it.
    pub(super) fn into_untaken(self) -> Option<Body> {
        self.rest.upload.into_untaken()
    }

    /// The answer, whose body is yet to come.
    pub(super) fn answer(self, head: HttpResponse<RecvStream>, method: &Method) -> Response {
        let (mut head, stream) = head.into_parts();
        remove_hop_by_hop(&mut head.headers);
        let mut answer = HttpResponse::new(Body::Empty);
        if has_body(method, head.status) && !stream.is_end_stream() {
            let left = told_length(&head.headers);
            *answer.body_mut() = Body::boxed(AnswerBody { stream, left, rest: Some(self.rest) });
        }
        *answer.status_mut() = head.status;
        *answer.headers_mut() = head.headers;
        answer
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

impl Rest {
    /// Sends what both sides let it.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        match self.upload.poll(cx) {
            // A server may answer without having read everything: its answer counts.
            Poll::Ready(Err(Failure::Stream(_))) => self.upload.end(),
            Poll::Ready(Err(failure)) => return Err(failure),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if std::mem::take(&mut self.upload.has_advanced) {
            self.wait.end();
        }
        Ok(())
    }

    fn poll_overdue<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Failure>> {
        let overdue = self.wait.poll(cx, self.upload.turn);
        overdue.map(|error| {
            self.line.leave();
            Err(Failure::Wire(Wire::Io(error)))
        })
    }
}

/// The body of an answer, read from its stream as it is asked for.
struct AnswerBody {
    stream: RecvStream,
    /// How much is to come, where that is known.
    left: Option<u64>,
    /// `None` after the end.
    rest: Option<Rest>,
}

impl AnswerBody {
    /// The next piece, the trailers, or the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Failure>> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(Ok(None)) };
        rest.poll_upload(cx)?;
        let next = match self.stream.poll_data(cx) {
            Poll::Ready(Some(Ok(piece))) => {
                rest.wait.end();
                // Where the stream has ended meanwhile, nobody wants to know.
                drop(self.stream.flow_control().release_capacity(piece.len()));
                self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
                return Poll::Ready(Ok(Some(Frame::data(piece))));
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Err(error)),
            Poll::Ready(None) => self.stream.poll_trailers(cx),
            Poll::Pending => Poll::Pending,
        };
        match next {
            Poll::Ready(Ok(trailers)) => Poll::Ready(Ok(trailers.map(|mut trailers| {
                remove_hop_by_hop(&mut trailers);
                self.rest = None;
                Frame::trailers(trailers)
            }))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(Failure::Stream(error))),
            Poll::Pending => rest.poll_overdue(cx),
        }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let next = ready!(self.poll_next(cx));
        if !matches!(next, Ok(Some(_))) {
            self.rest = None;
        }
        Poll::Ready(next.map_err(|failure| BrokenOff::new(failure.cause(), failure)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
