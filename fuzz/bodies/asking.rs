//! A request out of bytes: the target on the first line, `Name: value` on each further one.

use http::{HeaderName, HeaderValue, Uri};
use vestibule_layers::{Body, Request};

/// The first line and the rest.
pub(crate) fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    (&data[..end], data.get(end + 1..).unwrap_or_default())
}

/// A GET; `None` for what hyper would not let through.
pub(crate) fn request(data: &[u8]) -> Option<Request> {
    let (target, headers) = first_line(data);
    let mut request = with_headers(headers)?;
    *request.uri_mut() = Uri::try_from(target).ok()?;
    Some(request)
}

/// A GET of `/` with these headers.
pub(crate) fn with_headers(headers: &[u8]) -> Option<Request> {
    let mut request = Request::new(Body::Empty);
    request.headers_mut().insert("host", HeaderValue::from_static("shop.example"));
    for line in headers.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    Some(request)
}
