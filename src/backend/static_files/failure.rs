//! Why a file is not sent, and what that is answered with.

use std::io;

use http::header::{ALLOW, CONTENT_RANGE};
use http::{HeaderValue, Method};
use http_environ::RequestId;
use rustix::io::Errno;
use vestibule_layers::{Cause, Response, rescue};

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("static files answer GET and HEAD, not {0}")]
    Method(Method),
    #[error("the path has a name that begins with a dot (`dotfiles: true` serves them)")]
    Hidden,
    #[error("the path has an encoded slash, which no name of a file may hold")]
    EncodedSlash,
    #[error("the path names neither a file nor a folder")]
    NoFile,
    #[error("the folder has no index")]
    NoIndex,
    #[error("none of the ranges lies within the {0} bytes of the file")]
    Range(u64),
    #[error("failed to open the file")]
    Open(#[source] io::Error, Cause),
    #[error("failed to read the file")]
    Read(#[from] io::Error),
}

impl Failure {
    /// The answer, with what its status wants beside the body.
    pub(super) fn answer(&self, request: &RequestId) -> Response {
        let mut answer = rescue(request, self.cause(), self);
        match self {
            Self::Method(_) => {
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            Self::Range(size) => {
                let value = HeaderValue::try_from(format!("bytes */{size}"));
                answer
                    .headers_mut()
                    .insert(CONTENT_RANGE, value.expect("words and digits are legal in a header"));
            }
            _ => {}
        }
        answer
    }

    fn cause(&self) -> Cause {
        match self {
            Self::Method(_) => Cause::MethodNotAllowed,
            Self::Hidden | Self::EncodedSlash | Self::NoFile | Self::NoIndex => Cause::NotFound,
            Self::Range(_) => Cause::RangeNotSatisfiable,
            Self::Open(_, cause) => *cause,
            Self::Read(_) => Cause::ApplicationError,
        }
    }
}

/// Why a path was not opened.
impl From<Errno> for Failure {
    fn from(error: Errno) -> Self {
        let cause = match error {
            // EXDEV: beyond the root. ENXIO: a socket. EINVAL: a name that this file system cannot hold.
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::NAMETOOLONG
            | Errno::LOOP
            | Errno::XDEV
            | Errno::NXIO
            | Errno::INVAL => Cause::NotFound,
            Errno::ACCESS | Errno::PERM => Cause::Forbidden,
            Errno::MFILE | Errno::NFILE | Errno::AGAIN => Cause::Busy,
            _ => Cause::ApplicationError,
        };
        Self::Open(error.into(), cause)
    }
}
