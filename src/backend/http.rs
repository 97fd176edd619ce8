//! Forwards requests to HTTP/1.1 servers over connections that are kept, or by [`http2`].
//!
//! ```yaml
//! apps:
//!   search: { http: { servers: ["10.0.0.5:8080", "10.0.0.6:8080"], timeout: 30s } }
//!   node:   { http: { servers: [unix:/run/node.sock] } }
//! ```
//!
//! Under a mount the upstream gets PATH_INFO as it was sent, and the mount in `X-Forwarded-Prefix`. Bodies stream both
//! ways, as fast as the slower side takes them. A request is sent once more only while nothing of it was sent, or where a kept
//! connection (with `retry: { sent: true }` any) ends without an answer and the request is idempotent and has no body (RFC
//! 9110 section 9.2.2); what an upstream does wrong before its answer begins is 502 or 504, later the answer is aborted.
//!
//! The way of a request: [`balance`] finds a server, [`pool`] a kept connection to it, or [`server`] opens one;
//! [`request_head`] writes what the server is told, and [`forwarded`] who asks; an [`Exchange`] sends it and reads what comes,
//! both at once; [`answer_head`] reads the head of the answer, and [`body`] what follows it, by its length or its
//! [`chunks`]. All of it runs in the task of the request: no hand-off, and nothing is held back but by the slower side.

mod answer;
mod answer_head;
mod balance;
mod body;
mod failure;
mod forwarded;
mod hop;
mod http2;
mod in_flight;
mod outside;
mod pool;
mod request_head;
mod server;
#[cfg(test)]
mod tests;
mod way_back;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use http_environ::View;
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Spanned, sets_nothing};
use vestibule_layers::rescue::chain;
use vestibule_layers::{BoxService, Request, Response, rescue};

use self::balance::endpoint::Failed;
use self::balance::entry::Entry;
use self::balance::{Balancer, Place, Refused};
use self::failure::Failure;
pub(super) use self::outside::outside;
use self::pool::Pool;
use self::request_head::{Host, Manner};
use self::way_back::WayBack;
use super::command::{Command, Takes};
use super::upstream::connection::Connection;
use super::upstream::deadline::Limits;
use super::upstream::exchange::Exchange;
use super::upstream::upload::{Framing, Upload};
use super::upstream::{header_bytes, wait};
use super::{BackendKind, Context};

pub(super) static KIND: BackendKind = BackendKind {
    kind: Kind {
        name: "http",
        summary: "forwards requests to HTTP servers",
        example: "http: { servers: [\"127.0.0.1:8080\", \"unix:/run/app.sock\"], timeout: 30s }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings, context| build(settings.get(), context),
    processes: Some(|settings| Some(settings.get::<Settings>().command.as_ref()?.wanted())),
};

struct Settings {
    /// The servers: `HOST:PORT`, `unix:PATH`, or a mapping. Every address of a host is used; names are looked up again when
    /// their time to live is over.
    servers: Vec<Entry>,
    /// How the supervisor starts them, in place of `servers`.
    command: Option<Command>,
    /// Which of them gets a request.
    balance: balance::settings::Settings,
    /// How long a connection may take to open; 5s by default.
    connect_timeout: Duration,
    /// How long to wait for the answer, and then for each next piece of it; 60s by default.
    timeout: Duration,
    /// How long a server may take nothing of a request, and say nothing; as long as `timeout` by default.
    write_timeout: Duration,
    /// How long a connection is kept for another request. The default of 4s ends before most servers (5s) end it from
    /// their side, perhaps just when a request is under way.
    idle_timeout: Duration,
    /// How many unused connections to each server a core keeps; 512 by default.
    idle_connections: usize,
    /// The largest head of an answer; 64KiB by default.
    header_bytes: usize,
    /// What is changed on the way.
    manner: Manner,
    /// How long both sides may be silent after a switch to another protocol; 1h by default.
    tunnel_timeout: Duration,
    /// Whether the servers speak HTTP/2 with prior knowledge, without TLS: for gRPC. All requests of a core then share one
    /// connection to each; false by default.
    http2: bool,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let command = Command::read(reader, Takes::Path);
        let servers = servers(reader);
        let http2 = http2(reader);
        let balance = balance::settings::Settings::read(reader, http2);
        let connect_timeout = wait(reader, "connect_timeout", Duration::from_secs(5));
        let timeout = wait(reader, "timeout", Duration::from_secs(60));
        Self {
            servers,
            command,
            balance,
            connect_timeout,
            timeout,
            write_timeout: wait(reader, "write_timeout", timeout),
            idle_timeout: wait(reader, "idle_timeout", Duration::from_secs(4)),
            idle_connections: reader.or("idle_connections", 512),
            header_bytes: header_bytes(reader),
            manner: manner(reader),
            tunnel_timeout: wait(reader, "tunnel_timeout", Duration::from_secs(3600)),
            http2,
        }
    }

    fn limits(&self) -> Limits {
        Limits { read: self.timeout, write: self.write_timeout }
    }
}

