//! The default answers to failures.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::On;
use crate::error::{Limit, XsltError};

/// The default of [`XsltLayer::on_error`](super::XsltLayer::on_error): logs the error, and answers with a status and a
/// plain text that tells nothing about the inside.
pub fn answer(error: &XsltError, on: On) -> Response<Bytes> {
    let status = status(error, on);
    if status.is_client_error() {
        tracing::info!(%status, "failed to {error}");
    } else {
        tracing::error!(%status, source = std::error::Error::source(error), "failed to {error}");
    }
    let text = format!("{status}\n");
    let length = HeaderValue::from(text.len());
    let mut answer = Response::new(Bytes::from(text));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, length);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

/// Like [`answer`], but with the [page](crate::page) that shows the author of a theme what went wrong. It tells of the inside:
/// never for the public.
pub fn debug_answer(error: &XsltError, on: On) -> Response<Bytes> {
    let page = Bytes::from(crate::page(error));
    let mut answer = answer(error, on);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(page.len()));
    *answer.body_mut() = page;
    answer
}

/// A bad document is its sender's fault: the client's on the way in, the service's on the way out.
fn status(error: &XsltError, on: On) -> StatusCode {
    let sender =
        |of_the_client, of_the_service| if on == On::Request { of_the_client } else { of_the_service };
    match error {
        XsltError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        XsltError::Limit(Limit::Time) => StatusCode::GATEWAY_TIMEOUT,
        XsltError::Limit(Limit::InputBytes) => sender(StatusCode::PAYLOAD_TOO_LARGE, StatusCode::BAD_GATEWAY),
        XsltError::ContentEncoding(_) => sender(StatusCode::UNSUPPORTED_MEDIA_TYPE, StatusCode::BAD_GATEWAY),
        // Who else would send a zero byte?
        XsltError::Parameter { .. } => StatusCode::BAD_REQUEST,
        XsltError::NotWellFormed(_)
        | XsltError::Body(_)
        | XsltError::Limit(Limit::Depth | Limit::Attributes | Limit::Entities | Limit::Text) => {
            sender(StatusCode::BAD_REQUEST, StatusCode::BAD_GATEWAY)
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
