//! Writes one line of log for each request, after the last byte of its answer.
//!
//! ```yaml
//! layers: [ access_log ]
//! ```
//!
//! The line is written when the body has ended or was given up, so that `bytes`, `outcome` and `duration_ms` are true; a
//! client that leaves before there is an answer is logged with 499. Fields are texts, which both formats of the log
//! escape: nothing that a client sends can break the line. No credentials are logged (neither `Authorization` nor
//! `Cookie`), but the query is.
//!
//! Of a request that a WSGI application has answered, in whatever isolation, `application` is its name; `queue_ms`, `gil_ms` and
//! `application_ms` tell how long it waited for a thread (with `isolation: process`, for the process, too), how long that thread
//! waited for Python's lock when it began, and how long the application took until its answer began.
//!
//! Place it outermost: it then sees the answers of all other layers. The number that a `request_id` inside of it chooses and
//! the SCRIPT_NAME of the mounts inside of it are logged. Sizes are those that pass here: outside of `compress`, compressed.

use std::borrow::Cow;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HOST, REFERER, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body::{Body as _, Frame, SizeHint};
use http_environ::environ::{Hosted, Latest};
use http_environ::{Environ, RequestId, Settled};
use tracing::Level;
use vestibule_config::{Kind, Settings as Checked, sets_nothing};

use crate::{Body, BodyError, BoxLayer, Cause, LayerKind, Request, Response, told_length};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "access_log",
        summary: "writes one line of log for each request",
        example: "access_log: {}",
        read: |_| Checked::new(()),
        sets: sets_nothing,
    },
    build: |_| Ok(layer()),
};

fn layer() -> BoxLayer {
    BoxLayer::from_fn(|mut request, inner| async move {
        if !tracing::enabled!(target: "access", Level::INFO) {
            return inner.answer(request).await;
        }
        let mut line = Line::begin(&mut request);
        let answer = inner.answer(request).await;
        line.answered(&answer);
        answer.map(|body| Body::boxed(Logged { body, line }))
    })
}

/// What is known of a request; written when it is dropped.
struct Line {
    started: Instant,
    method: Method,
    uri: Uri,
    /// Its number and its mounts.
    settled: Arc<Settled>,
    client: Option<IpAddr>,
    host: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    status: Option<StatusCode>,
    /// Bytes of the body that have passed.
    bytes: u64,
    /// Bytes of the body, where they are known before.
    length: Option<u64>,
    is_complete: bool,
}

impl Line {
    fn begin(request: &mut Request) -> Self {
        let environ = request.extensions_mut().get_or_insert_default::<Environ>();
        let (settled, client) = (environ.settled(), environ.remote_addr);
        let header = |name: HeaderName| request.headers().get(name).cloned();
        Self {
            started: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            settled,
            client,
            host: header(HOST),
            referer: header(REFERER),
            user_agent: header(USER_AGENT),
            status: None,
            bytes: 0,
            length: None,
            is_complete: false,
        }
    }

    fn answered(&mut self, answer: &Response) {
        let status = answer.status();
        self.status = Some(status);
        self.length = answer.body().size_hint().exact().or_else(|| told_length(answer.headers()));
        // Nobody reads the body of an answer that has none on the wire.
        let has_none = status == StatusCode::NOT_MODIFIED || status == StatusCode::SWITCHING_PROTOCOLS;
        self.is_complete = self.method == Method::HEAD || has_none || answer.body().is_end_stream();
    }

    fn passed(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        // Nobody asks for more when what Content-Length promised is sent.
        self.is_complete |= self.length == Some(self.bytes);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let [host, referer, user_agent] =
            [&self.host, &self.referer, &self.user_agent].map(|value| value.as_ref().map(text));
        let Latest { script_name, request_id, hosted } = self.settled.latest();
        let hosted = hosted.as_ref();
        let spent = |time: fn(&Hosted) -> Duration| hosted.map(|hosted| milliseconds(time(hosted)));
        let request_id = match &request_id {
            RequestId::Given(id) => Cow::Borrowed(&**id),
            serial @ RequestId::Serial(_) => Cow::Owned(serial.to_string()),
        };
        tracing::info!(
            target: "access",
            method = self.method.as_str(),
            path = self.uri.path(),
            query = self.uri.query(),
            status = self.status.unwrap_or(Cause::ClientGone.row().1).as_u16(),
            bytes = self.bytes,
            outcome = if self.is_complete { "complete" } else { "aborted" },
            duration_ms = milliseconds(self.started.elapsed()),
            request_id = &*request_id,
            client = self.client.map(tracing::field::display),
            host = host.as_deref(),
            script_name = &*String::from_utf8_lossy(&script_name),
            referer = referer.as_deref(),
            user_agent = user_agent.as_deref(),
            application = hosted.map(|hosted| &*hosted.application),
            queue_ms = spent(|hosted| hosted.queued),
            gil_ms = spent(|hosted| hosted.locked),
            application_ms = spent(|hosted| hosted.running),
        );
    }
}

fn text(header: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(header.as_bytes())
}

/// With three decimals at most: it is printed as it is, and nobody reads more.
fn milliseconds(time: Duration) -> f64 {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    // Beyond an hour, microseconds do not count.
    if micros == u32::MAX { time.as_secs_f64().round() * 1000.0 } else { f64::from(micros) / 1000.0 }
}

