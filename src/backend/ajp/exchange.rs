//! One request and its answer on a connection, both under way at once: whoever waits for the answer sends the body, too, as the
//! container asks for it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ajp::answer::{Answer, Event};
use ajp::request;
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use vestibule_layers::Body;

use crate::backend::upstream::at_hand;
use crate::backend::upstream::connection::Connection;
use crate::backend::upstream::deadline::Turn;
use crate::backend::upstream::failure::Failure;
use crate::backend::upstream::kept::{self, Piece};

/// What is sent.
pub(super) struct Upload {
    /// All of the request up to what the container has to ask for, to begin again with.
    start: Bytes,
    /// The head of a packet, or several whole ones.
    packets: Bytes,
    /// What follows them: the content of a packet.
    content: Bytes,
    /// A piece of the body for which there is no packet yet.
    rest: Bytes,
    /// What has not come yet; `None` after its end.
    body: Option<Body>,
    /// How much of the body is still to come, where that is known.
    left: Option<u64>,
    /// How much the container takes next; `None` until it asks.
    wanted: Option<usize>,
    /// The size of packets.
    most: usize,
    /// Something of the body was taken, or of the request was written.
    body_has_begun: bool,
    has_begun: bool,
}

impl Upload {
    /// A request that begins with `head` and has a body of this length, if it is known.
    pub(super) fn new(mut head: BytesMut, body: Body, length: Option<u64>, most: usize) -> Self {
        // The first piece of a body whose length is told comes without being asked for.
        let mut wanted = length.filter(|length| *length > 0).map(|_| most);
        let (mut rest, body) = match at_hand(body) {
            Ok(bytes) => (bytes, None),
            Err(body) => (Bytes::new(), Some(body).filter(|_| length != Some(0))),
        };
        let left = if body.is_some() { length } else { Some(0) };
        let is_short = rest.len() + request::OVERHEAD <= most;
        if wanted.is_some() && !rest.is_empty() && is_short {
            let (packet, _) = request::body_head(rest.len(), most);
            head.extend_from_slice(&packet);
            head.extend_from_slice(&rest);
            (wanted, rest) = (None, Bytes::new());
        }
        let start = head.freeze();
        Self {
            packets: start.clone(),
            start,
            content: Bytes::new(),
            rest,
            body,
            left,
            wanted,
            most,
            body_has_begun: false,
            has_begun: false,
        }
    }

    /// The same request from its start, if nothing of its body is gone.
    fn again(self) -> Option<Self> {
        let packets = self.start.clone();
        (!self.body_has_begun).then_some(Self { packets, has_begun: false, ..self })
    }

    /// Whether the container has got everything.
    fn is_done(&self) -> bool {
        let is_written = self.packets.is_empty() && self.content.is_empty();
        is_written && self.rest.is_empty() && self.body.is_none() && self.wanted.is_none()
    }

