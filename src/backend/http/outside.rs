//! Requests to hosts that a layer's settings list: each by a connection of its own, for they are few.

use std::time::Duration;

use http::header::HOST;
use http::{HeaderValue, Uri};
use http_environ::View;
use vestibule_layers::{BoxService, Request, Response, rescue};

use super::connection::Limits;
use super::failure::Failure;
use super::headers;
use super::server::Server;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(5);

/// What a connection may use up: as the defaults of the backend.
const LIMITS: Limits =
    Limits { timeout: Duration::from_secs(60), idle_timeout: Duration::from_secs(4), header_bytes: 64 << 10 };

/// Forwards requests to the hosts of their absolute URIs, as they are.
pub(in crate::backend) fn outside() -> BoxService {
    BoxService::from_fn(async |request: Request| {
        let id = View::of(&request).environ().request_id.clone();
        forward(request).await.unwrap_or_else(|failure| rescue(&id, failure.cause(), &failure))
    })
}

async fn forward(mut request: Request) -> Result<Response, Failure> {
    let (server, host) = server(request.uri()).ok_or(Failure::NoServer)?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    *request.uri_mut() = target.parse().map_err(Failure::Target)?;
    request.headers_mut().insert(HOST, host);
    let mut connection = server.connect(CONNECT, LIMITS).await?;
    match connection.send(request).await {
        Ok(answer) => headers::pass_on(answer, &server),
        Err(unanswered) => {
            Err(Failure::Exchange { server: server.to_string(), source: unanswered.into_error() })
        }
    }
}

/// The server of an absolute URI, and the Host that it is asked for.
fn server(uri: &Uri) -> Option<(Server, HeaderValue)> {
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"))?;
    let host = HeaderValue::from_str(authority.as_str()).ok()?;
    let server = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)).parse().ok()?;
    Some((server, host))
}
