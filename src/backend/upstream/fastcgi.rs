//! The web server's side of FastCGI: sends a request to an application, and gives back what it answers.
//!
//! The way of a request: [`spool`] gives its body a length; [`pool`](super::pool) finds a kept connection, or
//! [`Connection`] opens one; an [`exchange`] sends the request and reads what comes, both at once; [`answer`] finds its head,
//! and [`kept`] makes an answer of it. [`complaints`](super::complaints) has what the application writes to stderr logged; [`Failure`] names what goes wrong.

mod answer;
mod exchange;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fastcgi::request::{self, KeepConnection};
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body::Body as _;
use http_environ::View;
use http_environ::answer::Head;
use tokio::time;
use vestibule_layers::{Body, Request};

use self::exchange::{Exchange, Upload};
use super::address::Address;
use super::complaints::Complaints;
use super::connection::Connection;
use super::failure::Failure;
use super::kept;
use super::pool::{PATIENCE, Pool};
use super::{Reply, spool};

/// A body of up to this size that is here already travels in one piece with the variables.
const SMALL: usize = 16 << 10;

/// What a connection may use up.
#[derive(Clone, Debug)]
pub(in crate::backend) struct Limits {
    /// How long a connection may take to open.
    pub(in crate::backend) connect_timeout: Duration,
    /// How long the application may be silent while something is expected of it.
    pub(in crate::backend) timeout: Duration,
    /// How long the head of an answer may take, with all the waiting for a place, once the request is sent.
    pub(in crate::backend) head_timeout: Option<Duration>,
    /// How long a connection is kept without a request.
    pub(in crate::backend) idle_timeout: Duration,
    /// How many connections are kept without a request, on each core.
    pub(in crate::backend) idle_connections: usize,
    /// The largest head of an answer.
    pub(in crate::backend) header_bytes: usize,
    /// Whether the application is asked only when the whole body of the request is here: no slow client holds a connection.
    pub(in crate::backend) is_body_first: bool,
    /// Whether the application asks for the body of a request with `Expect: 100-continue`, once it begins to read: until
    /// then, the client is not told to send it.
    pub(in crate::backend) asks_for_body: bool,
}

/// An application, and the kept connections to it.
pub(in crate::backend) struct Client {
    name: Arc<str>,
    address: Address,
    limits: Limits,
    pool: Arc<Pool>,
}

impl Client {
    pub(in crate::backend) fn new(name: &str, address: Address, limits: Limits, cores: usize) -> Self {
        let pool = Arc::new(Pool::new(cores, limits.idle_connections, limits.idle_timeout));
        Self { name: name.into(), address, limits, pool }
    }

    /// The name of the application, in the log.
    pub(in crate::backend) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Sends a request and waits for the head of its answer. `variables` passes those that the application gets.
    pub(in crate::backend) async fn send(
        &self,
        request: &mut Request,
        variables: impl FnOnce(&View<'_>, &mut dyn FnMut(&[u8], &[u8])),
    ) -> Result<Reply, Failure> {
        let body = std::mem::take(request.body_mut());
        let is_held_back = self.limits.asks_for_body && is_to_be_asked_for(request, &body);
        let (body, length) = match body {
            body if body.is_end_stream() => (body, 0),
            // Boxed, so that requests without a body do not carry the room for spooling one.
            body if self.limits.is_body_first && !is_held_back => Box::pin(spool::whole(body)).await?,
            body => Box::pin(spool::with_length(body)).await?,
        };
        if length > 0 {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let view = View::of(request);
        let mut head = BytesMut::with_capacity(2 << 10);
        let keep = if self.limits.idle_connections > 0 { KeepConnection::Yes } else { KeepConnection::No };
        request::put_head(&mut head, keep, |add| variables(&view, add));
        let mut upload = Upload::new(head, body, length);
        if is_held_back {
            upload.hold_back();
        }
        let is_idempotent = request.method().is_idempotent();
        let complaints = || Complaints::new(&self.name, &view.environ().request_id);
        loop {
            let (connection, is_kept) = self.connection(upload.is_whole() && is_idempotent).await?;
            let mut exchange = Exchange::new(connection, upload, complaints());
            match self.head(&mut exchange, is_kept).await {
                Ok((Head::Answer { status, reason, headers }, first)) => {
                    let head = (status, reason, headers);
                    let answer = kept::reply(head, first, exchange, request.method(), &self.pool).await?;
                    return Ok(Reply::Answer(answer));
                }
                Ok((Head::Local(target), _)) => {
                    kept::discard(exchange, &self.pool).await?;
                    return Ok(Reply::Local(target));
                }
                Err(failure) => {
                    // It may have ended just when it was taken, which says nothing about the application.
                    let again = is_kept && failure.is_end_of_connection();
                    upload = exchange
                        .into_unsent(is_idempotent)
                        .filter(|_| again)
                        .ok_or_else(|| failure.at(&self.address))?;
                }
            }
        }
    }

    /// Waits for the head of an answer; on a new connection, that of a process which others may hold without need.
    async fn head(&self, exchange: &mut Exchange, is_kept: bool) -> Result<(Head, Bytes), Failure> {
        let mut head = pin!(answer::head(exchange, self.limits.header_bytes));
        if !is_kept {
            if let Ok(head) = time::timeout(PATIENCE, head.as_mut()).await {
                return head;
            }
            self.pool.give_up();
        }
        match self.limits.head_timeout {
            Some(most) => time::timeout(most, head).await.unwrap_or(Err(Failure::Late(most))),
            None => head.await,
        }
    }

    /// A kept connection, or else a new one.
    async fn connection(&self, is_repeatable: bool) -> Result<(Box<Connection>, bool), Failure> {
        if let Some(connection) = self.pool.take(is_repeatable) {
            return Ok((connection, true));
        }
        // Boxed, so that requests that need no new connection do not carry the room for opening one.
        let Limits { connect_timeout, timeout, .. } = self.limits;
        let opening = Some(self.pool.opening());
        let opened = Box::pin(Connection::open(&self.address, connect_timeout, timeout, opening)).await?;
        Ok((Box::new(opened), false))
    }
}

/// Whether a client waits to be told to send the body. One of unknown length must be here before the application is asked.
fn is_to_be_asked_for(request: &Request, body: &Body) -> bool {
    let expected = request.headers().get(EXPECT);
    expected.is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
        && body.size_hint().exact().is_some_and(|length| length > 0)
}
