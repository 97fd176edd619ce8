//! What goes wrong between here and a server, and which cause of a failed request that is.

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
    #[error("failed to get an answer from {server}")]
    Answer { server: String, source: Box<Failure> },
}

impl Failure {
    /// The same failure, with the server it happened at.
    pub(super) fn at(self, server: &Server) -> Self {
        Self::Answer { server: server.to_string(), source: Box::new(self) }
    }

    /// Whether the connection ended, or broke: nothing else is known.
    pub(super) fn is_end_of_connection(&self) -> bool {
        matches!(self, Self::Wire(failure) if failure.is_end_of_connection())
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
            Self::Refused(_) | Self::Nonsense(_) => Cause::BadGateway,
            Self::Wire(failure) => failure.cause(),
            Self::Answer { source, .. } => source.cause(),
        }
    }
}
