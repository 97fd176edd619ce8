//! What goes wrong between here and a server, and which cause of a failed request that is.

use std::sync::Arc;

use http::uri::InvalidUri;
use vestibule_layers::Cause;

use super::answer_head::Nonsense;
use super::balance::Refused;
use super::server::Server;
use crate::backend::upstream::failure::Failure as Wire;

/// Why a request got no answer, or half of one.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No server takes the request.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A path or query that a layer has rewritten to what is no URL.
    #[error("the target is not one that can be sent")]
    Target(#[source] InvalidUri),
    /// Something that happened to a connection.
    #[error(transparent)]
    Wire(#[from] Wire),
    /// An answer that no two servers would read alike.
    #[error("the answer cannot be passed on: {0}")]
    Nonsense(#[from] Nonsense),
    /// Something that happened to a stream of HTTP/2, or to its connection.
    #[error("the stream broke")]
    Stream(#[source] h2::Error),
    #[error("failed to get an answer from {server}")]
    Answer { server: String, source: Box<Failure> },
    #[error("failed to forward to {application}")]
    Forward { application: Arc<str>, source: Box<Failure> },
}

impl Failure {
    /// The same failure, with the server it happened at.
    pub(super) fn at(self, server: &Server) -> Self {
        Self::Answer { server: server.to_string(), source: Box::new(self) }
    }

    /// The same failure, with the application that the request was for.
    pub(super) fn of(self, application: &Arc<str>) -> Self {
        Self::Forward { application: Arc::clone(application), source: Box::new(self) }
    }

    /// Whether the connection ended, or broke: nothing else is known.
    pub(super) fn is_end_of_connection(&self) -> bool {
        match self {
            Self::Wire(failure) => failure.is_end_of_connection(),
            Self::Stream(error) => error.is_io() || (error.is_go_away() && error.is_remote()),
            _ => false,
        }
    }

    /// Whether the server tells that it has not begun with the request: it has refused the stream, or goes away before it.
    pub(super) fn is_unprocessed(&self) -> bool {
        matches!(self, Self::Stream(error) if is_refusal(error) || (error.is_go_away() && error.is_remote()))
    }

    /// Whether it is the server's, not the client's who sends its request.
    pub(super) fn is_servers(&self) -> bool {
        matches!(self.cause(), Cause::BadGateway | Cause::GatewayTimeout)
    }

    /// The cause that the client is told.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Target(_) => Cause::BadRequest,
            Self::Refused(Refused::Full) => Cause::Busy,
            Self::Stream(error) if is_refusal(error) => Cause::Busy,
            Self::Refused(_) | Self::Nonsense(_) | Self::Stream(_) => Cause::BadGateway,
            Self::Wire(failure) => failure.cause(),
            Self::Answer { source, .. } | Self::Forward { source, .. } => source.cause(),
        }
    }
}

/// Whether a server has not looked at a request, for it has enough of them (RFC 9113 section 8.7).
fn is_refusal(error: &h2::Error) -> bool {
    error.is_reset() && error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM)
}
