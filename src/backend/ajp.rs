//! Forwards requests to a servlet container that speaks AJP/1.3: Tomcat's AJP connector.
//!
//! ```yaml
//! apps:
//!   orders: { ajp: { address: "127.0.0.1:8009", secret: "${AJP_SECRET}" } }
//! ```
//!
//! The container is told the path as the gateway was asked for it, mounts included: a route `mount: /orders` leads to the context
//! `/orders`. It learns the client's address, whether it speaks HTTPS, the user that a layer has found, and of other variables
//! those that `attributes` lists, which Tomcat takes only where its `allowedRequestAttributesPattern` permits them.
//!
//! Connections are kept for each core. Bodies stream both ways, also those of unknown length, as the container asks for them. What
//! it does wrong before its answer begins is 502 or 504; an answer that breaks off later, or whose end never comes, is aborted. A
//! request whose head does not fit into a packet is refused: 431.
//!
//! To a container, `/admin;x` is the same path as `/admin`; to a route it is not. So parameters of segments are refused (400), but
//! for `;jsessionid=…` behind the last one, which routes do not see ([`path`]). `path_parameters: all` permits them, and whoever
//! guards paths of the container then guards them there; never a segment that becomes `.` or `..` without its parameters.

mod exchange;
mod head;
mod path;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use ajp::{answer, packet};
use bytes::Bytes;
use http_body::Body as _;
use http_environ::View;
use tokio::time;
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Size, Spanned, sets_nothing};
use vestibule_layers::{BoxService, Request, Response};

use self::exchange::{Exchange, Upload};
use self::head::Told;
use self::path::Parameters;
use super::command::Takes;
use super::upstream::address::Address;
use super::upstream::connection::Connection;
use super::upstream::deadline::Turn;
use super::upstream::failure::Failure;
use super::upstream::pool::Pool;
use super::upstream::target::Target;
use super::upstream::{kept, wait};
use super::{BackendKind, Context};

pub(super) static KIND: BackendKind = BackendKind {
    kind: Kind {
        name: "ajp",
        summary: "forwards requests to a servlet container by AJP, such as Tomcat",
        example: "ajp: { address: \"127.0.0.1:8009\", secret: shared }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings, context| build(settings.get(), context),
    processes: Some(|settings| settings.get::<Settings>().target.as_ref()?.wanted()),
};

struct Settings {
    /// Where the container listens: `HOST:PORT` or `unix:PATH`, or else a `command` that starts it.
    target: Option<Target>,
    /// The `secret` of Tomcat's connector, which refuses whoever does not know it.
    secret: Option<String>,
    /// Which variables of the request become attributes; none by default.
    attributes: Vec<Spanned<String>>,
    /// Which parameters a path may have: `session` (the default: `;jsessionid=…` at its end), `none` or `all`.
    path_parameters: Parameters,
    /// The size of packets, Tomcat's `packetSize`: from 8KiB, the default, to 64KiB.
    packet_bytes: usize,
    /// How long a connection may take to open; 5s by default.
    connect_timeout: Duration,
    /// How long to wait for the answer, and then for each next piece of it; 60s by default.
    timeout: Duration,
    /// How long a connection is kept for another request; 30s by default.
    idle_timeout: Duration,
    /// How many unused connections a core keeps; 64 by default.
    idle_connections: usize,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let settings = Self {
            target: Target::read(reader, Takes::Path),
            secret: reader.optional("secret"),
            attributes: reader.or("attributes", Vec::new()),
            path_parameters: reader.one_of("path_parameters", &path::CHOICES, Parameters::Session),
            packet_bytes: packet_bytes(reader),
            connect_timeout: wait(reader, "connect_timeout", Duration::from_secs(5)),
            timeout: wait(reader, "timeout", Duration::from_secs(60)),
            idle_timeout: wait(reader, "idle_timeout", Duration::from_secs(30)),
            idle_connections: reader.or("idle_connections", 64),
        };
        for name in &settings.attributes {
            // A layer may set it, or a predicate capture it.
            reader.reads(name.clone());
        }
        settings
    }
}

