//! What an application answers, written as it comes.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::Response;
use http_environ::answer;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::{BoxError, CONTINUE, ServeError};
use crate::record::{self, End, MOST_CONTENT, Status, Stream};

/// A longer piece is written from where it is, and not copied.
const COPIED: usize = 16 << 10;

/// The writing side of a connection.
pub(super) struct Outgoing<W>(W);

impl<W: AsyncWrite + Unpin> Outgoing<W> {
    pub(super) fn new(writer: W) -> Self {
        Self(writer)
    }

    pub(super) async fn write(&mut self, bytes: BytesMut) -> io::Result<()> {
        if bytes.is_empty() { Ok(()) } else { self.0.write_all(&bytes).await }
    }

    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }

    /// Has the web server send the body that it has held back.
    pub(super) async fn ask_for_body(&mut self, request: u16) -> io::Result<()> {
        let mut out = BytesMut::new();
        record::put_stream(&mut out, Stream::Stdout, request, CONTINUE);
        self.write(out).await
    }

    /// Writes an answer and its end. What is ready is gathered, and written before anything is waited for.
    pub(super) async fn answer<B>(
        &mut self,
        answer: Response<()>,
        body: &mut B,
        request: u16,
    ) -> Result<(), ServeError>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let mut head = Vec::with_capacity(512);
        answer::put(&mut head, &answer);
        let mut out = BytesMut::with_capacity(1 << 10);
        record::put_stream(&mut out, Stream::Stdout, request, &head);
        while !body.is_end_stream() {
            let ready = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => Poll::Ready(None),
                Poll::Ready(frame) => Poll::Ready(Some(frame)),
            });
            let frame = if let Some(frame) = ready.await {
                frame
            } else {
                self.write(out.split()).await?;
                poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
            };
            let Some(frame) = frame else { break };
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    // What was given before is part of an answer that breaks off, and not of none.
                    self.write(out).await?;
                    return Err(ServeError::Answer(error.into()));
                }
            };
            // Trailers have no place in CGI.
            let Ok(piece) = frame.into_data() else { continue };
            if piece.len() < COPIED {
                record::put_stream(&mut out, Stream::Stdout, request, &piece);
            } else {
                self.write_long(&mut out, &piece, request).await?;
            }
            if out.len() >= COPIED {
                self.write(out.split()).await?;
            }
        }
        record::put_end(&mut out, request, End { application: 0, status: Status::Complete });
        Ok(self.write(out).await?)
    }

    async fn write_long(&mut self, out: &mut BytesMut, piece: &[u8], request: u16) -> io::Result<()> {
        for content in piece.chunks(MOST_CONTENT) {
            let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
            out.put_slice(&record::stream_head(Stream::Stdout, request, length));
            self.write(out.split()).await?;
            self.0.write_all(content).await?;
        }
        Ok(())
    }
}
