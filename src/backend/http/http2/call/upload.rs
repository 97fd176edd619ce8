//! The body of a request, sent as fast as its server takes it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::SendStream;
use http_body::{Body as _, Frame};
use vestibule_layers::Body;

use super::remove_hop_by_hop;
use super::wait::Turn;
use crate::backend::http::failure::Failure;
use crate::backend::upstream::failure::Failure as Wire;
use crate::backend::upstream::upload::Framing;

/// A request's body on its way out.
pub(super) struct Upload {
    stream: SendStream<Bytes>,
    /// What has not come yet; `None` after its end.
    body: Option<Body>,
    /// What has come and is not sent yet.
    piece: Bytes,
    /// How much is to come, where that is known.
    left: Option<u64>,
    is_taken: bool,
    /// Who is waited for.
    pub(super) turn: Turn,
    /// Whether the server has taken anything since somebody last asked.
    pub(super) has_advanced: bool,
}

impl Upload {
    /// Begins with what follows the head.
    pub(super) fn new(stream: SendStream<Bytes>, body: Body, framing: Framing) -> Self {
        let (body, left) = match framing {
            Framing::Length(0) => (None, None),
            Framing::Length(length) => (Some(body), Some(length)),
            Framing::Chunks => (Some(body), None),
        };
        let piece = Bytes::new();
        Self { stream, body, piece, left, is_taken: false, turn: Turn::Answering, has_advanced: false }
    }

    /// The body, where nothing was taken of it.
    pub(super) fn into_untaken(self) -> Option<Body> {
        (!self.is_taken).then(|| self.body.unwrap_or_default())
    }

    /// Sends no more of it.
    pub(super) fn end(&mut self) {
        (self.body, self.piece, self.turn) = (None, Bytes::new(), Turn::Answering);
        self.is_taken = true;
    }

    /// Sends what the client and the server let it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            while !self.piece.is_empty() {
                self.turn = Turn::Taking;
                ready!(self.poll_send(cx))?;
            }
            self.turn = Turn::Answering;
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            let frame = Pin::new(body).poll_frame(cx).map(Option::transpose);
            if frame.is_pending() {
                self.turn = Turn::Client;
            }
            let frame = ready!(frame).map_err(Wire::Body)?;
            self.is_taken = true;
            match frame.map(Frame::into_data) {
                Some(Ok(piece)) => self.take(piece)?,
                Some(Err(trailers)) => {
                    self.check_length()?;
                    let mut trailers = trailers.into_trailers().unwrap_or_default();
                    remove_hop_by_hop(&mut trailers);
                    self.body = None;
                    self.stream.send_trailers(trailers).map_err(Failure::Stream)?;
                }
                None => {
                    self.check_length()?;
                    self.body = None;
                    self.stream.send_data(Bytes::new(), true).map_err(Failure::Stream)?;
                }
            }
        }
    }

    fn take(&mut self, piece: Bytes) -> Result<(), Failure> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(piece.len() as u64).ok_or(Wire::BodyLength)?;
        }
        self.piece = piece;
        Ok(())
    }

    fn check_length(&self) -> Result<(), Failure> {
        if self.left.is_some_and(|left| left > 0) { Err(Wire::BodyLength.into()) } else { Ok(()) }
    }

    /// Sends as much of the piece as the server takes.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.stream.reserve_capacity(self.piece.len());
        while self.stream.capacity() == 0 {
            let Some(capacity) = ready!(self.stream.poll_capacity(cx)) else {
                // The server has reset it; what it has answered comes by the other direction.
                self.end();
                return Poll::Ready(Ok(()));
            };
            capacity.map_err(Failure::Stream)?;
        }
        let most = self.stream.capacity().min(self.piece.len());
        self.has_advanced = true;
        let sent = self.stream.send_data(self.piece.split_to(most), false);
        Poll::Ready(sent.map_err(Failure::Stream))
    }
}
