//! The request's body as the application reads it: pieces that are there, then more from the client or from a file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

use crate::streamed::Streamed;

/// Any error, as bodies give them.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request, whatever its type was.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, BoxError>;

/// How much is read from a file at once.
const BLOCK: usize = 64 << 10;

/// A reader that blocks; it never takes the end of a connection for the end of the body.
pub(crate) struct Input {
    ready: VecDeque<Bytes>,
    source: Source,
    /// What is still to come from the source; `None` where nobody knows before its end.
    coming: Option<u64>,
    failure: Option<io::Error>,
}

/// The body cannot be read to its end; [`Input::into_failure`] has the cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(String);

enum Source {
    Nothing,
    Client(Box<Streamed>),
    File(File),
}

impl Input {
    pub(crate) fn empty() -> Self {
        Self::buffered(VecDeque::new())
    }

    /// A body that is here.
    pub(crate) fn buffered(ready: VecDeque<Bytes>) -> Self {
        Self { ready, source: Source::Nothing, coming: Some(0), failure: None }
    }

    /// A body of `length` bytes that is fetched while it is read; `ready` is its beginning.
    pub(crate) fn streamed(ready: VecDeque<Bytes>, body: RequestBody, length: Option<u64>) -> Self {
        let here = ready.iter().map(|piece| piece.len() as u64).sum();
        let coming = length.map(|length| length.saturating_sub(here));
        Self { ready, source: Source::Client(Box::new(Streamed::new(body))), coming, failure: None }
    }

    /// A body of `length` bytes in a file.
    pub(crate) fn spooled(file: File, length: u64) -> Self {
        Self { ready: VecDeque::new(), source: Source::File(file), coming: Some(length), failure: None }
    }

