//! The body of requests and answers on their way through the layer.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::error::{Limit, XsltError};

/// Any error of a body.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A body that the layer left alone, or one that it made.
#[derive(Debug)]
pub enum Body<B> {
    /// As it came, streaming
    Untouched(B),
    /// A result, or the answer to a failure
    Full(Bytes),
}

impl<B> http_body::Body for Body<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Untouched(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Untouched(body) => body.is_end_stream(),
            Self::Full(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Untouched(body) => body.size_hint(),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

/// Reads a body whole. One whose declared length is over the limit is not read at all.
pub(crate) async fn collect<B>(body: B, limit: usize) -> Result<Bytes, XsltError>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let too_large = XsltError::Limit(Limit::InputBytes);
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > limit {
        return Err(too_large);
    }
    let mut body = std::pin::pin!(body);
    let mut first = Bytes::new();
    let mut rest = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers describe the body as it came; they go with it.
        let Ok(data) = frame.map_err(|error| XsltError::Body(error.into()))?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit {
            return Err(too_large);
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(declared.max(first.len() + data.len()));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.into() })
}
