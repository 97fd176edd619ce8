//! Every failure becomes one clear answer: the one list of causes, their codes and status codes.
//!
//! A client learns the status, the code and the number of its request, never more; the reason goes to the log, once,
//! with the same number.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use http_environ::RequestId;
use tracing::Level;

use crate::{Body, Response};

/// Why a request was not answered as it hoped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The request is malformed: its path, its host, its body
    BadRequest,
    /// Credentials are missing or wrong
    Unauthorized,
    /// The client may not see this
    Forbidden,
    /// No route matches
    NoRoute,
    /// The route matches, but what it names is not there
    NotFound,
    /// The method has no meaning here
    MethodNotAllowed,
    /// The client sends its body too slowly, or takes its answer too slowly
    RequestTimeout,
    /// The body of the request is over a limit
    BodyTooLarge,
    /// The head of the request is more than its application can be told
    HeadTooLarge,
    /// The range cannot be satisfied
    RangeNotSatisfiable,
    /// The body of the request is of a kind that cannot be read here
    UnsupportedMediaType,
    /// The client left; for the log only
    ClientGone,
    /// An application failed
    ApplicationError,
    /// A transform of a layer failed
    TransformFailed,
    /// The upstream could not be reached, broke off or spoke nonsense
    BadGateway,
    /// A queue or a limit is full
    Busy,
    /// The gateway is about to end
    Draining,
    /// The application or the upstream was too slow
    GatewayTimeout,
}

impl Cause {
    /// Every cause, for documents and tests.
    pub const ALL: [Self; 18] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NoRoute,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::HeadTooLarge,
        Self::RangeNotSatisfiable,
        Self::UnsupportedMediaType,
        Self::ClientGone,
        Self::ApplicationError,
        Self::TransformFailed,
        Self::BadGateway,
        Self::Busy,
        Self::Draining,
        Self::GatewayTimeout,
    ];

    /// The stable code and the status code of a cause.
    pub fn row(self) -> (&'static str, StatusCode) {
        match self {
            Self::BadRequest => ("V-BAD-REQUEST", StatusCode::BAD_REQUEST),
            Self::Unauthorized => ("V-UNAUTHORIZED", StatusCode::UNAUTHORIZED),
            Self::Forbidden => ("V-FORBIDDEN", StatusCode::FORBIDDEN),
            Self::NoRoute => ("V-NO-ROUTE", StatusCode::NOT_FOUND),
            Self::NotFound => ("V-NOT-FOUND", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => ("V-METHOD", StatusCode::METHOD_NOT_ALLOWED),
            Self::RequestTimeout => ("V-SLOW-REQUEST", StatusCode::REQUEST_TIMEOUT),
            Self::BodyTooLarge => ("V-TOO-LARGE", StatusCode::PAYLOAD_TOO_LARGE),
            Self::HeadTooLarge => ("V-HEAD-TOO-LARGE", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Self::RangeNotSatisfiable => ("V-RANGE", StatusCode::RANGE_NOT_SATISFIABLE),
            Self::UnsupportedMediaType => ("V-MEDIA-TYPE", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::ClientGone => ("V-CLIENT-GONE", client_closed_request()),
            Self::ApplicationError => ("V-APPLICATION", StatusCode::INTERNAL_SERVER_ERROR),
            Self::TransformFailed => ("V-TRANSFORM", StatusCode::INTERNAL_SERVER_ERROR),
            Self::BadGateway => ("V-UPSTREAM", StatusCode::BAD_GATEWAY),
            Self::Busy => ("V-BUSY", StatusCode::SERVICE_UNAVAILABLE),
            Self::Draining => ("V-DRAINING", StatusCode::SERVICE_UNAVAILABLE),
            Self::GatewayTimeout => ("V-TOO-SLOW", StatusCode::GATEWAY_TIMEOUT),
        }
    }
}

/// 499, nginx's "client closed request".
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).expect("499 is between 100 and 999")
}

