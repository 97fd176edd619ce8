//! One request and its answer on a connection, both under way at once: whoever waits for the answer sends the body, too.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use fastcgi::answer::{Answer, Event};
use fastcgi::record;
use fastcgi::request;
use fastcgi::responder::CONTINUE;
use http_body::Body as _;
use vestibule_layers::Body;

use super::SMALL;
use crate::backend::upstream::at_hand;
use crate::backend::upstream::complaints::Complaints;
use crate::backend::upstream::connection::Connection;
use crate::backend::upstream::deadline::Turn;
use crate::backend::upstream::failure::Failure;

/// What is sent.
pub(super) struct Upload {
    /// All of the request up to its body, or with it, to begin again with.
    start: Bytes,
    /// The head of a record, or several whole ones.
    records: Bytes,
    /// What follows them: the content of a record.
    content: Bytes,
    /// A piece of the body for which there is no record yet.
    rest: Bytes,
    /// What has not come yet; `None` after its end.
    body: Option<Body>,
    /// How much of the body is still to come.
    left: u64,
    /// Something of the body was taken, or of the request was written.
    body_has_begun: bool,
    has_begun: bool,
    /// The body waits until the application asks for it.
    is_held_back: bool,
}

impl Upload {
    /// A request that begins with `head` and has a body of `length` bytes.
    pub(super) fn new(mut head: BytesMut, body: Body, length: u64) -> Self {
        let body = match at_hand(body) {
            Ok(bytes) if bytes.len() <= SMALL => {
                request::put_body(&mut head, &bytes);
                request::put_end_of_body(&mut head);
                None
            }
            Ok(bytes) => Some(Body::Bytes(bytes)),
            Err(body) => Some(body),
        };
        let left = if body.is_some() { length } else { 0 };
        let start = head.freeze();
        Self {
            records: start.clone(),
            start,
            content: Bytes::new(),
            rest: Bytes::new(),
            body,
            left,
            body_has_begun: false,
            has_begun: false,
            is_held_back: false,
        }
    }

    /// Sends no body until the application asks for it.
    pub(super) fn hold_back(&mut self) {
        self.is_held_back = self.body.is_some();
    }

    /// Whether all of it is in memory, to begin again with.
    pub(super) fn is_whole(&self) -> bool {
        self.body.is_none() && !self.body_has_begun
    }

    /// The same request from its start, if nothing of its body is gone.
    fn again(self) -> Option<Self> {
        let records = self.start.clone();
        (!self.body_has_begun).then_some(Self { records, has_begun: false, ..self })
    }

    fn is_between_records(&self) -> bool {
        self.records.is_empty() && self.content.is_empty()
    }

    fn is_done(&self) -> bool {
        self.is_between_records() && self.rest.is_empty() && self.body.is_none()
    }

    /// Sends all that the application and the client let it.
    fn poll(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<Result<(), Failure>> {
        loop {
            while !self.is_between_records() {
                let written = ready!(connection.poll_write(cx, [&self.records, &self.content, &[]]));
                let written = written.map_err(Failure::Io)?;
                self.has_begun = true;
                let of_records = written.min(self.records.len());
                self.records.advance(of_records);
                self.content.advance(written - of_records);
            }
            if !self.rest.is_empty() {
                let (head, length) = request::body_head(self.rest.len());
                self.records = Bytes::copy_from_slice(&head);
                self.content = self.rest.split_to(length);
                continue;
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            if self.is_held_back {
                return Poll::Pending;
            }
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
                    self.left = self.left.checked_sub(self.rest.len() as u64).ok_or(Failure::BodyLength)?;
                }
                None if self.left > 0 => return Poll::Ready(Err(Failure::BodyLength)),
                None => {
                    self.body = None;
                    let mut end = BytesMut::with_capacity(record::HEAD);
                    request::put_end_of_body(&mut end);
                    self.records = end.freeze();
                }
            }
        }
    }
}

/// A request under way. Dropped before its end, it tells the application so, and closes the connection.
pub(super) struct Exchange {
    /// `None` once the answer has ended.
    connection: Option<Box<Connection>>,
    upload: Upload,
    /// Nobody takes the rest of the request.
    is_upload_broken: bool,
    answer: Answer,
    has_answer_begun: bool,
    complaints: Complaints,
}

impl Exchange {
    pub(super) fn new(mut connection: Box<Connection>, upload: Upload, complaints: Complaints) -> Self {
        connection.wait_for(Turn::Server);
        Self {
            connection: Some(connection),
            upload,
            is_upload_broken: false,
            answer: Answer::default(),
            has_answer_begun: false,
            complaints,
        }
    }

    /// Whether this piece of an answer asks for the body. If it is held back, it is sent from now on.
    pub(super) fn is_asked_by(&mut self, piece: &[u8]) -> bool {
        let is_asked = piece == CONTINUE;
        self.upload.is_held_back &= !is_asked;
        is_asked
    }

    /// What has come already of the answer.
    pub(super) fn at_hand(&mut self) -> Result<Option<Event>, Failure> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        loop {
            match self.answer.next(&mut connection.received)? {
                Some(Event::Stderr(piece)) => self.complaints.add(&piece),
                event => return Ok(event),
            }
        }
    }

    /// What comes next of the answer, while the request is being sent.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Failure>> {
        loop {
            if let Some(event) = self.at_hand()? {
                return Poll::Ready(Ok(event));
            }
            let Some(connection) = &mut self.connection else { return Poll::Ready(Err(Failure::Ended)) };
            if !self.is_upload_broken {
                match self.upload.poll(cx, connection) {
                    // An application may answer without having read everything, and close: its answer counts.
                    Poll::Ready(Err(Failure::Io(_))) => self.is_upload_broken = true,
                    Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
            }
            ready!(connection.poll_read(cx))?;
            self.has_answer_begun = true;
        }
    }

    /// The connection, where the answer has ended and another request may follow.
    pub(super) fn into_free(mut self) -> Option<Box<Connection>> {
        let connection = self.connection.take()?;
        let is_free = self.upload.is_done() && self.answer.is_over(&connection.received);
        is_free.then_some(connection)
    }

    /// The request, where nothing of an answer came, and it may be sent once more.
    pub(super) fn into_unsent(mut self, is_repeatable: bool) -> Option<Upload> {
        let may_have_arrived = self.upload.has_begun && !is_repeatable;
        // There is nobody to be told of the end.
        self.connection = None;
        if self.has_answer_begun || may_have_arrived {
            return None;
        }
        let nothing = Upload::new(BytesMut::new(), Body::Empty, 0);
        std::mem::replace(&mut self.upload, nothing).again()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Some(connection) = &self.connection else { return };
        if self.upload.is_between_records() {
            let mut abort = BytesMut::with_capacity(record::HEAD);
            record::put_abort(&mut abort, record::REQUEST);
            // If it does not fit, the end of the connection must do.
            drop(connection.try_write(&abort));
        }
    }
}
