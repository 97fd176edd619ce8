//! Records: eight bytes of head, content, padding (section 3.3 of the specification).

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// `FCGI_VERSION_1`
const VERSION: u8 = 1;

/// The length of a record's head.
pub const HEAD: usize = 8;

/// The most that one record holds.
pub const MOST_CONTENT: usize = 0xFFFF;

/// The number that one request at a time on a connection has; 0 is for the connection itself.
pub const REQUEST: u16 = 1;

/// The most that is kept of one record that is not part of a stream.
const MOST_KEPT: usize = 4 << 10;

mod kind {
    pub(super) const BEGIN_REQUEST: u8 = 1;
    pub(super) const ABORT_REQUEST: u8 = 2;
    pub(super) const END_REQUEST: u8 = 3;
    pub(super) const GET_VALUES: u8 = 9;
    pub(super) const GET_VALUES_RESULT: u8 = 10;
    pub(super) const UNKNOWN_TYPE: u8 = 11;
}

/// The kinds of records that make up streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    /// The variables of a request
    Params = 4,
    /// The body of a request
    Stdin = 5,
    /// The answer
    Stdout = 6,
    /// What an application complains about
    Stderr = 7,
    /// A file to filter; no responder gets one
    Data = 8,
}

impl Stream {
    fn of(kind: u8) -> Option<Self> {
        [Self::Params, Self::Stdin, Self::Stdout, Self::Stderr, Self::Data]
            .into_iter()
            .find(|stream| *stream as u8 == kind)
    }
}

/// What an application is asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It answers a request.
    Responder,
    /// Authorizer, filter, or a role that nobody knows.
    Other(u16),
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The answer is whole.
    Complete,
    /// The application serves one request at a time on a connection.
    CannotMultiplex,
    /// The application has no means for another request.
    Overloaded,
    /// The application does not play the role.
    UnknownRole,
}

impl Status {
    const ALL: [Self; 4] = [Self::Complete, Self::CannotMultiplex, Self::Overloaded, Self::UnknownRole];

    fn number(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::CannotMultiplex => 1,
            Self::Overloaded => 2,
            Self::UnknownRole => 3,
        }
    }
}

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The application's own status, as an exit code; 0 is well.
    pub application: u32,
    /// How the request ended.
    pub status: Status,
}

/// What arrives: a whole record, or a piece of one of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A request begins.
    Begin {
        /// Its number
        request: u16,
        /// What the application is asked to be
        role: Role,
        /// Whether the connection is used again
        keep: bool,
    },
    /// Nobody waits for the request any more.
    Abort {
        /// Its number
        request: u16,
    },
    /// A request has ended.
    End {
        /// Its number
        request: u16,
        /// How
        end: End,
    },
    /// A piece of a stream; an empty one is its end.
    Piece {
        /// The request's number
        request: u16,
        /// Which stream
        stream: Stream,
        /// What has come of it
        content: Bytes,
    },
    /// The web server asks for properties of the application, as [pairs](crate::pairs) without values.
    GetValues(Bytes),
    /// The application's answer to that.
    Values(Bytes),
    /// A record of a kind that is not known here; its content is left out.
    Unknown {
        /// The request's number
        request: u16,
        /// The kind
        kind: u8,
    },
}

/// What no record may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The version is not 1.
    #[error("a record has the version {0}, and not 1")]
    Version(u8),
    /// A record of fixed length has another one.
    #[error("a record of kind {kind} is {length} bytes long")]
    Length {
        /// The kind
        kind: u8,
        /// Its length
        length: usize,
    },
    /// The protocol status is none of the four.
    #[error("a request ended with the unknown protocol status {0}")]
    Status(u8),
    /// A request has the number 0, or the connection another one.
    #[error("a record of kind {kind} has the request number {request}")]
    Request {
        /// The kind
        kind: u8,
        /// The number
        request: u16,
    },
}

