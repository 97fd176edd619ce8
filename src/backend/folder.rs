//! The redirect from a folder without its slash.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use http_environ::View;
use http_environ::encode::{push_decoded, push_encoded};
use vestibule_layers::{Body, Response};

/// Sends the client to a folder's own path, which ends in a slash, so that relative links in its index hold.
pub(super) fn redirect(view: &View<'_>) -> Response {
    let (environ, path) = (view.environ(), view.environ().path());
    let mut target = Vec::new();
    push_decoded(&mut target, &environ.prefix);
    push_encoded(&mut target, &path.raw_script_name());
    push_encoded(&mut target, path.raw_path_info());
    // Two slashes at the start would name another host.
    let superfluous = target.iter().take_while(|&&byte| byte == b'/').count().saturating_sub(1);
    target.push(b'/');
    if !view.query().is_empty() {
        target.push(b'?');
        push_encoded(&mut target, view.query().as_bytes());
    }
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = StatusCode::MOVED_PERMANENTLY;
    let target =
        HeaderValue::from_bytes(&target[superfluous..]).expect("a percent-encoded path is legal in a header");
    answer.headers_mut().insert(LOCATION, target);
    answer
}
