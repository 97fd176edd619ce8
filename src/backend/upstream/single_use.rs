//! Protocols with one request on a connection, whose end is the end of the answer: SCGI and uwsgi. The pipes of a CGI program
//! are such a connection, too.
//!
//! The way of a request: [`spool`] gives its body a length; the protocol writes the variables; a [`Connection`] is opened; an
//! [`Exchange`] sends the request and reads what comes, both at once; [`answer`] makes an answer of it. An answer is whole
//! when it has its Content-Length; one that has none is whole when the connection ends well, however early that was.

pub(in crate::backend) mod answer;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use http_body::Body as _;
use http_environ::View;
use http_environ::answer::read_with_status_line;
use vestibule_config::{Diagnostic, Reader};
use vestibule_layers::{BoxService, Request, Response};

use super::address::Address;
use super::connection::Connection;
use super::exchange::Exchange;
use super::failure::{Failure, Unsendable};
use super::target::Target;
use super::upload::{Framing, Upload};
use super::{Reply, header_bytes, spool, wait};
use crate::backend::command::Takes;
use crate::backend::processes::Wanted;
use crate::backend::{Context, LocalRedirects};

/// The settings that SCGI and uwsgi have in common, which are all.
#[derive(Clone)]
pub(in crate::backend) struct Settings {
    /// Where the application listens: `HOST:PORT` or `unix:PATH`, or else a `command` that starts it.
    target: Option<Target>,
    /// How long a connection may take to open; 5s by default.
    connect_timeout: Duration,
    /// How long to wait for the answer, and then for each next piece of it; 60s by default.
    timeout: Duration,
    /// The largest head of an answer; 64KiB by default.
    header_bytes: usize,
}

impl Settings {
    pub(in crate::backend) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            target: Target::read(reader, Takes::Path),
            connect_timeout: wait(reader, "connect_timeout", Duration::from_secs(5)),
            timeout: wait(reader, "timeout", Duration::from_secs(60)),
            header_bytes: header_bytes(reader),
        }
    }

    pub(in crate::backend) fn wanted(&self) -> Option<Wanted> {
        self.target.as_ref()?.wanted()
    }
}

/// Writes all of a request that comes before its body, of which it gets the length.
pub(in crate::backend) type PutHead = fn(&View<'_>, u64) -> Result<BytesMut, Unsendable>;

/// The service that forwards requests.
pub(in crate::backend) fn build(
    settings: &Settings,
    put_head: PutHead,
    context: &Context<'_>,
) -> Result<BoxService, Diagnostic> {
    let target = settings.target.as_ref().ok_or_else(|| Diagnostic::error("no address was read"))?;
    let address = target.address(context)?;
    let settings = settings.clone();
    let redirects = context.redirects.clone();
    let name = context.name.into();
    let application = Arc::new(Application { name, address, settings, put_head, redirects });
    Ok(BoxService::from_fn(move |request| Arc::clone(&application).answer(request)))
}

/// An application.
struct Application {
    /// Its name, for the log.
    name: Arc<str>,
    address: Address,
    settings: Settings,
    put_head: PutHead,
    redirects: LocalRedirects,
}

impl Application {
    async fn answer(self: Arc<Self>, mut request: Request) -> Response {
        let id = View::of(&request).environ().request_id.clone();
        match self.send(&mut request).await {
            Ok(Reply::Answer(answer)) => answer,
            Ok(Reply::Local(target)) => self.redirects.follow(request, &target).await,
            Err(failure) => failure.rescue(&id, &self.name),
        }
    }

    /// Sends a request and waits for the head of its answer.
    async fn send(&self, request: &mut Request) -> Result<Reply, Failure> {
        let body = std::mem::take(request.body_mut());
        let (body, length) = if body.is_end_stream() { (body, 0) } else { spool::with_length(body).await? };
        if length > 0 || request.headers().contains_key(CONTENT_LENGTH) {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let head = (self.put_head)(&View::of(request), length)?;
        let Settings { connect_timeout, timeout, header_bytes, .. } = self.settings;
        let connection = Connection::open(&self.address, connect_timeout, timeout, None).await?;
        let upload = Upload::new(head.into(), body, Framing::Length(length));
        let mut exchange = Exchange::new(Box::new(connection), upload);
        match answer::head(&mut exchange, read_with_status_line, header_bytes).await {
            Ok(head) => Ok(answer::reply(head, exchange, request.method()).await),
            Err(failure) => Err(failure.at(&self.address)),
        }
    }
}
