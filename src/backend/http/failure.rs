//! What goes wrong between here and a server, and which cause of a failed request that is.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::uri::InvalidUri;
use vestibule_layers::Cause;
use vestibule_layers::rescue::cause_of_body;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// All servers were tried, or there are none.
    #[error("no server is left to try")]
    NoServer,
    #[error("failed to connect to {server}")]
    Connect { server: String, source: io::Error },
    #[error("failed to connect to {server} within {within:?}")]
    ConnectTimeout { server: String, within: Duration },
    /// The connection broke before the answer's head was there.
    #[error("failed to get an answer from {server}")]
    Exchange { server: String, source: hyper::Error },
    /// A path or query that a layer has rewritten to what is no URL.
    #[error("the target is not one that can be sent")]
    Target(#[source] InvalidUri),
    /// A head that hyper lets through, but that no two servers would read alike.
    #[error("the answer of {server} cannot be passed on: {what}")]
    Nonsense { server: String, what: &'static str },
}

impl Failure {
    /// The cause that the client is told.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Target(_) => Cause::BadRequest,
            Self::ConnectTimeout { .. } => Cause::GatewayTimeout,
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::TimedOut => Cause::GatewayTimeout,
            Self::NoServer | Self::Connect { .. } | Self::Nonsense { .. } => Cause::BadGateway,
            // The request's own body broke off: it is the source.
            Self::Exchange { source, .. } if source.is_user() => {
                source.source().map_or(Cause::BadRequest, cause_of_body)
            }
            Self::Exchange { source, .. } => match kind(source) {
                Some(io::ErrorKind::TimedOut) => Cause::GatewayTimeout,
                _ => Cause::BadGateway,
            },
        }
    }
}

fn kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    sources(error).find_map(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind)
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&error| error.source())
}