/// Answers a failure and logs its reason, with all its sources, on one line.
pub fn rescue(request: &RequestId, cause: Cause, reason: &(dyn Error + 'static)) -> Response {
    let (code, status) = cause.row();
    log(request, cause, Some(status), &chain(reason));
    answer(request, code, status)
}

/// Logs why an answer did not arrive whole, on one line. Its status is no news any more: the head has been sent, or
/// nobody is there to read it.
pub fn broken_off(request: &RequestId, cause: Cause, reason: &str) {
    log(request, cause, None, &format!("an answer was broken off: {reason}"));
}

fn log(request: &RequestId, cause: Cause, answered: Option<StatusCode>, reason: &str) {
    let (code, status) = cause.row();
    let answered = answered.map(|status| status.as_u16());
    match level(status) {
        Level::ERROR => tracing::error!(request_id = %request, code, status = answered, "{reason}"),
        Level::WARN => tracing::warn!(request_id = %request, code, status = answered, "{reason}"),
        _ => tracing::debug!(request_id = %request, code, status = answered, "{reason}"),
    }
}

/// The error of a body that was broken off here, for a cause that whoever reads it can answer or log.
#[derive(Debug, Clone)]
pub struct BrokenOff {
    cause: Cause,
    reason: Arc<dyn Error + Send + Sync>,
}

impl BrokenOff {
    /// A body broken off for a cause.
    pub fn new(cause: Cause, reason: impl Error + Send + Sync + 'static) -> Self {
        Self { cause, reason: Arc::new(reason) }
    }
}

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl Error for BrokenOff {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // It prints as the reason itself does.
        self.reason.source()
    }
}

/// The cause where the body of a request could not be read to its end: the one that it was [broken off](BrokenOff) for, else
/// what came is no body.
pub fn cause_of_body(error: &(dyn Error + 'static)) -> Cause {
    broken_off_for(error).unwrap_or(Cause::BadRequest)
}

/// The cause where the body of an answer broke off: the one that it was [broken off](BrokenOff) for, else its application failed.
pub fn cause_of_answer(error: &(dyn Error + 'static)) -> Cause {
    broken_off_for(error).unwrap_or(Cause::ApplicationError)
}

/// What a body was broken off for, where whoever did that has told it.
fn broken_off_for(error: &(dyn Error + 'static)) -> Option<Cause> {
    let broken_off = sources(error).find_map(|error| error.downcast_ref::<BrokenOff>());
    broken_off.map(|broken_off| broken_off.cause)
}

/// An error and what is behind it.
fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error and all its sources: `failed to connect: connection refused`.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        // Some errors print their source themselves.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

/// What a client does wrong is its own matter; a limit or a missing upstream is the operator's.
fn level(status: StatusCode) -> Level {
    match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => {
            Level::WARN
        }
        status if status.is_server_error() => Level::ERROR,
        _ => Level::DEBUG,
    }
}

fn answer(request: &RequestId, code: &str, status: StatusCode) -> Response {
    let text = format!("{status}\n{code} request {request}\n");
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn every_cause_has_a_code_of_its_own() {
        let mut codes: Vec<_> = Cause::ALL.iter().map(|cause| cause.row().0).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Cause::ALL.len());
        assert!(codes.iter().all(|code| code.starts_with("V-")));
    }

    #[test]
    fn a_full_queue_says_when_to_come_back() {
        let answer = rescue(&RequestId::Serial(1), Cause::Busy, &std::io::Error::other("the queue is full"));
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
    }

    #[test]
    fn a_body_that_was_broken_off_keeps_its_cause() {
        #[derive(Debug, thiserror::Error)]
        #[error("failed to read")]
        struct Outer(#[source] BrokenOff);
        let broken_off = BrokenOff::new(Cause::RequestTimeout, io::Error::other("too slow"));
        assert_eq!(cause_of_body(&Outer(broken_off)), Cause::RequestTimeout);
        assert_eq!(cause_of_body(&io::Error::other("no chunk")), Cause::BadRequest);
    }

    #[test]
    fn an_answer_breaks_off_by_whoever_makes_it() {
        let broken_off = BrokenOff::new(Cause::TransformFailed, io::Error::other("too deep"));
        assert_eq!(cause_of_answer(&broken_off), Cause::TransformFailed);
        assert_eq!(cause_of_answer(&io::Error::other("the file became shorter")), Cause::ApplicationError);
    }

    #[test]
    fn the_reason_is_printed_with_its_sources() {
        #[derive(Debug, thiserror::Error)]
        #[error("failed to connect")]
        struct Outer(#[source] std::io::Error);
        assert_eq!(chain(&Outer(std::io::Error::other("refused"))), "failed to connect: refused");
    }
}
