//! What the file says about servers and the choice among them.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode};
use http_environ::Template;
use vestibule_config::{Reader, Spanned};

use super::Method;
use super::health::Health;
use super::sticky::Sticky;
use crate::backend::upstream::wait;

/// The choice among servers.
pub(in crate::backend::http) struct Settings {
    /// The name server that is asked for hosts, `ADDRESS` or `ADDRESS:PORT`; by default those of the system. /etc/hosts
    /// comes first in any case.
    pub(super) resolver: Option<SocketAddr>,
    /// `round_robin` (the default), `least_requests`, `p2c` (the better of two at random), `{ hash: "{VARIABLE}" }` (what has
    /// the same key goes to the same server) or `{ sticky: { cookie: NAME } }`.
    pub(super) method: Method,
    /// How many requests a server may have at once, for each worker; when all have as many, the answer is 503. No limit by
    /// default.
    pub(super) max_in_flight: Option<usize>,
    /// How long the share of a server that is new, or back, takes to grow to the whole; none by default.
    pub(super) slow_start: Duration,
    pub(super) eject: Eject,
    pub(in crate::backend::http) retry: Retry,
    /// Checks whether servers are up; none by default.
    pub(super) health: Option<Health>,
}

/// When a server is passed over.
#[derive(Clone, Debug)]
pub(super) struct Eject {
    /// After how many requests in a row without an answer; 3 by default. Where no connection can be opened, one is enough.
    pub(super) failures: u32,
    /// For how long; 10s by default.
    pub(super) time: Duration,
    /// Statuses that count as no answer, `503` or `500-599`; none by default. The client gets the answer all the same.
    pub(super) status: Vec<Statuses>,
}

/// When a request is tried at another server.
#[derive(Clone, Debug)]
pub(in crate::backend::http) struct Retry {
    /// How many servers a request is tried at; 3 by default.
    pub(super) attempts: usize,
    /// How many requests of a hundred may be tried again, beside ten a second; 20 by default.
    pub(super) budget: u32,
    /// Whether a request that was sent is tried again where the connection ends before the answer begins: one without a body,
    /// by a method that may be repeated (RFC 9110 section 9.2.2); `false` by default.
    pub(in crate::backend::http) sent: bool,
}

/// A status, or those from one to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statuses(RangeInclusive<u16>);

impl Settings {
    /// Reads them, for servers that speak HTTP/2 or not.
    pub(in crate::backend::http) fn read(reader: &mut Reader<'_>, http2: bool) -> Self {
        Self {
            resolver: reader.parsed::<NameServer>("resolver").map(|server| server.0),
            method: method(reader),
            max_in_flight: reader
                .optional("max_in_flight")
                .map(|given| positive(reader, "max_in_flight", &given)),
            slow_start: reader.or("slow_start", Duration::ZERO),
            eject: reader.section("eject", Eject::read).unwrap_or_default(),
            retry: reader.section("retry", Retry::read).unwrap_or_default(),
            health: reader.section("health", |reader| health(reader, http2)),
        }
    }

    /// Whether the choice asks how many requests servers have.
    pub(super) fn counts(&self) -> bool {
        self.max_in_flight.is_some() || matches!(self.method, Method::LeastRequests | Method::TwoChoices)
    }
}

fn method(reader: &mut Reader<'_>) -> Method {
    let read = |reader: &mut Reader<'_>| if reader.is_mapping() { bound(reader) } else { unbound(reader) };
    reader.section("balance", read).unwrap_or_default()
}

/// The methods that are a word.
fn unbound(reader: &mut Reader<'_>) -> Method {
    let word = reader.whole::<Spanned<String>>();
    match word.as_str() {
        "round_robin" => Method::RoundRobin,
        "least_requests" => Method::LeastRequests,
        "p2c" => Method::TwoChoices,
        _ => {
            // Of what is no word, the reader has told.
            if !word.place.is_unknown() {
                no_method(reader, &word);
            }
            Method::default()
        }
    }
}

/// Tells what stands in place of a method: also the mere name of one that has settings.
fn no_method(reader: &mut Reader<'_>, word: &Spanned<String>) {
    let (message, example) = match word.as_str() {
        "hash" => ("`hash` needs what requests are told apart by", "{ hash: \"{REMOTE_ADDR}\" }"),
        "sticky" => ("`sticky` needs the name of its cookie", "{ sticky: { cookie: route } }"),
        other => {
            reader
                .mistake(&word.place, format!("`balance` cannot be `{other}`"))
                .allowed(other, ["round_robin", "least_requests", "p2c", "hash", "sticky"]);
            return;
        }
    };
    reader.mistake(&word.place, message).help(format!("for instance `balance: {example}`"));
}

