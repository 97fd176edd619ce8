//! One answer on its way out: the rules of PEP 3333 about when its head is sent and what may follow it.

use std::fs::File;

use bytes::Bytes;
use handoff::Reply;
use http::{Extensions, HeaderMap, Method, Response};

use crate::body::{Abandoned, Body, BodyError, ChunkSender, Room};
use crate::clock::Clock;
use crate::file_body::FileBody;
use crate::head::Head;
use crate::request::Call;
use crate::service::WsgiError;

/// What a service gives.
pub(crate) type Outcome = Result<Response<Body>, WsgiError>;

/// One answer. The head waits for the first chunk that is not empty, so that an error before it can still become a clean 500.
pub(crate) struct Outgoing {
    phase: Phase,
    /// While it is [`Phase::Started`]. It is large, and so not moved from phase to phase.
    head: Option<Head>,
    /// Until the answer begins. In a box, since hardly anybody asks for it.
    clock: Option<Box<Clock>>,
    /// From the call of the application until it is answered.
    call: Option<Box<Call>>,
    /// Those of the request, until the application is done with it.
    extensions: Extensions,
    is_head_request: bool,
    /// What is left of the Content-Length.
    missing: Option<u64>,
    /// Bytes beyond the Content-Length.
    excess: u64,
    /// The head was sent without a body, because of HEAD, 204 or 304.
    is_bodiless: bool,
    /// The client had left before all was given.
    has_left: bool,
}

enum Phase {
    /// `start_response` has not been called.
    New(Reply<Box<Call>>),
    Started(Reply<Box<Call>>),
    /// The head is sent and chunks follow.
    Streaming(ChunkSender),
    /// All was sent that may be sent: a whole body, or none because of HEAD, 204 or 304.
    Complete,
    /// The request is over.
    Over,
}

/// What the application did wrong that only the log can tell.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error(
        "the application gave no status: start_response was not called before the first chunk or the end"
    )]
    NotStarted,
    #[error("the answer is {0} bytes longer than its Content-Length; they were not sent")]
    TooLong(u64),
    #[error("the answer is {0} bytes shorter than its Content-Length; the connection is aborted")]
    TooShort(u64),
}

/// What became of a chunk.
#[derive(Debug)]
pub(crate) enum Sent {
    /// Go on.
    Yes,
    /// Wait for room before the next one.
    Wait(Room),
    /// No chunk is of any use: the client left, or wants no body.
    Enough,
}

impl Outgoing {
    pub(crate) fn new(reply: Reply<Box<Call>>, method: &Method, clock: Option<Box<Clock>>) -> Self {
        Self {
            phase: Phase::New(reply),
            head: None,
            clock,
            call: None,
            extensions: Extensions::new(),
            is_head_request: method == Method::HEAD,
            missing: None,
            excess: 0,
            is_bodiless: false,
            has_left: false,
        }
    }

    /// Keeps what the request has brought until it goes back with the answer; its extensions until the application is done.
    pub(crate) fn keep(&mut self, mut call: Box<Call>) {
        self.extensions = std::mem::take(&mut call.parts.extensions);
        self.call = Some(call);
    }

    /// A place for the headers of the answer: that of the request's headers, which are in the environ by now.
    pub(crate) fn place_of_headers(&mut self) -> HeaderMap {
        let mut headers =
            self.call.as_mut().map(|call| std::mem::take(&mut call.parts.headers)).unwrap_or_default();
        headers.clear();
        headers
    }