    /// Whether there is no body, and so nothing that anybody could read.
    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.coming == Some(0)
    }

    /// Whether `wanted` bytes, or all that there are, are here without waiting.
    pub(crate) fn is_ready(&mut self, wanted: usize) -> bool {
        let mut here: usize = self.ready.iter().map(Bytes::len).sum();
        while here < wanted
            && let Source::Client(body) = &mut self.source
            && let Some(piece) = body.here()
        {
            here += piece.len();
            self.coming = self.coming.map(|coming| coming.saturating_sub(piece.len() as u64));
            self.ready.push_back(piece);
        }
        self.coming == Some(0) || here >= wanted
    }

    /// Reads `wanted` bytes; fewer only at the end.
    pub(crate) fn read(&mut self, wanted: usize) -> Result<Vec<Bytes>, Broken> {
        let mut pieces = Vec::new();
        let mut left = wanted;
        while left > 0 {
            let Some(mut piece) = self.piece()? else { break };
            if piece.len() > left {
                self.ready.push_front(piece.split_off(left));
            }
            left -= piece.len();
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// Reads to the end of a line, its newline included, but no more than `limit` bytes.
    pub(crate) fn line(&mut self, limit: usize) -> Result<Vec<Bytes>, Broken> {
        let mut pieces = Vec::new();
        let mut left = limit;
        while left > 0 {
            let Some(mut piece) = self.piece()? else { break };
            let newline = piece.iter().take(left).position(|&byte| byte == b'\n');
            let end = newline.map_or(piece.len().min(left), |at| at + 1);
            if end < piece.len() {
                self.ready.push_front(piece.split_off(end));
            }
            left -= piece.len();
            pieces.push(piece);
            if newline.is_some() {
                break;
            }
        }
        Ok(pieces)
    }

    /// Why the body could not be read to its end, if so.
    pub(crate) fn into_failure(self) -> Option<BoxError> {
        let failure = self.failure?;
        // What the body itself gave stands alone, so that whoever refused it recognises its own error.
        Some(if failure.get_ref().is_some() {
            failure.into_inner().expect("it has one")
        } else {
            failure.into()
        })
    }

    /// The next piece, `None` at the end.
    fn piece(&mut self) -> Result<Option<Bytes>, Broken> {
        if let Some(piece) = self.ready.pop_front() {
            return Ok(Some(piece));
        }
        if self.coming == Some(0) {
            return Ok(None);
        }
        if self.failure.is_none() {
            match self.fetch() {
                Ok(piece) => return Ok(piece),
                Err(error) => self.failure = Some(error),
            }
        }
        Err(Broken(self.failure.as_ref().map(io::Error::to_string).unwrap_or_default()))
    }

    fn fetch(&mut self) -> io::Result<Option<Bytes>> {
        let piece = match &mut self.source {
            Source::Nothing => None,
            Source::Client(body) => body.next()?,
            Source::File(file) => {
                let mut block = vec![0; BLOCK];
                let size = file.read(&mut block)?;
                block.truncate(size);
                (size > 0).then(|| block.into())
            }
        };
        match (&piece, &mut self.coming) {
            (Some(piece), Some(coming)) => *coming = coming.saturating_sub(piece.len() as u64),
            (Some(_), None) => {}
            (None, Some(coming)) => {
                let message = format!("the request body ended {coming} bytes before its Content-Length");
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
            }
            (None, coming) => *coming = Some(0),
        }
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};
    use std::io::{Seek, Write};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// Runs a test on a thread that may block, beside the runtime of a client.
    fn beside_a_runtime(test: impl FnOnce() + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { tokio::task::spawn_blocking(test).await }).unwrap();
    }

    /// An input of these pieces: from memory, from a client with and without a length, from a file.
    fn inputs(pieces: &[&'static str]) -> [Input; 4] {
        let bytes: VecDeque<Bytes> = pieces.iter().map(|piece| Bytes::from(*piece)).collect();
        let length = pieces.concat().len() as u64;
        let frames = || {
            bytes.iter().cloned().map(|piece| Ok::<_, BoxError>(Frame::data(piece))).collect::<VecDeque<_>>()
        };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(pieces.concat().as_bytes()).unwrap();
        file.rewind().unwrap();
        let body = StreamBody::new(Frames(frames())).boxed_unsync();
        let chunked = StreamBody::new(Frames(frames())).boxed_unsync();
        [
            Input::buffered(bytes.clone()),
            Input::streamed(VecDeque::new(), body, Some(length)),
            Input::streamed(VecDeque::new(), chunked, None),
            Input::spooled(file, length),
        ]
    }

    struct Frames(VecDeque<Result<Frame<Bytes>, BoxError>>);

    impl futures_core::Stream for Frames {
        type Item = Result<Frame<Bytes>, BoxError>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    fn text(pieces: Result<Vec<Bytes>, Broken>) -> String {
        String::from_utf8(pieces.unwrap().concat()).unwrap()
    }

    #[test]
    fn reads_end_where_they_should() {
        beside_a_runtime(|| {
            for mut input in inputs(&["hello, ", "wor", "ld"]) {
                assert_eq!(text(input.read(3)), "hel");
                assert_eq!(text(input.read(6)), "lo, wo");
                assert_eq!(text(input.read(usize::MAX)), "rld");
                assert_eq!(text(input.read(1)), "");
            }
        });
    }

    #[test]
    fn lines_end_at_a_newline_or_the_limit() {
        beside_a_runtime(|| {
            for mut input in inputs(&["one\ntw", "o\n\nlong line"]) {
                assert_eq!(text(input.line(usize::MAX)), "one\n");
                assert_eq!(text(input.line(usize::MAX)), "two\n");
                assert_eq!(text(input.line(usize::MAX)), "\n");
                assert_eq!(text(input.line(4)), "long");
                assert_eq!(text(input.line(usize::MAX)), " line");
                assert_eq!(text(input.line(usize::MAX)), "");
            }
        });
    }

    #[test]
    fn a_body_that_breaks_off_never_looks_complete() {
        beside_a_runtime(|| {
            let body = StreamBody::new(Frames([Ok(Frame::data("abc".into()))].into())).boxed_unsync();
            let mut input = Input::streamed(VecDeque::new(), body, Some(5));
            assert_eq!(text(input.read(3)), "abc");
            for _ in 0..2 {
                let error = input.read(3).unwrap_err();
                assert_eq!(error.to_string(), "the request body ended 2 bytes before its Content-Length");
            }
        });
    }
}