fn servers(reader: &mut Reader<'_>) -> Vec<Entry> {
    if reader.has("command") {
        if let Some(given) = reader.optional::<Spanned<Vec<Entry>>>("servers") {
            let message = "there are `servers` and a `command`: programs that are started here get their sockets from here";
            reader.mistake(&given.place, message);
        }
        return Vec::new();
    }
    let given = reader.required::<Spanned<Vec<Entry>>>("servers");
    if given.is_empty() && !given.place.is_unknown() {
        reader.mistake(&given.place, "at least one server is needed").help("HOST:PORT or unix:PATH");
    }
    given.value
}

fn manner(reader: &mut Reader<'_>) -> Manner {
    Manner {
        host: host(reader),
        upgrade: reader.or("upgrade", vec!["websocket".into()]),
        writes_forwarded: reader.or("forwarded", false),
        rewrites_answers: reader.or("rewrite_answers", true),
    }
}

fn host(reader: &mut Reader<'_>) -> Host {
    let Some(given) = reader.optional::<Spanned<String>>("host") else { return Host::Preserve };
    match given.as_str() {
        "preserve" => Host::Preserve,
        "upstream" => Host::Upstream,
        _ => reader.parse::<HeaderValue>(&given).map_or(Host::Preserve, Host::Fixed),
    }
}

/// Whether it is HTTP/2, with which some settings have no meaning.
fn http2(reader: &mut Reader<'_>) -> bool {
    let is_http2 = reader.or("http2", false);
    if is_http2 {
        for (key, why) in [
            ("idle_connections", "a core has one connection to each server"),
            ("upgrade", "a connection never becomes a tunnel"),
            ("tunnel_timeout", "a connection never becomes a tunnel"),
        ] {
            if let Some(place) = reader.place_of(key) {
                reader.mistake(&place, format!("`{key}` does not go with `http2`: {why}"));
            }
        }
    }
    is_http2
}

fn build(settings: &Settings, context: &Context<'_>) -> Result<BoxService, Diagnostic> {
    let servers = match &settings.command {
        None => settings.servers.clone(),
        Some(command) => command.addresses(context)?.into_iter().map(Entry::of_ours).collect(),
    };
    let Settings { connect_timeout, idle_connections, idle_timeout, header_bytes, .. } = *settings;
    if settings.http2 {
        let terms = http2::Terms { connect_timeout, idle_timeout, header_bytes };
        let balancer = balancer(settings, servers, context, move || Arc::new(http2::Shared::new(terms)));
        let upstream = Arc::new(http2::Upstream::new(balancer, settings, context.name));
        return Ok(BoxService::from_fn(move |request| Arc::clone(&upstream).answer(request)));
    }
    let keep = move || Arc::new(Pool::new(idle_connections, idle_timeout));
    let balancer = balancer(settings, servers, context, keep);
    let upstream = Arc::new(Upstream {
        application: context.name.into(),
        balancer,
        retries_sent: settings.balance.retry.sent,
        connect_timeout,
        limits: settings.limits(),
        header_bytes,
        tunnel_timeout: settings.tunnel_timeout,
        manner: settings.manner.clone(),
    });
    Ok(BoxService::from_fn(move |request| Arc::clone(&upstream).answer(request)))
}

/// What chooses among the servers. `keep` makes what each core keeps for one of them.
fn balancer<T: Send + Sync + 'static>(
    settings: &Settings,
    servers: Vec<Entry>,
    context: &Context<'_>,
    keep: impl Fn() -> T + Send + Sync + 'static,
) -> Balancer<T> {
    let balancer = Balancer::new(&settings.balance, &servers, context.cores, keep);
    if let Some(work) = balancer.background(&settings.balance, servers, context.name) {
        context.background.add(work);
    }
    balancer
}

