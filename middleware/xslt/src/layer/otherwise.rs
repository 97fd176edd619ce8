//! What stands in for a result that could not be made.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, header, response};

use super::headers::describe;
use super::result::Making;
use super::{Transform, current};
use crate::body::Body;
use crate::error::XsltError;
use crate::output::Output;
use crate::sheet::Stylesheet;

/// What stands in where a document was read and could not be transformed: its sheet fails, or cannot be had. A cache keeps no
/// such answer.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Otherwise {
    /// Nothing: the exchange fails
    #[default]
    Fail,
    /// The document as it came, without its validators: who gets it is to ask again
    Pass,
    /// What another stylesheet makes of the document. It gets the same parameters, and as `error` what went wrong. Where it
    /// fails too, the exchange does, with the first failure.
    Fallback(Stylesheet),
}

impl Otherwise {
    pub(super) fn fallback(&self) -> Option<&Stylesheet> {
        match self {
            Self::Fallback(stylesheet) => Some(stylesheet),
            Self::Fail | Self::Pass => None,
        }
    }

    /// The same, with its sheet as its files are now.
    pub(super) fn compile_again(&self) -> Result<Self, XsltError> {
        Ok(match self {
            Self::Fail => Self::Fail,
            Self::Pass => Self::Pass,
            Self::Fallback(stylesheet) => Self::Fallback(stylesheet.compile_again()?),
        })
    }
}

/// In the extensions of an answer: something stood in, because of this.
#[derive(Debug, Clone)]
pub struct StoodIn(pub Arc<XsltError>);

/// What stands in, and why.
pub(super) struct StandIn {
    body: Instead,
    reason: StoodIn,
}

enum Instead {
    Document(Bytes),
    Fallback(Output),
}

impl Transform {
    /// What stands in for the result of a document that came with these headers; where nothing does, the error.
    pub(super) async fn stand_in(
        &self,
        headers: &HeaderMap,
        document: Bytes,
        params: &[(String, String)],
        asked: Option<&Parts>,
        error: XsltError,
    ) -> Result<StandIn, XsltError> {
        let body = match &current(&self.settings.otherwise) {
            Otherwise::Fail => return Err(error),
            Otherwise::Pass => Instead::Document(document),
            Otherwise::Fallback(stylesheet) => {
                // No parameter can carry a zero byte.
                let reason = ("error".to_owned(), error.to_string().replace('\0', ""));
                let params = [params, &[reason]].concat();
                let stylesheet = self.set(stylesheet.clone());
                let making = Making { transform: self, stylesheet: &stylesheet, params: &params, asked };
                match making.run(headers, document).await {
                    Ok(output) => Instead::Fallback(output),
                    Err(_) => return Err(error),
                }
            }
        };
        // For its log.
        (self.settings.on_error)(&error, self.settings.on);
        Ok(StandIn { body, reason: StoodIn(Arc::new(error)) })
    }
}

impl StandIn {
    /// The answer with it. No cache on its way is to keep it, whatever the document's headers say.
    pub(super) fn answer<B>(self, mut head: response::Parts) -> Response<Body<B>> {
        let (bytes, reason) = self.describe(&mut head.headers);
        head.headers.remove(header::EXPIRES);
        head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        head.extensions.insert(reason);
        Response::from_parts(head, Body::Full(bytes))
    }

    /// The bytes, described by the headers. Nothing confirms them later: they are there for want of a better.
    pub(super) fn describe(self, headers: &mut HeaderMap) -> (Bytes, StoodIn) {
        for name in [header::ETAG, header::LAST_MODIFIED, header::ACCEPT_RANGES] {
            headers.remove(name);
        }
        let bytes = match self.body {
            Instead::Document(document) => document,
            Instead::Fallback(output) => {
                describe(headers, &output);
                output.bytes
            }
        };
        (bytes, self.reason)
    }
}
