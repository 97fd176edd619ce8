//! What goes wrong with a program, and which cause of a failed request that is.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;

use http_environ::RequestId;
use vestibule_layers::places::Full;
use vestibule_layers::rescue::chain;
use vestibule_layers::{Cause, Response, rescue};

use crate::backend::upstream::failure::Failure as Upstream;
use crate::backend::upstream::spool::SpoolError;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the path names no program")]
    NotFound,
    #[error("the variable {0} has a NUL byte, which no environment can hold")]
    Nul(String),
    #[error("too many programs run")]
    Full(#[from] Full),
    /// It has no execute bit, its interpreter is missing, there are too many processes …
    #[error("failed to start {program}")]
    Start { program: String, source: io::Error },
    /// It did not answer well; it may have ended, too.
    #[error("{}", ended.map_or_else(|| "a program failed".to_owned(), |status| format!("a program ended with {status}")))]
    Exchange { ended: Option<ExitStatus>, source: Upstream },
    /// The body of the request.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// What the log tells of a request that got no answer.
#[derive(Debug, thiserror::Error)]
#[error("failed to run a program of {application}")]
struct Unanswered {
    application: Arc<str>,
    source: Failure,
}

impl Failure {
    /// The answer to a request that no program has answered.
    pub(super) fn rescue(self, request: &RequestId, application: &Arc<str>) -> Response {
        let cause = self.cause();
        let failure = Unanswered { application: Arc::clone(application), source: self };
        if cause == Cause::Forbidden {
            // Only the operator can change it: that a client is forbidden something is no news in the log otherwise.
            tracing::warn!(request_id = %request, "{}", chain(&failure));
        }
        rescue(request, cause, &failure)
    }

    /// The cause that the client is told.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::NotFound => Cause::NotFound,
            Self::Nul(_) => Cause::BadRequest,
            Self::Full(_) => Cause::Busy,
            Self::Start { source, .. } => cause_of_start(source),
            Self::Exchange { source, .. } => source.cause(),
            Self::Spool(_) => Cause::ApplicationError,
        }
    }
}

fn cause_of_start(error: &io::Error) -> Cause {
    match error.kind() {
        // The program may not be run.
        io::ErrorKind::PermissionDenied => Cause::Forbidden,
        // The variables are more than the kernel hands over: the request has a head of that size.
        io::ErrorKind::ArgumentListTooLong => Cause::HeadTooLarge,
        // Of processes, memory or descriptors there are no more.
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => Cause::Busy,
        _ if matches!(
            rustix::io::Errno::from_io_error(error),
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)
        ) =>
        {
            Cause::Busy
        }
        _ => Cause::ApplicationError,
    }
}
