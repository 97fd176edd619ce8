//! A request and its answer, both under way at once: whoever waits for the answer sends the body, too.

use std::task::{Context, Poll};

use bytes::BytesMut;
use vestibule_layers::Body;

use super::address::Stream;
use super::connection::{Connection, Line};
use super::deadline::Turn;
use super::failure::Failure;
use super::upload::Upload;

/// A request under way. Dropped before its end, it closes the connection: more the other side is not told.
pub(in crate::backend) struct Exchange<S = Stream> {
    // Boxed, so that it goes from hand to hand with little to copy.
    connection: Box<Connection<S>>,
    upload: Upload,
    /// Nobody takes the rest of the request.
    is_upload_broken: bool,
    has_answer_begun: bool,
}

impl<S: Line> Exchange<S> {
    pub(in crate::backend) fn new(mut connection: Box<Connection<S>>, upload: Upload) -> Self {
        connection.wait_for(Turn::Server);
        Self { connection, upload, is_upload_broken: false, has_answer_begun: false }
    }

    /// What it travels on.
    pub(in crate::backend) fn line(&self) -> &S {
        self.connection.line()
    }

    /// The answer is here as a whole.
    pub(in crate::backend) fn release(self) {
        self.connection.release();
    }

    /// What has been read of the answer and is not used yet.
    pub(in crate::backend) fn received(&mut self) -> &mut BytesMut {
        &mut self.connection.received
    }

    /// Reads more of the answer, while the request is being sent. The end is an error.
    pub(in crate::backend) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if !self.is_upload_broken && !self.upload.is_done() {
            match self.upload.poll(cx, &mut self.connection) {
                // An application may answer without having read everything, and close: its answer counts.
                Poll::Ready(Err(Failure::Io(_))) => self.is_upload_broken = true,
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        let read = self.connection.poll_read(cx);
        self.has_answer_begun |= matches!(read, Poll::Ready(Ok(())));
        read
    }

    /// Sends the body that was held back.
    pub(in crate::backend) fn go_on(&mut self) {
        self.upload.go_on();
    }

    /// Sends no body that is still held back: the answer is there, and the client is not to be told to continue.
    pub(in crate::backend) fn drop_held(&mut self) {
        self.is_upload_broken |= self.upload.is_held();
    }

    /// What it travels on, which has become something else.
    pub(in crate::backend) fn into_line(self) -> S {
        self.connection.into_line()
    }

    /// The connection, where all was sent and nothing is left of what was received.
    pub(in crate::backend) fn finish(self) -> Option<Box<Connection<S>>> {
        let is_free = self.upload.is_done() && !self.is_upload_broken && self.connection.received.is_empty();
        is_free.then_some(self.connection)
    }

    /// The body of the request, where nothing came of an answer, and it may be sent once more: nothing was sent, or
    /// `is_repeatable` and nothing of a body.
    pub(in crate::backend) fn into_unsent(self, is_repeatable: bool) -> Option<Body> {
        if self.has_answer_begun { None } else { self.upload.into_unsent(is_repeatable) }
    }
}
