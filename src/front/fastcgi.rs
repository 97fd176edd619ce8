//! FastCGI, as nginx's `fastcgi_pass` speaks it.
//!
//! ```yaml
//! listen: { address: "unix:/run/vestibule/fastcgi.sock", protocol: fastcgi }
//! ```
//!
//! The crate `fastcgi` does the work: one request at a time, on connections that are kept if the front server asks for it
//! (`fastcgi_keep_conn on`). An answer that breaks off has no `END_REQUEST`; nginx takes the end of the connection for the end of
//! the answer all the same, so before it comes what is no record.

use std::pin::{Pin, pin};

use bytes::Bytes;
use fastcgi::record::HEAD;
use fastcgi::responder::{self, Application, Body, BoxError, Refused, ServeError};
use http::request::Parts;
use http::{Request, Response};
use tokio::io::AsyncWriteExt as _;
use vestibule_config::Protocol;
use vestibule_layers::{Cause, rescue};

use super::patience::HeadWait;
use super::under_way::Sending;
use super::variables::{self, Asked, Pair};
use super::visit::Visit;
use crate::identity::Connection;
use crate::runtime::socket::Socket;

pub(super) static PROTOCOL: Protocol = Protocol { name: "fastcgi", speaks_for_clients: true };

/// Eight bytes of version 0: every record is of version 1.
const NO_RECORD: [u8; HEAD] = [0; HEAD];

/// Serves a connection.
pub(super) async fn serve(io: impl Socket, visit: Visit) {
    let peer = visit.peer;
    let limits = responder::Limits { variables: visit.limits().header_bytes, ..responder::Limits::default() };
    let mut gate = Gate { visit: &visit, waiting: Some(visit.patience.wait()) };
    let (reader, mut writer) = tokio::io::split(visit.patience.watch(io));
    let serving = responder::serve_application(reader, &mut writer, limits, &mut gate);
    let attended = visit.attend(pin!(serving)).await;
    match attended {
        Err(_) | Ok(Ok(())) => {}
        Ok(Err(ServeError::Answer(_))) => {
            // Where there is no room for it, the front server does not listen, and is given up.
            drop(visit.attend(pin!(writer.write_all(&NO_RECORD))).await);
        }
        Ok(Err(error @ (ServeError::Io(_) | ServeError::Aborted))) => {
            tracing::debug!(%peer, "connection ended: {}", rescue::chain(&error));
        }
        Ok(Err(error)) => {
            tracing::warn!(%peer, "closed: what came is no FastCGI request: {}", rescue::chain(&error));
        }
    }
}

/// The gateway, as the application of a connection.
struct Gate<'a> {
    visit: &'a Visit,
    /// There between two requests.
    waiting: Option<HeadWait<'a>>,
}

impl Application for Gate<'_> {
    type Body = Sending;
    type Answering = Pin<Box<dyn Future<Output = Result<Response<Sending>, Refused>> + Send>>;

    fn request(&mut self, variables: &[(Bytes, Bytes)]) -> Result<Parts, BoxError> {
        self.waiting = None;
        let variables: Vec<Pair<'_>> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        let asked = variables::read(&variables, &self.visit.server, self.visit.limits())?;
        let mut parts = asked.parts;
        parts.extensions.insert(asked.connection);
        Ok(parts)
    }

    fn answer(&mut self, request: Request<Body>) -> Self::Answering {
        let (mut parts, body) = request.into_parts();
        let known = parts.extensions.remove::<Connection>();
        let connection = known.unwrap_or_else(|| Connection::new(self.visit.server.clone(), self.visit.peer));
        let answer = self.visit.answer(Asked { parts, connection, length: 0 }, body);
        Box::pin(async { Ok(answer.await) })
    }

    fn given_up(&mut self, why: &ServeError) {
        self.visit.talk.end(Cause::ClientGone, || rescue::chain(why));
    }

    fn may_follow(&mut self) -> bool {
        self.waiting = Some(self.visit.patience.wait());
        self.visit.is_serving()
    }
}