    /// Sends what the container has asked for, as far as the client has sent it.
    fn poll(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<Result<(), Failure>> {
        loop {
            while !(self.packets.is_empty() && self.content.is_empty()) {
                let written = ready!(connection.poll_write(cx, [&self.packets, &self.content, &[]]));
                let written = written.map_err(Failure::Io)?;
                self.has_begun = true;
                let of_packets = written.min(self.packets.len());
                self.packets.advance(of_packets);
                self.content.advance(written - of_packets);
            }
            let Some(wanted) = self.wanted else { return Poll::Ready(Ok(())) };
            if !self.rest.is_empty() {
                let (head, length) = request::body_head(self.rest.len().min(wanted), self.most);
                self.packets = Bytes::copy_from_slice(&head);
                self.content = self.rest.split_to(length);
                self.wanted = None;
                self.body_has_begun = true;
            } else if self.body.is_none() {
                self.packets = Bytes::from_static(&request::END_OF_BODY);
                self.wanted = None;
            } else {
                ready!(self.poll_piece(cx, connection))?;
            }
        }
    }

    /// Takes the next piece of the body, or its end.
    fn poll_piece(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<Result<(), Failure>> {
        let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else {
            connection.wait_for(Turn::Client);
            return Poll::Pending;
        };
        connection.wait_for(Turn::Server);
        self.body_has_begun = true;
        match frame.transpose().map_err(Failure::Body)? {
            Some(frame) => {
                // Trailers are not for an application.
                self.rest = frame.into_data().unwrap_or_default();
                if let Some(left) = &mut self.left {
                    *left = left.checked_sub(self.rest.len() as u64).ok_or(Failure::BodyLength)?;
                }
            }
            None if self.left.is_some_and(|left| left > 0) => return Poll::Ready(Err(Failure::BodyLength)),
            None => self.body = None,
        }
        Poll::Ready(Ok(()))
    }
}

/// A request under way. Dropped before its end, it closes the connection: more the container is not told.
pub(super) struct Exchange {
    connection: Box<Connection>,
    upload: Upload,
    /// Nobody takes the rest of the request.
    is_upload_broken: bool,
    answer: Answer,
    has_answer_begun: bool,
    /// Whether the container lets another request follow.
    is_reusable: bool,
}

impl Exchange {
    pub(super) fn new(mut connection: Box<Connection>, upload: Upload, most: usize) -> Self {
        connection.wait_for(Turn::Server);
        Self {
            connection,
            upload,
            is_upload_broken: false,
            answer: Answer::new(most),
            has_answer_begun: false,
            is_reusable: false,
        }
    }

    /// Waits for the head of the answer.
    pub(super) async fn head(&mut self) -> Result<(StatusCode, HeaderMap), Failure> {
        match poll_fn(|cx| self.poll_event(cx)).await? {
            Event::Head { status, headers } => Ok((status, headers)),
            // The order of packets has been looked after.
            _ => Err(Failure::Ended),
        }
    }

    /// The request, where nothing of an answer came, and it may be sent once more.
    pub(super) fn into_unsent(self, is_repeatable: bool) -> Option<Upload> {
        let may_have_arrived = self.upload.has_begun && !is_repeatable;
        if self.has_answer_begun || may_have_arrived { None } else { self.upload.again() }
    }

    /// What has come already of the answer; what the container asks for is noted.
    fn event_at_hand(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            match self.answer.next(&mut self.connection.received)? {
                Some(Event::Wants(length)) => self.upload.wanted = Some(length),
                Some(Event::End { is_reusable }) => {
                    self.is_reusable = is_reusable;
                    return Ok(Some(Event::End { is_reusable }));
                }
                event => return Ok(event),
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Failure>> {
        loop {
            if let Some(event) = self.event_at_hand()? {
                return Poll::Ready(Ok(event));
            }
            if !self.is_upload_broken {
                match self.upload.poll(cx, &mut self.connection) {
                    // A container may answer without having read everything, and close: its answer counts.
                    Poll::Ready(Err(Failure::Io(_))) => self.is_upload_broken = true,
                    Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
            }
            ready!(self.connection.poll_read(cx))?;
            self.has_answer_begun = true;
        }
    }
}

impl kept::Exchange for Exchange {
    fn piece_at_hand(&mut self) -> Result<Option<Piece>, Failure> {
        Ok(self.event_at_hand()?.and_then(piece))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Failure>> {
        loop {
            if let Some(piece) = piece(ready!(self.poll_event(cx))?) {
                return Poll::Ready(Ok(piece));
            }
        }
    }

    fn finish(self) -> Option<Box<Connection>> {
        let is_free = self.upload.is_done() && self.answer.is_over(&self.connection.received);
        (is_free && self.is_reusable).then_some(self.connection)
    }
}

/// What of the answer an event is.
fn piece(event: Event) -> Option<Piece> {
    match event {
        Event::Body(piece) => Some(Piece::Body(piece)),
        Event::End { .. } => Some(Piece::End),
        // These come before, and are noted as they come.
        Event::Head { .. } | Event::Wants(_) => None,
    }
}