/// Reads records from what has arrived so far.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    /// In a stream's content.
    Stream { request: u16, stream: Stream, left: usize, padding: usize },
    /// Before content that is kept until it is whole.
    Whole { request: u16, kind: u8, length: usize, padding: usize },
    /// In what is thrown away.
    Skip(usize),
}

impl Decoder {
    /// Takes the next record, or piece of one; `None` until more has arrived.
    pub fn next(&mut self, received: &mut BytesMut) -> Result<Option<Record>, RecordError> {
        loop {
            match self.state {
                State::Skip(count) => {
                    let here = count.min(received.len());
                    received.advance(here);
                    if here < count {
                        self.state = State::Skip(count - here);
                        return Ok(None);
                    }
                    self.state = State::Head;
                }
                State::Head => {
                    let Some(head) = received.first_chunk::<HEAD>() else { return Ok(None) };
                    let head = *head;
                    received.advance(HEAD);
                    if let Some(record) = self.begin(head)? {
                        return Ok(Some(record));
                    }
                }
                State::Stream { request, stream, left, padding } => {
                    if received.is_empty() {
                        return Ok(None);
                    }
                    let content = received.split_to(left.min(received.len())).freeze();
                    let left = left - content.len();
                    self.state = if left == 0 {
                        State::Skip(padding)
                    } else {
                        State::Stream { request, stream, left, padding }
                    };
                    return Ok(Some(Record::Piece { request, stream, content }));
                }
                State::Whole { request, kind, length, padding } => {
                    if received.len() < length {
                        return Ok(None);
                    }
                    let content = received.split_to(length).freeze();
                    self.state = State::Skip(padding);
                    return whole(request, kind, content).map(Some);
                }
            }
        }
    }

    /// Whether a record has ended, and none has begun.
    pub fn is_between_records(&self) -> bool {
        matches!(self.state, State::Head | State::Skip(0))
    }

    /// Follows a head; the end of a stream is all of its record.
    fn begin(&mut self, head: [u8; HEAD]) -> Result<Option<Record>, RecordError> {
        let [version, kind, request_1, request_0, length_1, length_0, padding, _] = head;
        if version != VERSION {
            return Err(RecordError::Version(version));
        }
        let request = u16::from_be_bytes([request_1, request_0]);
        let length = usize::from(u16::from_be_bytes([length_1, length_0]));
        let padding = usize::from(padding);
        if let Some(stream) = Stream::of(kind) {
            if request == 0 {
                return Err(RecordError::Request { kind, request });
            }
            if length == 0 {
                self.state = State::Skip(padding);
                return Ok(Some(Record::Piece { request, stream, content: Bytes::new() }));
            }
            self.state = State::Stream { request, stream, left: length, padding };
            return Ok(None);
        }
        let is_right = match kind {
            kind::BEGIN_REQUEST | kind::END_REQUEST | kind::UNKNOWN_TYPE => length == 8,
            kind::ABORT_REQUEST => length == 0,
            kind::GET_VALUES | kind::GET_VALUES_RESULT => length <= MOST_KEPT,
            _ => {
                self.state = State::Skip(length + padding);
                return Ok(Some(Record::Unknown { request, kind }));
            }
        };
        if !is_right {
            return Err(RecordError::Length { kind, length });
        }
        let is_of_connection =
            matches!(kind, kind::GET_VALUES | kind::GET_VALUES_RESULT | kind::UNKNOWN_TYPE);
        if is_of_connection != (request == 0) {
            return Err(RecordError::Request { kind, request });
        }
        self.state = State::Whole { request, kind, length, padding };
        Ok(None)
    }
}