/// The methods that have settings.
fn bound(reader: &mut Reader<'_>) -> Method {
    let hash = reader.optional::<Spanned<String>>("hash");
    let sticky = reader.section("sticky", |reader| Sticky { cookie: cookie(reader) });
    match (hash, sticky) {
        (Some(key), None) => template(reader, &key).map_or(Method::RoundRobin, Method::Hash),
        (None, Some(sticky)) => Method::Sticky(sticky),
        (None, None) | (Some(_), Some(_)) => {
            let place = reader.place();
            reader.mistake(&place, "one of `hash` and `sticky` is needed here");
            Method::RoundRobin
        }
    }
}

fn template(reader: &mut Reader<'_>, key: &Spanned<String>) -> Option<Template> {
    let template: Template = reader.parse(key)?;
    if template.as_text().is_some() {
        reader
            .mistake(&key.place, "every request has the same key: one server would get them all")
            .help("for instance \"{REMOTE_ADDR}\"");
    }
    for name in template.variables() {
        reader.reads(Spanned::new(name.to_owned(), key.place.clone()));
    }
    Some(template)
}

/// The name of a cookie (RFC 6265 section 4.1.1).
fn cookie(reader: &mut Reader<'_>) -> String {
    let name = reader.required::<Spanned<String>>("cookie");
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.place.is_unknown() && (name.is_empty() || !name.bytes().all(is_token)) {
        reader.mistake(&name.place, format!("`{}` cannot be the name of a cookie", name.value));
    }
    name.value
}

fn health(reader: &mut Reader<'_>, http2: bool) -> Health {
    let text = reader.required::<Spanned<String>>("path");
    let path = text.parse().ok().filter(|_| text.starts_with('/'));
    if !text.place.is_unknown() && path.is_none() {
        reader.mistake(
            &text.place,
            format!("`{}` is no path: it begins with `/`, and has no spaces", text.value),
        );
    }
    let statuses = statuses(reader);
    Health {
        http2,
        path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
        host: reader.parsed::<HeaderValue>("host"),
        interval: wait(reader, "interval", Duration::from_secs(5)),
        timeout: wait(reader, "timeout", Duration::from_secs(2)),
        healthy: reader.optional("healthy").map_or(2, |given| positive(reader, "healthy", &given)),
        unhealthy: reader.optional("unhealthy").map_or(3, |given| positive(reader, "unhealthy", &given)),
        statuses: if statuses.is_empty() { vec![Statuses(200..=399)] } else { statuses },
    }
}

fn statuses(reader: &mut Reader<'_>) -> Vec<Statuses> {
    let given = reader.or::<Vec<Spanned<String>>>("status", Vec::new());
    given.iter().filter_map(|text| reader.parse(text)).collect()
}

/// A number that is not 0.
fn positive<T: Copy + PartialEq + Display + From<u8>>(
    reader: &mut Reader<'_>,
    key: &'static str,
    given: &Spanned<T>,
) -> T {
    if given.value == T::from(0) {
        reader.mistake(&given.place, format!("`{key}` must be at least 1"));
        return T::from(1);
    }
    given.value
}

impl Eject {
    fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        Self {
            failures: reader
                .optional("failures")
                .map_or(default.failures, |given| positive(reader, "failures", &given)),
            time: wait(reader, "time", default.time),
            status: statuses(reader),
        }
    }
}

impl Default for Eject {
    fn default() -> Self {
        Self { failures: 3, time: Duration::from_secs(10), status: Vec::new() }
    }
}

impl Retry {
    fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        let budget = reader.optional::<Spanned<u32>>("budget");
        let budget = budget.map_or(default.budget, |given| {
            if given.value > 100 {
                reader.mistake(&given.place, "`budget` is a percentage of the requests: at most 100");
            }
            given.value
        });
        Self {
            attempts: reader
                .optional("attempts")
                .map_or(default.attempts, |given| positive(reader, "attempts", &given)),
            budget,
            sent: reader.or("sent", default.sent),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, budget: 20, sent: false }
    }
}

impl Statuses {
    pub(super) fn contains(&self, status: u16) -> bool {
        self.0.contains(&status)
    }
}

impl FromStr for Statuses {
    type Err = StatusesError;

    fn from_str(text: &str) -> Result<Self, StatusesError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| text.trim().parse::<StatusCode>().map_err(|_| StatusesError);
        let range = status(first)?.as_u16()..=status(last)?.as_u16();
        if range.is_empty() { Err(StatusesError) } else { Ok(Self(range)) }
    }
}

/// A text that is no [`Statuses`].
#[derive(Debug, thiserror::Error)]
#[error("a status such as 204, or a range such as 200-399, is expected")]
pub(super) struct StatusesError;

/// A name server; its port is 53 where none is given.
struct NameServer(SocketAddr);

#[derive(Debug, thiserror::Error)]
#[error("the address of a name server is expected, such as 10.0.0.2 or [::1]:5353")]
struct NameServerError;

impl FromStr for NameServer {
    type Err = NameServerError;

    fn from_str(text: &str) -> Result<Self, NameServerError> {
        let bare = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
        bare.or_else(|_| text.parse()).map(Self).map_err(|_| NameServerError)
    }
}
