//! Serves one WSGI application over HTTP/1.1: `serve MODULE:ATTRIBUTE ADDRESS`. Modules are looked for in the current folder.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_environ::Environ;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::Service;
use tower_wsgi::{Application, Body, Settings, WsgiError};

/// As in the gateway; glibc's allocator gives memory back too eagerly for answers of 100 kB.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [app, address] = arguments.as_slice() else { return Err("serve MODULE:ATTRIBUTE ADDRESS".into()) };
    let settings = Settings { path: vec![".".into()], ..Settings::new("serve", app) };
    let application = Application::load(settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(application, address.parse()?))?;
    tower_wsgi::shutdown(Duration::from_secs(10));
    Ok(())
}

async fn serve(application: Application, address: SocketAddr) -> Result<(), Error> {
    let listener = TcpListener::bind(address).await?;
    let mut leave = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = &mut leave => return Ok(()),
        };
        stream.set_nodelay(true)?;
        let application = application.clone();
        let service = service_fn(move |request| answer(application.clone(), peer, request));
        tokio::spawn(async move {
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}

async fn answer(
    mut application: Application,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let Ok(mut environ) = Environ::for_target(request.uri()) else {
        return Ok(plain(StatusCode::BAD_REQUEST));
    };
    environ.remote_addr = Some(peer.ip());
    environ.remote_port = Some(peer.port());
    request.extensions_mut().insert(environ);
    Ok(application.call(request).await.unwrap_or_else(|error| {
        plain(match error {
            WsgiError::QueueFull(_) | WsgiError::NotBegun(..) | WsgiError::Draining(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            WsgiError::Body(_) => StatusCode::BAD_REQUEST,
            WsgiError::TooSlow(..) => StatusCode::GATEWAY_TIMEOUT,
            WsgiError::ApplicationFailed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        })
    }))
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}
