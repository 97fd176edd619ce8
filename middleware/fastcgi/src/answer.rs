//! What a web server reads of a responder: its answer, its complaints, and the end.

use bytes::{Bytes, BytesMut};

use crate::record::{Decoder, End, REQUEST, Record, RecordError, Stream};

/// The answer to one request on a connection, as far as it has come.
#[derive(Debug, Default)]
pub struct Answer {
    decoder: Decoder,
    has_ended: bool,
}

/// What has come of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A piece of the CGI answer: its head, then its body
    Stdout(Bytes),
    /// A piece of what the application complains about
    Stderr(Bytes),
    /// The end; nothing more belongs to this request.
    End(End),
}

/// What no answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is not FastCGI.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A record that only a web server sends, or of a request that there is not.
    #[error("a record came that does not belong to the answer")]
    Unexpected,
}

impl Answer {
    /// Takes the next piece; `None` until more has arrived.
    pub fn next(&mut self, received: &mut BytesMut) -> Result<Option<Event>, AnswerError> {
        if self.has_ended {
            return Ok(None);
        }
        loop {
            let Some(record) = self.decoder.next(received)? else { return Ok(None) };
            match record {
                // Some applications flush what is nothing: the end is END_REQUEST alone.
                Record::Piece { request: REQUEST, stream: Stream::Stdout | Stream::Stderr, content }
                    if content.is_empty() => {}
                Record::Piece { request: REQUEST, stream: Stream::Stdout, content } => {
                    return Ok(Some(Event::Stdout(content)));
                }
                Record::Piece { request: REQUEST, stream: Stream::Stderr, content } => {
                    return Ok(Some(Event::Stderr(content)));
                }
                Record::End { request: REQUEST, end } => {
                    self.has_ended = true;
                    return Ok(Some(Event::End(end)));
                }
                _ => return Err(AnswerError::Unexpected),
            }
        }
    }

    /// Whether the answer has ended, and the connection may carry another request: nothing is left of this one.
    pub fn is_over(&self, received: &BytesMut) -> bool {
        self.has_ended && self.decoder.is_between_records() && received.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{self, Status};

    const WELL: End = End { application: 0, status: Status::Complete };

    fn events(out: &BytesMut) -> Result<Vec<Event>, AnswerError> {
        let (mut answer, mut received) = (Answer::default(), out.clone());
        let mut events = Vec::new();
        while let Some(event) = answer.next(&mut received)? {
            events.push(event);
        }
        Ok(events)
    }

    #[test]
    fn an_answer_is_its_streams_and_its_end() {
        let mut out = BytesMut::new();
        record::put_stream(&mut out, Stream::Stderr, REQUEST, b"careful");
        record::put_stream(&mut out, Stream::Stdout, REQUEST, b"head and body");
        record::put_stream_end(&mut out, Stream::Stdout, REQUEST);
        record::put_stream_end(&mut out, Stream::Stderr, REQUEST);
        record::put_end(&mut out, REQUEST, WELL);
        let expected =
            [Event::Stderr("careful".into()), Event::Stdout("head and body".into()), Event::End(WELL)];
        assert_eq!(events(&out).unwrap(), expected);
    }

    #[test]
    fn a_record_that_does_not_belong_is_an_error() {
        let put: [fn(&mut BytesMut); 6] = [
            |out| record::put_stream(out, Stream::Stdout, 2, b"of another request"),
            |out| record::put_stream(out, Stream::Stdin, REQUEST, b"a request's"),
            |out| record::put_end(out, 2, WELL),
            |out| record::put_begin(out, REQUEST, true),
            |out| record::put_abort(out, REQUEST),
            |out| record::put_values(out, b"never asked for"),
        ];
        for put in put {
            let mut out = BytesMut::new();
            put(&mut out);
            assert_eq!(events(&out), Err(AnswerError::Unexpected));
        }
    }

    #[test]
    fn what_follows_the_end_spoils_the_connection() {
        let mut out = BytesMut::new();
        record::put_end(&mut out, REQUEST, WELL);
        for (more, is_over) in [("", true), ("x", false)] {
            let (mut answer, mut received) = (Answer::default(), out.clone());
            received.extend_from_slice(more.as_bytes());
            assert_eq!(answer.next(&mut received), Ok(Some(Event::End(WELL))));
            assert_eq!(answer.next(&mut received), Ok(None));
            assert_eq!(answer.is_over(&received), is_over);
        }
    }
}