/// The servers and what leads to them.
struct Upstream {
    /// Its name, for the log.
    application: Arc<str>,
    balancer: Balancer<Arc<Pool>>,
    /// Whether a request that was sent may be sent to another server.
    retries_sent: bool,
    connect_timeout: Duration,
    limits: Limits,
    header_bytes: usize,
    tunnel_timeout: Duration,
    manner: Manner,
}

impl Upstream {
    /// No `async fn`: its future would have room for the arguments twice, and be beyond what is allocated fast.
    fn answer(self: Arc<Self>, mut request: Request) -> impl Future<Output = Response> {
        let id = View::of(&request).environ().request_id.clone();
        async move {
            let answer = self.forward(&mut request).await;
            answer.unwrap_or_else(|failure| rescue(&id, failure.cause(), &failure.of(&self.application)))
        }
    }

    /// Sends a request to the first server that takes it.
    async fn forward(&self, request: &mut Request) -> Result<Response, Failure> {
        let wish = self.balancer.wish(request);
        let mut body = std::mem::take(request.body_mut());
        let framing = request_head::framing(request.headers(), &body);
        let is_repeatable = framing == Framing::Length(0) && request.method().is_idempotent();
        let mut tried = Vec::new();
        let mut failure = None;
        loop {
            let chosen = match self.balancer.choose(&wish, &tried) {
                Ok(chosen) => chosen,
                Err(Refused::Unknown) => {
                    self.known().await?;
                    continue;
                }
                Err(refused) => return Err(failure.unwrap_or(refused.into())),
            };
            let endpoint = &chosen.place.endpoint;
            let (connection, is_kept) = match self.connection(&chosen.place).await {
                Ok(connection) => connection,
                Err(error) => {
                    endpoint.failed(Failed::Unreachable, &chain(&error));
                    tried.push(chosen.place);
                    failure = Some(error);
                    continue;
                }
            };
            let head = request_head::forward(request, framing, &self.manner, endpoint.server());
            let (head, asked) = head.map_err(Failure::Target)?;
            let way_back = WayBack::of(&View::of(request), &self.manner, endpoint.server());
            let mut upload = Upload::new(head, body, framing);
            if asked.expects {
                upload.hold();
            }
            let mut exchange = Exchange::new(connection, upload);
            match answer::head(&mut exchange, request, asked, self.header_bytes).await {
                Ok((mut head, received)) => {
                    self.balancer.answered(endpoint, head.status);
                    if let Some(way_back) = way_back {
                        way_back.lead(&mut head.headers);
                    }
                    let (in_flight, cookie) = (chosen.in_flight, wish.cookie(endpoint));
                    if head.status == StatusCode::SWITCHING_PROTOCOLS {
                        let (timeout, switched) = (self.tunnel_timeout, (head, received));
                        let answer = answer::switch(exchange, switched, timeout, in_flight);
                        return Ok(in_flight::until_the_end(answer, None, cookie));
                    }
                    let home = Some(&chosen.place.kept);
                    let answer = answer::answer(exchange, head, received, self.header_bytes, home);
                    return Ok(in_flight::until_the_end(answer, in_flight, cookie));
                }
                Err(error) => {
                    let has_ended = error.is_end_of_connection();
                    let unsent = exchange.into_unsent((is_kept || self.retries_sent) && is_repeatable);
                    let error = error.at(endpoint.server());
                    // That a kept connection has ended meanwhile says nothing about its server.
                    if error.is_servers() && !(is_kept && has_ended) {
                        endpoint.failed(Failed::Unanswered, &chain(&error));
                    }
                    let Some(unsent) = unsent.filter(|_| has_ended) else { return Err(error) };
                    body = unsent;
                    failure = Some(error);
                    if !is_kept {
                        tried.push(chosen.place);
                    }
                }
            }
        }
    }

    /// Waits until a name was looked up.
    async fn known(&self) -> Result<(), Failure> {
        let known = tokio::time::timeout(self.connect_timeout, self.balancer.known()).await;
        known.map_err(|_| Refused::Unknown.into())
    }

    /// A connection to a server, and whether it is a kept one.
    async fn connection(&self, place: &Place<Arc<Pool>>) -> Result<(Box<Connection>, bool), Failure> {
        if let Some(connection) = place.kept.take() {
            return Ok((connection, true));
        }
        let server = place.endpoint.server();
        // Boxed, so that requests that need no new connection do not carry the room for opening one.
        let opened = Box::pin(server.connect(self.connect_timeout, self.limits)).await?;
        Ok((opened, false))
    }
}