    pub(crate) fn is_started(&self) -> bool {
        !matches!(self.phase, Phase::New(_))
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether the head can no longer be replaced.
    pub(crate) fn is_head_sent(&self) -> bool {
        matches!(self.phase, Phase::Streaming(_) | Phase::Complete | Phase::Over)
    }

    /// Takes the head, or a better one while the first has not been sent.
    pub(crate) fn start(&mut self, head: Head) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::New(reply) | Phase::Started(reply) => {
                self.missing = head.content_length();
                self.head = Some(head);
                Phase::Started(reply)
            }
            sent => sent,
        };
    }

    /// Sends the only chunk there is; with it goes a Content-Length that is right.
    pub(crate) fn whole(&mut self, chunk: Bytes) -> Result<(), Fault> {
        // Who answers HEAD by nothing has not told how long the answer to GET would be.
        let is_left_out = self.is_head_request && chunk.is_empty();
        if let Some(head) = self.head.as_mut().filter(|_| !is_left_out) {
            head.default_content_length(chunk.len() as u64);
            self.missing = head.content_length();
        }
        if let Some(call) = &mut self.call {
            call.parts.extensions = std::mem::take(&mut self.extensions);
        }
        self.chunk(chunk)?;
        self.finish()
    }

    /// Whether a file can be sent now: after `start_response`, before anything that was written.
    pub(crate) fn takes_file(&self) -> bool {
        matches!(self.phase, Phase::Started(_))
    }

    /// Sends a file from the byte at `at` on: as much as the Content-Length says, or `here`, which is all that there is.
    pub(crate) fn file(&mut self, file: File, at: u64, here: u64) -> Result<(), Fault> {
        let Some(head) = &mut self.head else { return Err(Fault::NotStarted) };
        head.default_content_length(here);
        let length = head.content_length().unwrap_or(here);
        if !self.has_body() {
            self.send_head(Body::default());
            return Ok(());
        }
        let missing = length.saturating_sub(here);
        self.send_head(Body::file(FileBody::new(file, at, length - missing), missing));
        if missing > 0 { Err(Fault::TooShort(missing)) } else { Ok(()) }
    }

    /// Sends a chunk, after the head if that has not been sent.
    pub(crate) fn chunk(&mut self, mut chunk: Bytes) -> Result<Sent, Fault> {
        if chunk.is_empty() {
            // After the last byte that the Content-Length allows, nothing that is empty leads to anything else.
            let is_enough = self.is_unread() || matches!(self.phase, Phase::Complete);
            return Ok(if is_enough { Sent::Enough } else { Sent::Yes });
        }
        let size = chunk.len() as u64;
        match self.phase {
            Phase::New(_) => return Err(Fault::NotStarted),
            Phase::Started(_) if !self.has_body() => {
                self.is_bodiless = true;
                self.send_head(Body::default());
                return Ok(Sent::Enough);
            }
            Phase::Started(_) | Phase::Streaming(_) => {}
            Phase::Complete | Phase::Over => {
                if !self.is_bodiless {
                    self.excess += size;
                }
                return Ok(Sent::Enough);
            }
        }
        if let Some(missing) = &mut self.missing {
            let allowed = size.min(*missing);
            self.excess += size - allowed;
            *missing -= allowed;
            chunk.truncate(usize::try_from(allowed).unwrap_or(usize::MAX));
        }
        self.send(chunk);
        Ok(self.after_chunk())
    }

    /// The application has given all. What it did wrong is known now at the latest.
    pub(crate) fn finish(&mut self) -> Result<(), Fault> {
        if self.is_unread() {
            // The application was told to stop: what is missing is no fault of its own.
            self.has_left = true;
            self.phase = Phase::Complete;
            return Ok(());
        }
        let missing = self.missing.unwrap_or(0);
        let has_body = self.has_body();
        match &mut self.phase {
            Phase::New(_) => return Err(Fault::NotStarted),
            Phase::Started(_) if missing == 0 || !has_body => {
                if let Some(head) = self.head.as_mut().filter(|_| has_body) {
                    head.default_content_length(0);
                }
                self.send_head(Body::default());
            }
            Phase::Started(_) => {
                let (sender, body) = Body::channel();
                self.send_head(body);
                sender.end(Err(BodyError::Short { missing }));
                return Err(Fault::TooShort(missing));
            }
            _ => {}
        }
        if let Phase::Streaming(sender) = std::mem::replace(&mut self.phase, Phase::Complete) {
            if missing > 0 {
                sender.end(Err(BodyError::Short { missing }));
                return Err(Fault::TooShort(missing));
            }
            sender.end(Ok(()));
        }
        if self.excess > 0 { Err(Fault::TooLong(self.excess)) } else { Ok(()) }
    }

    /// The application failed: a clean error while nothing was sent, else an aborted connection.
    pub(crate) fn fail(&mut self, error: WsgiError) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::New(reply) | Phase::Started(reply) => {
                self.tell_time();
                self.answer(reply, Err(error));
            }
            Phase::Streaming(sender) => sender.end(Err(BodyError::Application)),
            Phase::Complete | Phase::Over => {}
        }
    }

    /// Ends the request: whatever the application has kept of it does nothing any more. Gives the request's extensions,
    /// to be dropped when nobody borrows this any longer: they may have a `Drop` of their own.
    pub(crate) fn close(&mut self) -> Extensions {
        self.phase = Phase::Over;
        self.head = None;
        self.call = None;
        std::mem::take(&mut self.extensions)
    }

    /// Whether nobody would read another chunk.
    pub(crate) fn is_unread(&self) -> bool {
        match &self.phase {
            Phase::New(reply) | Phase::Started(reply) => reply.is_abandoned(),
            Phase::Streaming(sender) => sender.is_abandoned(),
            Phase::Complete | Phase::Over => self.has_left,
        }
    }

    fn has_body(&self) -> bool {
        match &self.phase {
            Phase::Started(_) => !self.is_head_request && !self.head.as_ref().is_some_and(Head::is_bodiless),
            Phase::Streaming(_) => true,
            Phase::New(_) | Phase::Complete | Phase::Over => false,
        }
    }

    /// Sends what is left of a chunk after the Content-Length was looked at.
    fn send(&mut self, chunk: Bytes) {
        if let Phase::Streaming(sender) = &self.phase {
            // Whether somebody reads is asked afterwards, in one place.
            let (Ok(()) | Err(Abandoned)) = sender.send(chunk);
            return;
        }
        if self.missing == Some(0) {
            self.send_head(Body::full(chunk));
            return;
        }
        let (sender, body) = Body::channel();
        if sender.send(chunk).is_ok() {
            self.send_head(body);
            self.phase = Phase::Streaming(sender);
        }
    }

    fn after_chunk(&self) -> Sent {
        match &self.phase {
            _ if self.excess > 0 => Sent::Enough,
            Phase::Streaming(sender) if sender.is_abandoned() => Sent::Enough,
            Phase::Streaming(sender) => sender.room().map_or(Sent::Yes, Sent::Wait),
            _ => Sent::Yes,
        }
    }

    /// Before anything is sent: whoever gets the answer may ask at once.
    fn tell_time(&mut self) {
        if let Some(clock) = self.clock.take() {
            clock.tell();
        }
    }

    /// What the request has brought, and so the memory of both, goes back to where it came from.
    fn answer(&mut self, reply: Reply<Box<Call>>, outcome: Outcome) {
        if let Some(mut call) = self.call.take() {
            call.outcome = Some(outcome);
            reply.send(call);
        }
    }

    fn send_head(&mut self, body: Body) {
        self.tell_time();
        if let Phase::Started(mut reply) = std::mem::replace(&mut self.phase, Phase::Complete)
            && let Some(head) = self.head.take()
        {
            if body.as_full().is_none() {
                // The first chunk of a stream waits for nobody else's answer.
                reply.is_urgent();
            }
            self.answer(reply, Ok(head.into_response(body)));
        }
    }
}
