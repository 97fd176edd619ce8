//! What went wrong with a request's body while something inside was reading it.
//!
//! Who reads a body only sees that it breaks off, and answers as it can. A layer that breaks it off on purpose notes the
//! cause in a [`Verdict`]; if no answer has begun by then, the answer to that cause is given in place of whatever comes.

use std::error::Error;
use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use http::header::CONNECTION;
use http_environ::RequestId;

use crate::{Cause, Response, rescue};

/// The first thing that went wrong, if any did.
#[derive(Clone, Default)]
pub(crate) struct Verdict(Arc<OnceLock<(Cause, Reason)>>);

type Reason = Arc<dyn Error + Send + Sync>;

impl Verdict {
    /// Notes what went wrong; gives it back as the error that the body ends with.
    pub(crate) fn note<E>(&self, cause: Cause, reason: E) -> Box<dyn Error + Send + Sync>
    where
        E: Error + Clone + Send + Sync + 'static,
    {
        // A later mistake follows from the first.
        let _ = self.0.set((cause, Arc::new(reason.clone())));
        Box::new(reason)
    }

    /// The answer that came from inside, unless the body had failed by then.
    pub(crate) fn over(&self, answer: Response, request: &RequestId) -> Response {
        match self.0.get() {
            None => answer,
            Some((cause, reason)) => unread(rescue(request, *cause, &**reason)),
        }
    }
}

/// Tells the client that the connection ends with this answer: the rest of its request is not read.
pub(crate) fn unread(mut answer: Response) -> Response {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