/// Reads a record that is not part of a stream; its length was looked at.
fn whole(request: u16, kind: u8, content: Bytes) -> Result<Record, RecordError> {
    let wrong = RecordError::Length { kind, length: content.len() };
    match kind {
        kind::GET_VALUES => return Ok(Record::GetValues(content)),
        kind::GET_VALUES_RESULT => return Ok(Record::Values(content)),
        kind::ABORT_REQUEST => return Ok(Record::Abort { request }),
        _ => {}
    }
    let Ok([first, second, third, fourth, fifth, ..]) = <[u8; 8]>::try_from(&*content) else {
        return Err(wrong);
    };
    Ok(match kind {
        kind::BEGIN_REQUEST => {
            let role = match u16::from_be_bytes([first, second]) {
                1 => Role::Responder,
                other => Role::Other(other),
            };
            Record::Begin { request, role, keep: third & 1 == 1 }
        }
        kind::END_REQUEST => {
            let application = u32::from_be_bytes([first, second, third, fourth]);
            let status = Status::ALL.into_iter().find(|status| status.number() == fifth);
            Record::End {
                request,
                end: End { application, status: status.ok_or(RecordError::Status(fifth))? },
            }
        }
        // What the other side did not know.
        _ => Record::Unknown { request, kind: first },
    })
}

fn put_record(out: &mut BytesMut, kind: u8, request: u16, content: &[u8]) {
    debug_assert!(content.len() <= MOST_CONTENT, "whoever has more splits it");
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    out.put_slice(&head(kind, request, length));
    out.put_slice(content);
}

fn head(kind: u8, request: u16, length: u16) -> [u8; HEAD] {
    let [request_1, request_0] = request.to_be_bytes();
    let [length_1, length_0] = length.to_be_bytes();
    [VERSION, kind, request_1, request_0, length_1, length_0, 0, 0]
}

/// The head of a stream's record, whose content of at most [`MOST_CONTENT`] bytes the caller sends behind it.
pub fn stream_head(stream: Stream, request: u16, length: u16) -> [u8; HEAD] {
    head(stream as u8, request, length)
}

/// Writes the beginning of a request to a responder.
pub fn put_begin(out: &mut BytesMut, request: u16, keep: bool) {
    put_record(out, kind::BEGIN_REQUEST, request, &[0, 1, u8::from(keep), 0, 0, 0, 0, 0]);
}

/// Writes that nobody waits for a request any more.
pub fn put_abort(out: &mut BytesMut, request: u16) {
    put_record(out, kind::ABORT_REQUEST, request, &[]);
}

/// Writes the end of a request.
pub fn put_end(out: &mut BytesMut, request: u16, end: End) {
    let mut content = [0; 8];
    content[..4].copy_from_slice(&end.application.to_be_bytes());
    content[4] = end.status.number();
    put_record(out, kind::END_REQUEST, request, &content);
}

/// Writes contents of a stream, in as many records as they need; of nothing, nothing: an empty record would end the stream.
pub fn put_stream(out: &mut BytesMut, stream: Stream, request: u16, content: &[u8]) {
    for piece in content.chunks(MOST_CONTENT) {
        put_record(out, stream as u8, request, piece);
    }
}

/// Writes the end of a stream.
pub fn put_stream_end(out: &mut BytesMut, stream: Stream, request: u16) {
    put_record(out, stream as u8, request, &[]);
}

/// Writes properties, as [pairs](crate::pairs), that a web server has asked for.
pub fn put_values(out: &mut BytesMut, pairs: &[u8]) {
    put_record(out, kind::GET_VALUES_RESULT, 0, pairs.get(..MOST_CONTENT).unwrap_or(pairs));
}

