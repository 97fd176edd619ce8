//! The checked configuration: what the file means, with every default applied.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::diagnostic::Diagnostics;
use crate::kind::{Kind, Protocol, Settings};
use crate::network::Network;
use crate::place::{Place, Spanned};
use crate::source::Source;

/// Everything that one file says.
#[derive(Clone, Debug)]
pub struct Config {
    /// The texts that it was read from.
    pub source: Source,
    /// Where connections are accepted.
    pub listen: Vec<Listen>,
    /// Whose word about the client is believed.
    pub trust: Trust,
    /// Variables that join every request's environ.
    pub env: Vec<(String, String)>,
    /// The file whose variables join the process environment in `${…}`.
    pub env_file: Option<PathBuf>,
    /// The virtualenv or interpreter of the applications that name no other.
    pub python: Option<Spanned<PathBuf>>,
    /// The number of worker processes.
    pub workers: usize,
    /// How long connections may take to end before a worker leaves.
    pub drain: Duration,
    /// What a connection may use up.
    pub limits: Limits,
    /// The backends that have a name.
    pub apps: Vec<App>,
    /// The layers around everything, outermost first.
    pub layers: Vec<Component>,
    /// The routes, in the order they are tried.
    pub routes: Vec<Route>,
    /// What is doubtful though it can be used.
    pub warnings: Diagnostics,
}

/// A socket to accept connections on.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Its address.
    pub address: Address,
    /// The permissions of a unix socket's file.
    pub mode: Option<u32>,
    /// The owner of a unix socket's file: `user`, `user:group` or `:group`.
    pub owner: Option<Spanned<String>>,
    /// What is spoken there.
    pub protocol: &'static Protocol,
    /// Whether each connection begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Where it is written.
    pub place: Place,
}

/// The address of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP; port 0 takes any free one.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
    /// A socket that systemd has bound and passes by this name or number.
    Passed(String),
}

/// Who may say who the client is, and what is believed.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The peers that are believed.
    pub peers: Vec<Peer>,
    /// What is believed of them.
    pub headers: Vec<TrustedHeader>,
    /// Whether they may say who has logged in.
    pub user: bool,
}

/// A peer of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Whoever may connect to a unix socket.
    Unix,
    /// Whoever connects from this network.
    Net(Network),
}

/// A header by which a front server tells about the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedHeader {
    /// `X-Forwarded-For`
    For,
    /// `X-Forwarded-Proto`
    Proto,
    /// `X-Forwarded-Host`
    Host,
    /// `X-Forwarded-Port`
    Port,
    /// `X-Forwarded-Prefix`
    Prefix,
    /// `Forwarded`, RFC 7239
    Forwarded,
}

/// What connections may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of a request's head in bytes.
    pub header_bytes: usize,
    /// The number of a request's headers.
    pub header_count: usize,
    /// How long the head of a request may take.
    pub header_time: Duration,
    /// How long a connection may stay open between two requests.
    pub keep_alive: Duration,
    /// The size of a request's body in bytes.
    pub body_bytes: u64,
    /// How long may pass without any more of a body.
    pub body_time: Duration,
    /// How many bytes of a body must come each second, on the whole, beyond `body_time`; 0 for no such limit.
    pub body_rate: u64,
    /// How long a client may take no more of its answer.
    pub send_time: Duration,
    /// How many connections a worker holds at once.
    pub connections: usize,
}

/// A backend with a name.
#[derive(Clone, Debug)]
pub struct App {
    /// Its name.
    pub name: Spanned<String>,
    /// What it is.
    pub backend: Component,
}

/// One use of a kind.
#[derive(Clone, Debug)]
pub struct Component {
    /// The kind.
    pub kind: &'static Kind,
    /// The settings that the kind has read.
    pub settings: Settings,
    /// The environ variables that it asks for, as the kind has declared with [`Reader::reads`](crate::Reader::reads).
    pub reads: Vec<Spanned<String>>,
    /// Where it is used.
    pub place: Place,
}

/// A node of the tree of routes.
#[derive(Clone, Debug)]
pub struct Route {
    /// Where it is written.
    pub place: Place,
    /// A prefix that moves from PATH_INFO to SCRIPT_NAME: `/shop`, or `/` for the root.
    pub mount: Option<Spanned<String>>,
    /// A pattern for PATH_INFO, in matchit's syntax.
    pub path: Option<Spanned<String>>,
    /// Conditions, all of which must hold.
    pub conditions: Vec<Condition>,
    /// The layers around the target, outermost first.
    pub layers: Vec<Component>,
    /// What answers.
    pub target: Target,
}

/// A condition of a route.
#[derive(Clone, Debug)]
pub enum Condition {
    /// The predicate holds.
    Is(Component),
    /// Not all of these hold.
    Not(Vec<Condition>),
    /// Of one of these lists, all hold.
    Any(Vec<Vec<Condition>>),
}

/// What answers the requests of a route.
#[derive(Clone, Debug)]
pub enum Target {
    /// One of the [`Config::apps`], by its index.
    App(usize),
    /// The first of these routes that matches.
    Routes(Vec<Route>),
    /// A backend in place.
    Backend(Component),
}
