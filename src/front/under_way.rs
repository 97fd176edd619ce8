//! What a connection has under way, so that the log can name the request whose answer does not arrive.
//!
//! Each request leaves its number with its answer. A body that fails tells why itself; whatever is still there when its
//! connection ends was cut off, and the connection has noted why. While all goes well, nothing is allocated or locked.

use std::error::Error;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_environ::RequestId;
use vestibule_layers::{Body, BodyError, Cause, Response, rescue, told_length};

/// What all requests of a connection have in common.
#[derive(Default)]
pub(super) struct Talk {
    end: OnceLock<(Cause, String)>,
    /// Whether the log knows of a request that was not answered to its end.
    #[cfg(test)]
    is_told: std::sync::atomic::AtomicBool,
}

impl Talk {
    /// Notes why the connection ends; the first reason is the one.
    pub(super) fn end(&self, cause: Cause, reason: impl FnOnce() -> String) {
        self.end.get_or_init(|| (cause, reason()));
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "the tests look at it"))]
    fn tell(&self, request: &RequestId, cause: Cause, reason: &str) {
        #[cfg(test)]
        self.is_told.store(true, std::sync::atomic::Ordering::Relaxed);
        rescue::broken_off(request, cause, reason);
    }
}

/// Cuts off what is under way when it is dropped, if the connection has not ended otherwise.
pub(super) struct CutOff(pub(super) Arc<Talk>);

impl Drop for CutOff {
    fn drop(&mut self) {
        self.0.end(Cause::Draining, || "it did not end within `drain`".into());
    }
}

/// A request that is not answered to its end. `T` is how it holds what its connection has in common.
pub(super) struct UnderWay<T: Deref<Target = Talk> = Arc<Talk>> {
    talk: T,
    request: RequestId,
    /// Whether its failure is in the log already.
    is_told: bool,
    /// Whether it may end without its connection.
    is_stream: bool,
}

impl UnderWay {
    /// One of several on a connection, each of which its client may end alone.
    pub(super) fn of_stream(talk: Arc<Talk>, request: RequestId) -> Self {
        Self { talk, request, is_told: false, is_stream: true }
    }

    /// Goes on with the answer's body, until hyper has sent that as one of HTTP/2.
    pub(super) fn answered(self, answer: Response) -> http::Response<Sending> {
        // hyper compares, too, but nobody would learn whose answer it was.
        let is_counted = answer.body().size_hint().exact().is_none();
        let length = if is_counted { told_length(answer.headers()) } else { None };
        self.sending(answer, length)
    }
}

impl<T: Deref<Target = Talk>> UnderWay<T> {
    pub(super) fn new(talk: T, request: RequestId) -> Self {
        Self { talk, request, is_told: false, is_stream: false }
    }

    /// Goes on with the answer's body, which is to have this length, until that has been sent.
    pub(super) fn sending(mut self, answer: Response, missing: Option<u64>) -> http::Response<Sending<T>> {
        if let Some(given) = answer.extensions().get::<RequestId>() {
            self.request = given.clone();
        }
        // That the client has left is why this is the answer.
        self.is_told = answer.status() == Cause::ClientGone.row().1;
        answer.map(|body| Sending { body, missing, failure: None, under_way: self })
    }

    fn tell(&mut self, cause: Cause, reason: &str) {
        if !std::mem::replace(&mut self.is_told, true) {
            self.talk.tell(&self.request, cause, reason);
        }
    }
}

impl<T: Deref<Target = Talk>> Drop for UnderWay<T> {
    fn drop(&mut self) {
        if self.is_told {
            return;
        }
        // The body of an answer to HEAD is dropped unread, but not because the connection ends.
        if let Some((cause, reason)) = self.talk.end.get() {
            self.talk.tell(&self.request, *cause, reason);
        } else if self.is_stream {
            self.talk.tell(&self.request, Cause::ClientGone, "the client has reset its stream");
        }
    }
}

/// The body of an answer that is being sent.
pub(super) struct Sending<T: Deref<Target = Talk> = Arc<Talk>> {
    body: Body,
    /// What is left of a Content-Length that the body itself does not know.
    missing: Option<u64>,
    /// Why it breaks off, while what came before is sent.
    failure: Option<BodyError>,
    under_way: UnderWay<T>,
}

