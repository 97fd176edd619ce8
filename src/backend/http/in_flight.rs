//! An answer that counts as in flight until its end.

use http::HeaderValue;
use http::header::SET_COOKIE;
use vestibule_layers::Response;

use super::balance::endpoint::InFlight;

/// Has an answer counted until its body has come or is dropped, where it is counted, and binds the client to its server, where it is
/// bound.
pub(super) fn until_the_end(
    mut answer: Response,
    in_flight: Option<InFlight>,
    cookie: Option<HeaderValue>,
) -> Response {
    if let Some(cookie) = cookie {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    match in_flight {
        Some(in_flight) => answer.map(|body| body.holding(in_flight)),
        None => answer,
    }
}
