//! What goes wrong between here and an application, and which cause of a failed request that is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fastcgi::answer::AnswerError;
use fastcgi::record::Status;
use http_environ::RequestId;
use http_environ::answer::HeadError;
use vestibule_layers::rescue::{BrokenOff, cause_of_body};
use vestibule_layers::{BodyError, Cause, Response, rescue};

use super::spool::SpoolError;

/// Why a request got no answer, or half of one.
#[derive(Debug, thiserror::Error)]
pub(in crate::backend) enum Failure {
    #[error("failed to connect to {address}")]
    Connect { address: String, source: io::Error },
    /// As many connections wait for it as may.
    #[error("the queue of {address} is full")]
    QueueFull { address: String },
    #[error("failed to connect to {address} within {within:?}")]
    ConnectTimeout { address: String, within: Duration },
    /// Something that happened to a connection.
    #[error("failed to get an answer from {address}")]
    Exchange { address: String, source: Box<Failure> },
    /// The connection ended without an `END_REQUEST`.
    #[error("the connection ended before the answer did")]
    Ended,
    #[error("the connection broke")]
    Io(#[source] io::Error),
    #[error("what came is no FastCGI answer")]
    Protocol(#[from] AnswerError),
    #[error("what came is no AJP answer")]
    Ajp(#[from] ajp::answer::AnswerError),
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error("no answer began within {0:?}")]
    Late(Duration),
    #[error("the head of the answer is over {0} bytes")]
    HeadTooLarge(usize),
    /// The request ended without a head.
    #[error("the application ended with status {application} and answered nothing")]
    NoAnswer { application: u32 },
    #[error("the application takes no request: {0:?}")]
    Refused(Status),
    /// The answer, or its connection, ended within a body whose length was told.
    #[error("the answer ended {missing} bytes before its Content-Length")]
    Truncated { missing: u64 },
    /// The protocol cannot carry the request.
    #[error(transparent)]
    Unsendable(#[from] Unsendable),
    /// The body of the request.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("failed to read the body of the request")]
    Body(#[source] BodyError),
    /// It ended without an error, and yet too early or too late.
    #[error("the body of the request does not have its length")]
    BodyLength,
}

/// Why a protocol cannot carry the variables of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::backend) enum Unsendable {
    #[error("the variables of the request are {0} bytes, and uwsgi carries 65535")]
    TooLarge(usize),
    #[error("the variable {0} has a NUL byte, which the protocol cannot carry")]
    Nul(String),
    /// AJP
    #[error(transparent)]
    Packet(#[from] ajp::request::TooLarge),
    #[error("a segment of the path is . or .. with parameters")]
    Dots,
    #[error("the path has parameters that `path_parameters` does not permit")]
    Parameters,
}

/// What the log tells of a request that got no answer.
#[derive(Debug, thiserror::Error)]
#[error("failed to forward to {application}")]
struct Unanswered {
    application: Arc<str>,
    source: Failure,
}

impl Failure {
    /// Why there is no connection.
    pub(in crate::backend) fn connect(address: &impl ToString, source: io::Error) -> Self {
        let address = address.to_string();
        // What a unix socket says whose backlog is used up.
        if source.kind() == io::ErrorKind::WouldBlock {
            return Self::QueueFull { address };
        }
        Self::Connect { address, source }
    }

    /// The answer to a request that an application has not answered.
    pub(in crate::backend) fn rescue(self, request: &RequestId, application: &Arc<str>) -> Response {
        let cause = self.cause();
        rescue(request, cause, &Unanswered { application: Arc::clone(application), source: self })
    }

    /// The same failure, with the address it happened at.
    pub(in crate::backend) fn at(self, address: &impl ToString) -> Self {
        Self::Exchange { address: address.to_string(), source: Box::new(self) }
    }

    /// The same failure, of an answer that has begun.
    pub(in crate::backend) fn break_off(self) -> BrokenOff {
        BrokenOff::new(self.cause(), self)
    }

    /// Whether the connection ended, or broke: nothing else is known.
    pub(in crate::backend) fn is_end_of_connection(&self) -> bool {
        match self {
            Self::Ended => true,
            Self::Io(error) => error.kind() != io::ErrorKind::TimedOut,
            _ => false,
        }
    }

    /// The cause that the client is told.
    pub(in crate::backend) fn cause(&self) -> Cause {
        match self {
            Self::Exchange { source, .. } => source.cause(),
            Self::ConnectTimeout { .. } | Self::Late(_) => Cause::GatewayTimeout,
            Self::Connect { source, .. } | Self::Io(source) => match source.kind() {
                io::ErrorKind::TimedOut => Cause::GatewayTimeout,
                _ => Cause::BadGateway,
            },
            Self::QueueFull { .. } | Self::Refused(Status::Overloaded | Status::CannotMultiplex) => {
                Cause::Busy
            }
            Self::Body(source) | Self::Spool(SpoolError::Body(source)) => cause_of_body(&**source),
            Self::Unsendable(Unsendable::Packet(_)) => Cause::HeadTooLarge,
            Self::BodyLength | Self::Unsendable(_) => Cause::BadRequest,
            Self::Spool(SpoolError::File(_)) => Cause::ApplicationError,
            Self::Ended
            | Self::Protocol(_)
            | Self::Ajp(_)
            | Self::Head(_)
            | Self::HeadTooLarge(_)
            | Self::NoAnswer { .. }
            | Self::Truncated { .. }
            | Self::Refused(_) => Cause::BadGateway,
        }
    }
}
