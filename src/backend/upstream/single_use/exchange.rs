//! A request and its answer, both under way at once: whoever waits for the answer sends the body, too.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::Body as _;
use vestibule_layers::Body;

use crate::backend::upstream::connection::Connection;
use crate::backend::upstream::failure::Failure;

/// A request under way. Dropped before its end, it closes the connection: more the application is not told.
pub(super) struct Exchange {
    connection: Connection,
    upload: Upload,
    /// Nobody takes the rest of the request.
    is_upload_broken: bool,
}

/// What is sent.
struct Upload {
    /// All that comes before the body, until it is written.
    head: Bytes,
    /// A piece of the body.
    piece: Bytes,
    /// What has not come yet; `None` after its end.
    body: Option<Body>,
    /// How much of the body is still to come.
    left: u64,
}

impl Exchange {
    /// A request that begins with `head` and has a body of `length` bytes.
    pub(super) fn new(connection: Connection, head: Bytes, body: Body, length: u64) -> Self {
        connection.phase.wait_for_server();
        let upload = Upload { head, piece: Bytes::new(), body: Some(body), left: length };
        Self { connection, upload, is_upload_broken: false }
    }

    /// What has been read of the answer and is not used yet.
    pub(super) fn received(&mut self) -> &mut BytesMut {
        &mut self.connection.received
    }

    /// Reads more of the answer, while the request is being sent. The end is an error.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if !self.is_upload_broken {
            match self.upload.poll(cx, &mut self.connection) {
                // An application may answer without having read everything, and close: its answer counts.
                Poll::Ready(Err(Failure::Io(_))) => self.is_upload_broken = true,
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        self.connection.poll_read(cx)
    }
}

impl Upload {
    /// Sends all that the application and the client let it.
    fn poll(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<Result<(), Failure>> {
        loop {
            // A body that is here already travels with the head.
            if self.piece.is_empty() && self.body.is_some() {
                match self.poll_piece(cx)? {
                    Poll::Ready(()) => connection.phase.wait_for_server(),
                    Poll::Pending if self.head.is_empty() => {
                        connection.phase.wait_for_client();
                        return Poll::Pending;
                    }
                    Poll::Pending => {}
                }
            }
            if self.head.is_empty() && self.piece.is_empty() {
                if self.body.is_none() {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            let written = ready!(connection.poll_write(cx, &self.head, &self.piece)).map_err(Failure::Io)?;
            let of_head = written.min(self.head.len());
            self.head.advance(of_head);
            self.piece.advance(written - of_head);
        }
    }

    /// Takes the next piece of the body, or its end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
        match ready!(Pin::new(body).poll_frame(cx)).transpose().map_err(Failure::Body)? {
            Some(frame) => {
                // Trailers are not for an application.
                self.piece = frame.into_data().unwrap_or_default();
                self.left = self.left.checked_sub(self.piece.len() as u64).ok_or(Failure::BodyLength)?;
            }
            None if self.left > 0 => return Poll::Ready(Err(Failure::BodyLength)),
            None => self.body = None,
        }
        Poll::Ready(Ok(()))
    }
}