/// A frame of a body, or its end.
type Next = Option<Result<Frame<Bytes>, BodyError>>;

/// A body that ends before its Content-Length.
#[derive(Debug, thiserror::Error)]
#[error("the answer is {0} bytes shorter than its Content-Length")]
struct Short(u64);

impl<T: Deref<Target = Talk> + Unpin> Sending<T> {
    /// Notes that all of it was taken: nothing is left to be told.
    pub(super) fn note_whole(&mut self) {
        self.under_way.is_told = true;
    }

    /// What is there of the body already: a frame, or its end.
    pub(super) fn at_hand(&mut self) -> impl Future<Output = Option<Next>> {
        poll_fn(|cx| match Pin::new(&mut *self).poll_frame(cx) {
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(next) => Poll::Ready(Some(next)),
        })
    }

    /// Fails at the next turn of the task: hyper throws away what it has not sent when a body fails, perhaps even the head.
    fn fail(&mut self, cx: &mut Context<'_>, error: BodyError) {
        let why: &(dyn Error + 'static) = &*error;
        self.under_way.tell(rescue::cause_of_answer(why), &rescue::chain(why));
        self.failure = Some(error);
        cx.waker().wake_by_ref();
    }
}

impl<T: Deref<Target = Talk> + Unpin> http_body::Body for Sending<T> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Next> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        let frame = match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)).transpose() {
            Ok(frame) => frame,
            Err(error) => {
                self.fail(context, error);
                return Poll::Pending;
            }
        };
        match (&frame, self.missing) {
            (Some(frame), Some(missing)) => {
                let size = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.missing = Some(missing.saturating_sub(size));
            }
            (None, Some(missing @ 1..)) => {
                self.fail(context, Box::new(Short(missing)));
                return Poll::Pending;
            }
            _ => {}
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && self.missing.unwrap_or(0) == 0
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use http::header::CONTENT_LENGTH;
    use http_body_util::BodyExt as _;

    use super::*;

    fn talk() -> Arc<Talk> {
        Arc::new(Talk::default())
    }

    /// A body that comes in pieces of two bytes.
    struct Pieces(usize);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
            self.0 = left;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"ab")))))
        }

        fn is_end_stream(&self) -> bool {
            self.0 == 0
        }
    }

    /// How many bytes come of an answer of four that promises `length`.
    async fn sent(talk: &Arc<Talk>, length: &str) -> Result<usize, String> {
        let answer =
            http::Response::builder().header(CONTENT_LENGTH, length).body(Body::boxed(Pieces(2))).unwrap();
        let under_way = UnderWay::new(Arc::clone(talk), RequestId::Serial(1));
        let mut sending = under_way.answered(answer).into_body();
        let mut size = 0;
        while !sending.is_end_stream()
            && let Some(frame) = sending.frame().await
        {
            size += frame.map_err(|error| error.to_string())?.into_data().unwrap().len();
        }
        Ok(size)
    }

    #[tokio::test]
    async fn less_than_was_promised_is_told() {
        let talk = talk();
        assert_eq!(sent(&talk, "4").await, Ok(4));
        assert!(!talk.is_told.load(Relaxed));
        let short = sent(&talk, "7").await.unwrap_err();
        assert_eq!(short, "the answer is 3 bytes shorter than its Content-Length");
        assert!(talk.is_told.load(Relaxed));
    }

    #[test]
    fn only_what_is_there_when_its_connection_ends_was_cut_off() {
        let talk = talk();
        drop(UnderWay::new(Arc::clone(&talk), RequestId::Serial(1)));
        assert!(!talk.is_told.load(Relaxed));
        let under_way = UnderWay::new(Arc::clone(&talk), RequestId::Serial(2));
        talk.end(Cause::ClientGone, || "reset".into());
        drop(under_way);
        assert!(talk.is_told.load(Relaxed));
    }

    #[test]
    fn a_failure_that_the_log_knows_is_not_told_again() {
        let talk = talk();
        let reason = std::io::Error::other("left in the middle of its body");
        let answer = rescue(&RequestId::Serial(1), Cause::ClientGone, &reason);
        let sending = UnderWay::new(Arc::clone(&talk), RequestId::Serial(1)).answered(answer);
        talk.end(Cause::ClientGone, || "reset".into());
        drop(sending);
        assert!(!talk.is_told.load(Relaxed));
    }
}
