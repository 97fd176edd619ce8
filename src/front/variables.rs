//! From the variables that a front server sends to a request, as HTTP would have brought it.
//!
//! The target is that of `REQUEST_URI`, headers are `HTTP_*` and `CONTENT_*`; the client is at `REMOTE_ADDR`. What describes the
//! front server itself (`DOCUMENT_ROOT`, `SERVER_SOFTWARE`, …) is left out, as are the headers that concern its connection with the
//! client: the environ is the same as if the request had come by HTTP.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::{HeaderValue, Version};
use http_environ::{Environ, Server, from_variables};
use vestibule_config::Limits;

use crate::identity::told::Told;
use crate::identity::{Connection, Peer};

/// A name and a value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// A request before its body.
#[derive(Debug)]
pub struct Asked {
    /// The request itself
    pub parts: Parts,
    /// Who asks, as the front server says
    pub connection: Connection,
    /// The length of the body
    pub length: u64,
}

/// Variables that make no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariablesError {
    /// A variable is missing or wrong
    #[error(transparent)]
    Wrong(#[from] from_variables::VariablesError),
    /// Nobody knows where the body ends
    #[error("CONTENT_LENGTH is not one number")]
    Length,
    /// As many as that would not come by HTTP
    #[error("there are more than {0} headers (limits.header_count)")]
    TooMany(usize),
}

/// What makes the request, beside its headers. The length of the body is read apart.
const OF_THE_REQUEST: [&[u8]; 12] = [
    b"CONTENT_TYPE",
    b"HTTPS",
    b"PATH_INFO",
    b"QUERY_STRING",
    b"REMOTE_ADDR",
    b"REMOTE_PORT",
    b"REQUEST_METHOD",
    b"REQUEST_SCHEME",
    b"REQUEST_URI",
    b"SCRIPT_NAME",
    b"SERVER_PORT",
    b"SERVER_PROTOCOL",
];

/// Headers that concern the client's connection with the front server.
const OF_THE_CONNECTION: [&[u8]; 5] =
    [b"HTTP_CONNECTION", b"HTTP_EXPECT", b"HTTP_KEEP_ALIVE", b"HTTP_TE", b"HTTP_UPGRADE"];

/// Makes a request of variables, for a listener's `server`.
pub fn read(variables: &[Pair<'_>], server: &Arc<Server>, limits: &Limits) -> Result<Asked, VariablesError> {
    let headers = variables.iter().filter(|(name, _)| name.starts_with(b"HTTP_")).count();
    if headers > limits.header_count {
        return Err(VariablesError::TooMany(limits.header_count));
    }
    let length = length(variables)?;
    let told = variables.iter().copied().filter(|(name, _)| is_of_request(name));
    let mut parts = from_variables::request(told, server)?;
    // HTTP/2 is between the client and the front server.
    if parts.version > Version::HTTP_11 {
        parts.version = Version::HTTP_11;
    }
    if let Some(length) = length {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let environ: Environ = parts.extensions.remove().unwrap_or_default();
    let connection = Connection {
        server: named(server, &parts, variables),
        peer: Peer::Behind { address: environ.remote_addr, port: environ.remote_port },
        told: Some(Told {
            scheme: environ.scheme,
            server_port: environ.server_port,
            script_name: environ.prefix,
            user: value(variables, b"REMOTE_USER"),
            auth_type: value(variables, b"AUTH_TYPE"),
        }),
    };
    Ok(Asked { parts, connection, length: length.unwrap_or(0) })
}

/// Whether a variable makes the request, and neither describes the front server nor its connection with the client.
fn is_of_request(name: &[u8]) -> bool {
    if name.starts_with(b"HTTP_") {
        !OF_THE_CONNECTION.contains(&name)
    } else {
        OF_THE_REQUEST.contains(&name)
    }
}

/// The value of a variable; of several the last one counts, and an empty one is none.
fn value(variables: &[Pair<'_>], wanted: &[u8]) -> Option<Box<[u8]>> {
    let (_, value) = variables.iter().rfind(|(name, _)| *name == wanted)?;
    (!value.is_empty()).then(|| (*value).into())
}

/// The length of the body; `None` where none is told.
fn length(variables: &[Pair<'_>]) -> Result<Option<u64>, VariablesError> {
    let told = variables.iter().filter(|(name, value)| *name == b"CONTENT_LENGTH" && !value.is_empty());
    let mut length = None;
    for (_, value) in told {
        let number = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|c| c.is_ascii_digit()));
        let number: Option<u64> = number.and_then(|text| text.parse().ok());
        // Whoever reads it as signed shall not wonder.
        let number = number.filter(|number| i64::try_from(*number).is_ok()).ok_or(VariablesError::Length)?;
        if *length.get_or_insert(number) != number {
            return Err(VariablesError::Length);
        }
    }
    Ok(length)
}

/// The server; where the request has no Host, by the name that the front server has for it.
fn named(server: &Arc<Server>, parts: &Parts, variables: &[Pair<'_>]) -> Arc<Server> {
    if parts.headers.get(HOST).is_some_and(|host| !host.is_empty()) {
        return Arc::clone(server);
    }
    let name = variables.iter().find(|(name, _)| *name == b"SERVER_NAME").map(|(_, value)| *value);
    let name = name.and_then(|name| std::str::from_utf8(name).ok()).filter(|name| !name.is_empty());
    match name {
        Some(name) => Arc::new(Server { name: name.to_owned(), ..Server::clone(server) }),
        None => Arc::clone(server),
    }
}
