//! Answers 413 to a request whose body is larger than a limit.
//!
//! ```yaml
//! layers: [ { body_limit: { max: 10MiB } } ]
//! ```
//!
//! A `Content-Length` over the limit is refused before a byte is read (a client that waits for `100 Continue` never
//! sends one). A body without a declared length is counted as it is read: where it crosses the limit it breaks off,
//! and 413 takes the place of whatever is answered to that, unless an answer has begun already. The connection is
//! closed after a refusal: the rest of the body is not read.
//!
//! Place it outside of what reads bodies. Inside of `decompress` the decoded bytes count, outside of it those on the
//! wire. tower-http's `RequestBodyLimitLayer` answers by itself; here the answer is [`rescue`]'s.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_environ::View;
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Size, sets_nothing};

use crate::verdict::{Verdict, unread};
use crate::{Body, BodyError, BoxLayer, Cause, LayerKind, rescue};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "body_limit",
        summary: "answers 413 to a request whose body is larger than a limit",
        example: "body_limit: { max: 10MiB }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings| build(settings.get()),
};

struct Settings {
    /// How many bytes a request's body may have.
    max: Size,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self { max: reader.required("max") }
    }
}

fn build(settings: &Settings) -> Result<BoxLayer, Diagnostic> {
    let Size(max) = settings.max;
    Ok(BoxLayer::from_fn(move |request, inner| async move {
        let id = View::of(&request).environ().request_id.clone();
        let size = request.body().size_hint();
        if size.lower() > max {
            return unread(rescue(&id, Cause::BodyTooLarge, &TooLarge(max)));
        }
        if size.exact().is_some() {
            return inner.answer(request).await;
        }
        let verdict = Verdict::default();
        let noting = verdict.clone();
        let request = request.map(|body| Body::boxed(Counted { body, max, left: max, verdict: noting }));
        verdict.over(inner.answer(request).await, &id)
    }))
}

/// A body that breaks off behind so many bytes.
struct Counted {
    body: Body,
    max: u64,
    left: u64,
    verdict: Verdict,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        let Some(left) = self.left.checked_sub(bytes as u64) else {
            // Nothing of what comes after counts, or is read.
            (self.body, self.left) = (Body::Empty, 0);
            return Poll::Ready(Some(Err(self.verdict.note(Cause::BodyTooLarge, TooLarge(self.max)))));
        };
        self.left = left;
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("the body is larger than {0} bytes (layer body_limit)")]
struct TooLarge(u64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{answer, around, pieces, request, text, whole};
    use crate::{BoxService, Response};

    /// Answers what it could read of the body.
    fn reader(max: &str) -> BoxService {
        around(&format!("body_limit: {{ max: {max} }}"), async |request| {
            match whole(request.into_body()).await {
                Ok(bytes) => Response::new(Body::from(Bytes::from(bytes))),
                Err(error) => Response::new(Body::from(format!("failed: {error}"))),
            }
        })
    }

    #[tokio::test]
    async fn a_declared_length_over_the_limit_is_refused_unread() {
        let service = around("body_limit: { max: 3 }", async |_| panic!("it is not asked"));
        let answer = service.answer(request("POST /", &[], "abcd")).await;
        assert_eq!(answer.status(), 413);
        assert_eq!(answer.headers()["connection"], "close");
        assert!(text(answer.into_body()).await.contains("V-TOO-LARGE"));
    }

    #[tokio::test]
    async fn a_body_of_just_the_limit_passes() {
        assert_eq!(text(reader("4").answer(request("POST /", &[], "abcd")).await.into_body()).await, "abcd");
        let streamed = request("POST /", &[], pieces(&[b"ab", b"cd"], None));
        assert_eq!(text(reader("4").answer(streamed).await.into_body()).await, "abcd");
    }

    #[tokio::test]
    async fn a_stream_over_the_limit_gets_413_whatever_is_answered_inside() {
        let answer = reader("3").answer(request("POST /", &[], pieces(&[b"ab", b"cd", b"ef"], None))).await;
        assert_eq!(answer.status(), 413);
    }

    #[tokio::test]
    async fn an_answer_that_has_begun_stays() {
        let service = around("body_limit: { max: 1 }", async |request| answer(&[], request.into_body()));
        let answer = service.answer(request("POST /", &[], pieces(&[b"a", b"b"], None))).await;
        assert_eq!(answer.status(), 200);
        assert!(whole(answer.into_body()).await.unwrap_err().contains("body_limit"));
    }
}
