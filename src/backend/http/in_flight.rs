//! An answer that counts as in flight until its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderValue;
use http::header::SET_COOKIE;
use http_body::{Frame, SizeHint};
use vestibule_layers::{Body, BodyError, Response};

use super::balance::endpoint::InFlight;

/// Has an answer counted until its body is dropped, where it is counted, and binds the client to its server, where it is bound.
pub(super) fn until_the_end(
    mut answer: Response,
    in_flight: Option<InFlight>,
    cookie: Option<HeaderValue>,
) -> Response {
    if let Some(cookie) = cookie {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    match in_flight {
        // What ends at once need not be counted any longer.
        Some(in_flight) if !http_body::Body::is_end_stream(answer.body()) => {
            answer.map(|body| Body::boxed(Counted { body, _in_flight: in_flight }))
        }
        _ => answer,
    }
}

struct Counted {
    body: Body,
    _in_flight: InFlight,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