fn packet_bytes(reader: &mut Reader<'_>) -> usize {
    let Some(given) = reader.optional::<Spanned<Size>>("packet_bytes") else { return packet::LEAST };
    let size = usize::try_from(given.0).ok().filter(|size| (packet::LEAST..=packet::MOST).contains(size));
    size.unwrap_or_else(|| {
        reader.mistake(&given.place, "`packet_bytes` must be between 8KiB and 64KiB");
        packet::LEAST
    })
}

fn build(settings: &Settings, context: &Context<'_>) -> Result<BoxService, Diagnostic> {
    let target = settings.target.as_ref().ok_or_else(|| Diagnostic::error("no address was read"))?;
    let address = target.address(context)?;
    let told = Told::new(
        settings.secret.as_deref(),
        &settings.attributes,
        settings.path_parameters,
        settings.packet_bytes,
    )?;
    let container = Arc::new(Container {
        application: context.name.into(),
        address,
        told,
        connect_timeout: settings.connect_timeout,
        timeout: settings.timeout,
        pool: Arc::new(Pool::new(context.cores, settings.idle_connections, settings.idle_timeout)),
    });
    Ok(BoxService::from_fn(move |request| Arc::clone(&container).answer(request)))
}

/// A container, and the kept connections to it.
struct Container {
    /// Its name, for the log.
    application: Arc<str>,
    address: Address,
    told: Told,
    connect_timeout: Duration,
    timeout: Duration,
    pool: Arc<Pool>,
}

impl Container {
    async fn answer(self: Arc<Self>, mut request: Request) -> Response {
        let id = View::of(&request).environ().request_id.clone();
        match self.send(&mut request).await {
            Ok(answer) => answer,
            Err(failure) => failure.rescue(&id, &self.application),
        }
    }

    /// Sends a request and waits for the head of its answer.
    async fn send(&self, request: &mut Request) -> Result<Response, Failure> {
        let body = std::mem::take(request.body_mut());
        let length = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
        head::prepare(request.headers_mut(), length);
        let head = self.told.head(&View::of(request))?;
        let is_repeatable = request.method().is_idempotent();
        let mut upload = Upload::new(head, body, length, self.told.packet_bytes());
        loop {
            let (connection, is_kept) = self.connection(is_repeatable).await?;
            let mut exchange = Exchange::new(connection, upload, self.told.packet_bytes());
            match exchange.head().await {
                Ok((status, headers)) => {
                    let head = (status, None, headers);
                    return kept::reply(head, Bytes::new(), exchange, request.method(), &self.pool).await;
                }
                Err(failure) => {
                    // It may have ended just when it was taken, which says nothing about the container.
                    let again = is_kept && failure.is_end_of_connection();
                    upload = exchange
                        .into_unsent(is_repeatable)
                        .filter(|_| again)
                        .ok_or_else(|| failure.at(&self.address))?;
                }
            }
        }
    }

    /// A kept connection, or else a new one. What cannot be sent once more goes on a kept one only if that has just answered.
    async fn connection(&self, is_repeatable: bool) -> Result<(Box<Connection>, bool), Failure> {
        while let Some(mut connection) = self.pool.take(false) {
            let within = self.connect_timeout;
            if is_repeatable
                || time::timeout(within, ping(&mut connection)).await.is_ok_and(|pong| pong.is_ok())
            {
                return Ok((connection, true));
            }
        }
        let opened =
            Box::pin(Connection::open(&self.address, self.connect_timeout, self.timeout, None)).await?;
        Ok((Box::new(opened), false))
    }
}

/// Asks whether the container still listens.
async fn ping(connection: &mut Connection) -> Result<(), Failure> {
    connection.wait_for(Turn::Server);
    let mut ping = &ajp::request::PING[..];
    while !ping.is_empty() {
        let written = poll_fn(|cx| connection.poll_write(cx, [ping, &[], &[]])).await.map_err(Failure::Io)?;
        ping = &ping[written..];
    }
    while !answer::take_pong(&mut connection.received)? {
        poll_fn(|cx| connection.poll_read(cx)).await?;
    }
    Ok(())
}