struct Logged {
    body: Body,
    line: Line,
}

impl http_body::Body for Logged {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.line.passed(bytes);
                self.line.is_complete |= self.body.is_end_stream();
            }
            Some(Err(_)) => self.line.is_complete = false,
            None => self.line.is_complete = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use http_body_util::BodyExt as _;
    use tracing::subscriber::DefaultGuard;

    use super::*;
    use crate::testing::{answer, around, get, pieces, request, whole};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        /// Catches what this thread logs from now on, as a person reads it.
        fn catch() -> (Self, DefaultGuard) {
            let lines = Self::default();
            let writer = lines.clone();
            let format = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
            let guard = tracing::subscriber::set_default(format.finish());
            (lines, guard)
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_line_is_written_when_the_body_has_ended() {
        let (lines, _guard) = Lines::catch();
        let service = around("access_log: {}", async |_| answer(&[], pieces(&[b"ab", b"cde"], None)));
        let answer = service.answer(get("/a%20b?c=d")).await;
        assert_eq!(lines.text(), "");
        whole(answer.into_body()).await.unwrap();
        let line = lines.text();
        for field in [
            "method=\"GET\"",
            "path=\"/a%20b\"",
            "query=\"c=d\"",
            "status=200",
            "bytes=5",
            "outcome=\"complete\"",
        ] {
            assert!(line.contains(field), "{field} in {line}");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_or_is_given_up_is_aborted() {
        let (lines, _guard) = Lines::catch();
        let service = around("access_log: {}", async |_| answer(&[], pieces(&[b"ab"], Some("broken"))));
        whole(service.answer(get("/")).await.into_body()).await.unwrap_err();
        drop(service.answer(get("/")).await);
        assert_eq!(lines.text().matches("outcome=\"aborted\"").count(), 2, "{}", lines.text());
    }

    #[tokio::test]
    async fn a_body_that_has_come_to_its_content_length_is_complete() {
        for (length, outcome) in [("2", "complete"), ("3", "aborted")] {
            let (lines, _guard) = Lines::catch();
            let service = around("access_log: {}", move |_| async move {
                answer(&[("content-length", length)], pieces(&[b"ab", b"c"], None))
            });
            let mut body = service.answer(get("/")).await.into_body();
            body.frame().await.unwrap().unwrap();
            drop(body);
            assert!(lines.text().contains(&format!("outcome=\"{outcome}\"")), "{}", lines.text());
        }
    }

    #[tokio::test]
    async fn a_body_that_nobody_has_to_read_is_complete() {
        let (lines, _guard) = Lines::catch();
        let service = around("access_log: {}", async |_| answer(&[], "text"));
        drop(service.answer(request("HEAD /", &[], Body::Empty)).await);
        assert!(lines.text().contains("outcome=\"complete\""), "{}", lines.text());
    }

    #[tokio::test]
    async fn a_client_that_leaves_before_the_answer_is_logged() {
        let (lines, _guard) = Lines::catch();
        let service = around("access_log: {}", |_| std::future::pending());
        let mut waiting = service.answer(get("/"));
        let polled = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        drop(waiting);
        assert!(lines.text().contains("status=499"), "{}", lines.text());
    }

    #[tokio::test]
    async fn nothing_a_client_sends_breaks_the_line_and_no_secret_is_in_it() {
        let (lines, _guard) = Lines::catch();
        let service = around("access_log: {}", async |_| answer(&[], Body::Empty));
        let mut asked =
            request("GET /", &[("authorization", "Basic c2VjcmV0"), ("cookie", "secret=1")], Body::Empty);
        let agent = HeaderValue::from_bytes("a\tb \u{9b}31m\u{2028}\" status=999".as_bytes()).unwrap();
        asked.headers_mut().insert(USER_AGENT, agent);
        drop(service.answer(asked).await);
        let line = lines.text();
        assert!(line.contains(r#"user_agent="a\tb \u{9b}31m\u{2028}\" status=999""#), "{line}");
        assert_eq!(line.lines().count(), 1);
        assert!(!line.contains("secret") && !line.contains("c2VjcmV0"), "{line}");
    }

    #[test]
    fn times_have_three_decimals_at_most() {
        for (nanoseconds, expected) in [
            (341_759, "0.341"),
            (1_000_000, "1"),
            (999, "0"),
            (61_000_001_000, "61000.001"),
            (7_200_000_000_001, "7200000"),
        ] {
            assert_eq!(milliseconds(Duration::from_nanos(nanoseconds)).to_string(), expected);
        }
    }

    #[tokio::test]
    async fn a_number_and_a_mount_chosen_inside_are_those_that_are_logged() {
        let (lines, _guard) = Lines::catch();
        // The mount and the number are those of whoever left the client waiting until it went away.
        let service = around("access_log: {}", |mut request: Request| {
            let environ = request.extensions_mut().get_mut::<Environ>().unwrap();
            environ.name_request(RequestId::Given("abc".into()));
            assert!(environ.mount("/shop"));
            std::future::pending()
        });
        let mut waiting = service.answer(get("/shop/cart"));
        let polled = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        drop(waiting);
        let line = lines.text();
        assert!(line.contains("request_id=\"abc\"") && line.contains("script_name=\"/shop\""), "{line}");
    }
}