/// Writes that a record of the connection is of a kind that is not known here.
pub fn put_unknown(out: &mut BytesMut, kind: u8) {
    put_record(out, kind::UNKNOWN_TYPE, 0, &[kind, 0, 0, 0, 0, 0, 0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(decoder: &mut Decoder, bytes: &[u8]) -> Result<Vec<Record>, RecordError> {
        let mut received = BytesMut::from(bytes);
        let mut records = Vec::new();
        while let Some(record) = decoder.next(&mut received)? {
            records.push(record);
        }
        Ok(records)
    }

    fn decoded(bytes: &[u8]) -> Result<Vec<Record>, RecordError> {
        all(&mut Decoder::default(), bytes)
    }

    fn piece(stream: Stream, content: &'static str) -> Record {
        Record::Piece { request: 7, stream, content: content.into() }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = BytesMut::new();
        let end = End { application: 70_000, status: Status::Overloaded };
        put_begin(&mut out, 7, true);
        put_stream(&mut out, Stream::Params, 7, b"params");
        put_stream(&mut out, Stream::Params, 7, b"");
        put_stream_end(&mut out, Stream::Params, 7);
        put_stream(&mut out, Stream::Stderr, 7, b"oh");
        put_abort(&mut out, 7);
        put_end(&mut out, 7, end);
        put_values(&mut out, b"\x01\x01a1");
        put_unknown(&mut out, 99);
        let expected = [
            Record::Begin { request: 7, role: Role::Responder, keep: true },
            piece(Stream::Params, "params"),
            piece(Stream::Params, ""),
            piece(Stream::Stderr, "oh"),
            Record::Abort { request: 7 },
            Record::End { request: 7, end },
            Record::Values(b"\x01\x01a1".as_slice().into()),
            Record::Unknown { request: 0, kind: 99 },
        ];
        assert_eq!(decoded(&out).unwrap(), expected);
    }

    #[test]
    fn long_contents_take_several_records() {
        let content = vec![b'x'; 2 * MOST_CONTENT + 1];
        let mut out = BytesMut::new();
        put_stream(&mut out, Stream::Stdin, 1, &content);
        assert_eq!(out.len(), content.len() + 3 * HEAD);
        let records = decoded(&out).unwrap();
        let lengths = records.iter().map(|record| match record {
            Record::Piece { content, .. } => content.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(lengths.collect::<Vec<_>>(), [MOST_CONTENT, MOST_CONTENT, 1]);
    }

    #[test]
    fn padding_is_left_out_wherever_it_is_split() {
        let bytes = b"\x01\x06\0\x07\0\x02\x03\0hi...\x01\x06\0\x07\0\0\x02\0..";
        for split in 0..=bytes.len() {
            let (first, second) = bytes.split_at(split);
            let (mut decoder, mut received) = (Decoder::default(), BytesMut::new());
            let mut text = Vec::new();
            let mut ends = 0;
            for part in [first, second] {
                received.extend_from_slice(part);
                while let Some(record) = decoder.next(&mut received).unwrap() {
                    let Record::Piece { content, .. } = record else { panic!("{record:?}") };
                    ends += usize::from(content.is_empty());
                    text.extend_from_slice(&content);
                }
            }
            assert_eq!((text.as_slice(), ends, received.len()), (b"hi".as_slice(), 1, 0), "{split}");
            assert!(decoder.is_between_records());
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for (bytes, error) in [
            (b"HTTP/1.1".as_slice(), RecordError::Version(b'H')),
            (b"\x01\x03\0\x01\0\x07\0\0", RecordError::Length { kind: 3, length: 7 }),
            (b"\x01\x02\0\x01\0\x01\0\0", RecordError::Length { kind: 2, length: 1 }),
            (b"\x01\x09\0\0\xFF\xFF\0\0", RecordError::Length { kind: 9, length: 65_535 }),
            (b"\x01\x06\0\0\0\x01\0\0", RecordError::Request { kind: 6, request: 0 }),
            (b"\x01\x03\0\0\0\x08\0\0", RecordError::Request { kind: 3, request: 0 }),
            (b"\x01\x09\0\x01\0\0\0\0", RecordError::Request { kind: 9, request: 1 }),
            (b"\x01\x03\0\x01\0\x08\0\0\0\0\0\0\x04\0\0\0", RecordError::Status(4)),
        ] {
            assert_eq!(decoded(bytes), Err(error));
        }
    }

    #[test]
    fn an_unknown_kind_is_told_and_its_content_left_out() {
        let bytes = b"\x01\x63\0\x01\0\x02\x01\0ab.\x01\x02\0\x01\0\0\0\0";
        assert_eq!(
            decoded(bytes).unwrap(),
            [Record::Unknown { request: 1, kind: 99 }, Record::Abort { request: 1 }]
        );
    }
}
