//! What a web server sends, read as it comes.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::mpsc::Sender;

use super::outgoing::Outgoing;
use super::{Limits, ServeError};
use crate::pairs;
use crate::record::{self, Decoder, End, Record, Role, Status, Stream};

/// How much is read at once.
const BUFFER: usize = 32 << 10;

/// The most that is answered, while a request is under way, to what has nothing to do with it.
const MOST_REPLIES: usize = 4 << 10;

/// The most that is read of a body that nobody wants.
const MOST_SKIPPED: usize = 64 << 10;

/// The reading side of a connection.
pub(super) struct Incoming<R> {
    reader: R,
    limits: Limits,
    decoder: Decoder,
    received: BytesMut,
    /// What is to be written when the answer is.
    replies: BytesMut,
}

/// A request whose variables are there.
pub(super) struct Begun {
    pub(super) request: u16,
    pub(super) keep: bool,
    pub(super) variables: BytesMut,
}

/// Where the body of a request is sent, until its end.
pub(super) struct Sending {
    pub(super) request: u16,
    pub(super) to: Sender<Bytes>,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(super) fn new(reader: R, limits: Limits) -> Self {
        Self {
            reader,
            limits,
            decoder: Decoder::default(),
            received: BytesMut::new(),
            replies: BytesMut::new(),
        }
    }

    /// The next request; `None` where the web server has left.
    pub(super) async fn begin<W: AsyncWrite + Unpin>(
        &mut self,
        outgoing: &mut Outgoing<W>,
    ) -> Result<Option<Begun>, ServeError> {
        let mut begun: Option<Begun> = None;
        loop {
            let Some(record) = self.next().await? else {
                return if begun.is_some() { Err(ServeError::Aborted) } else { Ok(None) };
            };
            match (&mut begun, record) {
                (None, Record::Begin { request, role: Role::Responder, keep }) => {
                    begun = Some(Begun { request, keep, variables: BytesMut::new() });
                }
                (Some(known), Record::Piece { request, stream: Stream::Params, content })
                    if request == known.request =>
                {
                    if content.is_empty() {
                        return Ok(begun);
                    }
                    if known.variables.len() + content.len() > self.limits.variables {
                        return Err(ServeError::TooLarge(self.limits.variables));
                    }
                    known.variables.extend_from_slice(&content);
                }
                (Some(known), Record::Abort { request }) if request == known.request => {
                    begun = None;
                    let end = End { application: 0, status: Status::Complete };
                    record::put_end(&mut self.replies, request, end);
                }
                (_, record) => self.answer_beside(record, begun.is_some())?,
            }
            outgoing.write(self.replies()).await?;
        }
    }

    /// Reads what comes while a request is answered: its body, and its abort, which is all that ends this.
    pub(super) async fn pump(&mut self, sending: &mut Option<Sending>) -> ServeError {
        // Known after the body has ended, too.
        let current = sending.as_ref().map_or(0, |sending| sending.request);
        loop {
            let record = match self.next().await {
                Ok(Some(record)) => record,
                Ok(None) => return ServeError::Aborted,
                Err(error) => return error,
            };
            match (&*sending, record) {
                (_, Record::Abort { request }) if request == current => return ServeError::Aborted,
                (Some(known), Record::Piece { request, stream: Stream::Stdin, content })
                    if request == known.request =>
                {
                    if content.is_empty() {
                        *sending = None;
                    } else {
                        // Whoever wants no more of it has dropped the other end.
                        drop(known.to.send(content).await);
                    }
                }
                (_, record) => {
                    if let Err(error) = self.answer_beside(record, true) {
                        return error;
                    }
                }
            }
        }
    }

    /// Reads the rest of a body that was not waited for. False where it is long: a new connection is cheaper.
    pub(super) async fn skip_body(&mut self, sending: &mut Option<Sending>) -> Result<bool, ServeError> {
        let mut skipped = 0;
        while let Some(Sending { request: current, .. }) = sending {
            match self.next().await? {
                None | Some(Record::Abort { .. }) => return Ok(false),
                Some(Record::Piece { request, stream: Stream::Stdin, content }) if request == *current => {
                    skipped += content.len();
                    if content.is_empty() {
                        *sending = None;
                    }
                }
                Some(record) => self.answer_beside(record, true)?,
            }
            if skipped > MOST_SKIPPED {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What has to be said beside the answer.
    pub(super) fn replies(&mut self) -> BytesMut {
        self.replies.split()
    }

    /// Answers what has nothing to do with the current request. Records of requests that there are not are left out
    /// (section 3.3).
    fn answer_beside(&mut self, record: Record, is_busy: bool) -> Result<(), ServeError> {
        let out = &mut self.replies;
        match record {
            Record::Begin { request, role, .. } => {
                let status = if role == Role::Responder && is_busy {
                    Status::CannotMultiplex
                } else {
                    Status::UnknownRole
                };
                record::put_end(out, request, End { application: 0, status });
            }
            Record::GetValues(asked) => {
                let mut values = BytesMut::new();
                for (name, _) in pairs::read(asked)? {
                    match &*name {
                        b"FCGI_MPXS_CONNS" => pairs::put(&mut values, &name, b"0"),
                        b"FCGI_MAX_REQS" => pairs::put(&mut values, &name, b"1"),
                        _ => {}
                    }
                }
                record::put_values(out, &values);
            }
            Record::Unknown { request: 0, kind } => record::put_unknown(out, kind),
            _ => {}
        }
        if out.len() > MOST_REPLIES { Err(ServeError::TooLarge(MOST_REPLIES)) } else { Ok(()) }
    }

    /// The next record; `None` at the end. Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Result<Option<Record>, ServeError> {
        loop {
            if let Some(record) = self.decoder.next(&mut self.received)? {
                return Ok(Some(record));
            }
            self.received.reserve(BUFFER);
            if self.reader.read_buf(&mut self.received).await? == 0 {
                return Ok(None);
            }
        }
    }
}
