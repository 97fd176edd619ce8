//! Requests to hosts that a layer's settings list: each by a connection of its own, for they are few.

use std::time::Duration;

use http::header::HOST;
use http::{HeaderValue, Uri};
use http_environ::View;
use vestibule_layers::{BoxService, Request, Response, rescue};

use super::balance::Refused;
use super::failure::Failure;
use super::request_head::Asked;
use super::server::Server;
use super::{answer, request_head};
use crate::backend::upstream::exchange::Exchange;
use crate::backend::upstream::upload::Upload;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a server may be silent, as by default.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The largest head of an answer, as by default.
const HEADER_BYTES: usize = 64 << 10;

/// Forwards requests to the hosts of their absolute URIs, as they are.
pub(in crate::backend) fn outside() -> BoxService {
    BoxService::from_fn(async |request: Request| {
        let id = View::of(&request).environ().request_id.clone();
        forward(request).await.unwrap_or_else(|failure| rescue(&id, failure.cause(), &failure))
    })
}

async fn forward(mut request: Request) -> Result<Response, Failure> {
    let (server, host) = server(request.uri()).ok_or(Refused::NoneLeft)?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    *request.uri_mut() = target.parse().map_err(Failure::Target)?;
    request.headers_mut().insert(HOST, host);
    let connection = server.connect(CONNECT, TIMEOUT).await?;
    let body = std::mem::take(request.body_mut());
    let framing = request_head::framing(request.headers(), &body);
    let head = request_head::ask(&request, framing);
    let mut exchange = Exchange::new(connection, Upload::new(head, body, framing));
    match answer::head(&mut exchange, &mut request, Asked::default(), HEADER_BYTES).await {
        Ok((head, received)) => Ok(answer::answer(exchange, head, received, HEADER_BYTES, None)),
        Err(failure) => Err(failure.at(&server)),
    }
}

/// The server of an absolute URI, and the Host that it is asked for.
fn server(uri: &Uri) -> Option<(Server, HeaderValue)> {
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"))?;
    let host = HeaderValue::from_str(authority.as_str()).ok()?;
    let server = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)).parse().ok()?;
    Some((server, host))
}
