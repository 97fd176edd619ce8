//! What a web server reads of a container: its answer, what it wants of the body, and the end.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_environ::answer::{HeadError, append};

use crate::packet::{self, PacketError, Reader};

const SEND_BODY_CHUNK: u8 = 3;
const SEND_HEADERS: u8 = 4;
const END_RESPONSE: u8 = 5;
const GET_BODY_CHUNK: u8 = 6;
const CPONG: u8 = 9;

/// Names of headers that have a number, from 0xA001 on.
const NAMES: [&str; 11] = [
    "content-type",
    "content-language",
    "content-length",
    "date",
    "last-modified",
    "location",
    "set-cookie",
    "set-cookie2",
    "servlet-engine",
    "status",
    "www-authenticate",
];

/// The answer to one request on a connection, as far as it has come.
#[derive(Debug)]
pub struct Answer {
    /// The size of packets.
    most: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    BeforeHead,
    Body,
    Ended,
}

/// What has come of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The head
    Head {
        /// Its status
        status: StatusCode,
        /// Its headers, without those that concern a connection
        headers: HeaderMap,
    },
    /// A piece of the body
    Body(Bytes),
    /// The container waits for the next piece of the request's body, and takes so many bytes.
    Wants(usize),
    /// The end; nothing more belongs to this request.
    End {
        /// Whether another request may follow on the connection
        is_reusable: bool,
    },
}

/// What no answer may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is not AJP.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// A packet of a kind that no container sends
    #[error("a packet is of the kind {0}")]
    Kind(u8),
    /// A packet out of its order
    #[error("a packet of the kind {0} does not belong there")]
    Order(u8),
    /// A header has a number that no header has.
    #[error("a header has the number {0:#06x}")]
    Header(u16),
    /// Its head is not one.
    #[error(transparent)]
    Head(#[from] HeadError),
}

impl Answer {
    /// An answer of which nothing has come. `most` is the size of packets.
    pub fn new(most: usize) -> Self {
        Self { most, stage: Stage::BeforeHead }
    }

    /// Takes what comes next; `None` until more has arrived.
    pub fn next(&mut self, received: &mut BytesMut) -> Result<Option<Event>, AnswerError> {
        while self.stage != Stage::Ended {
            let Some(content) = packet::next(received, self.most)? else { return Ok(None) };
            let mut content = Reader::new(content);
            match (content.byte()?, self.stage) {
                (SEND_HEADERS, Stage::BeforeHead) => {
                    self.stage = Stage::Body;
                    return head(&mut content).map(Some);
                }
                (SEND_BODY_CHUNK, Stage::Body) => {
                    let length = content.number()?;
                    let piece = content.bytes(length)?;
                    // An empty one says that what came before is to be sent on at once, as everything is.
                    if !piece.is_empty() {
                        return Ok(Some(Event::Body(piece)));
                    }
                }
                (GET_BODY_CHUNK, _) => return Ok(Some(Event::Wants(usize::from(content.number()?)))),
                (END_RESPONSE, Stage::Body) => {
                    self.stage = Stage::Ended;
                    return Ok(Some(Event::End { is_reusable: content.byte()? != 0 }));
                }
                (kind @ (SEND_HEADERS | SEND_BODY_CHUNK | END_RESPONSE | CPONG), _) => {
                    return Err(AnswerError::Order(kind));
                }
                (kind, _) => return Err(AnswerError::Kind(kind)),
            }
        }
        Ok(None)
    }

    /// Whether the answer has ended, and nothing of the connection is left of it.
    pub fn is_over(&self, received: &BytesMut) -> bool {
        self.stage == Stage::Ended && received.is_empty()
    }
}

fn head(content: &mut Reader) -> Result<Event, AnswerError> {
    let number = content.number()?;
    let bad = || HeadError::Status(number.to_string());
    let status = StatusCode::from_u16(number).map_err(|_| bad())?;
    if status.is_informational() {
        return Err(bad().into());
    }
    // The reason, which HTTP does not need.
    content.string()?;
    let mut headers = HeaderMap::new();
    for _ in 0..content.number()? {
        let name = name(content)?;
        let value = content.string()?;
        let value = HeaderValue::from_bytes(value.trim_ascii())
            .map_err(|_| HeadError::Field(format!("{name}: {}", value.escape_ascii())))?;
        append(&mut headers, name, value)?;
    }
    Ok(Event::Head { status, headers })
}

/// The name of a header: its number, or its text.
fn name(content: &mut Reader) -> Result<HeaderName, AnswerError> {
    let number = content.number()?;
    if let [0xA0, low] = number.to_be_bytes() {
        let known = usize::from(low).checked_sub(1).and_then(|at| NAMES.get(at));
        return known.map(|name| HeaderName::from_static(name)).ok_or(AnswerError::Header(number));
    }
    let text = content.string_of(number)?;
    let name = HeaderName::from_bytes(&text);
    Ok(name.map_err(|_| HeadError::Field(text.escape_ascii().to_string()))?)
}

/// Takes the answer to a [ping](crate::request::PING); false until it is here.
pub fn take_pong(received: &mut BytesMut) -> Result<bool, AnswerError> {
    let Some(content) = packet::next(received, packet::LEAST)? else { return Ok(false) };
    match Reader::new(content).byte()? {
        CPONG => Ok(true),
        kind => Err(AnswerError::Order(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::LEAST;

    /// Packets of these contents, as a container sends them.
    fn packets(contents: &[&[u8]]) -> BytesMut {
        let mut out = BytesMut::new();
        for content in contents {
            out.extend_from_slice(b"AB");
            out.extend_from_slice(&u16::try_from(content.len()).unwrap().to_be_bytes());
            out.extend_from_slice(content);
        }
        out
    }

    fn events(contents: &[&[u8]]) -> Result<Vec<Event>, AnswerError> {
        let (mut answer, mut received, mut events) = (Answer::new(LEAST), packets(contents), Vec::new());
        while let Some(event) = answer.next(&mut received)? {
            events.push(event);
        }
        Ok(events)
    }

    const HEAD: &[u8] = b"\x04\x01\x94\0\x02No\0\0\x02\xa0\x01\0\x04text\0\0\x03X-A\0\0\x01b\0";
    const EMPTY_HEAD: &[u8] = b"\x04\0\xc8\xff\xff\0\0";
    const END: &[u8] = b"\x05\x01";

    #[test]
    fn an_answer_is_its_head_its_body_and_its_end() {
        let contents: [&[u8]; 6] =
            [b"\x06\x1f\xfa", HEAD, b"\x03\0\x03abc\0", b"\x03\0\0\0", b"\x03\0\x01d", b"\x05\0"];
        let told = events(&contents).unwrap();
        let Event::Head { status, headers } = &told[1] else { panic!("{told:?}") };
        assert_eq!((status.as_u16(), headers.len()), (404, 2));
        assert_eq!(
            (&headers["content-type"], &headers["x-a"]),
            (&"text".parse().unwrap(), &"b".parse().unwrap())
        );
        let rest = [Event::Body("abc".into()), Event::Body("d".into()), Event::End { is_reusable: false }];
        assert_eq!((&told[0], &told[2..]), (&Event::Wants(0x1ffa), rest.as_slice()));
    }

    #[test]
    fn what_concerns_a_connection_is_left_out_of_a_head() {
        let head = b"\x04\0\xc8\0\0\0\0\x02\0\x0aConnection\0\0\x05close\0\xa0\x03\0\x017\0";
        let [Event::Head { headers, .. }] = &events(&[head]).unwrap()[..] else { panic!("one head") };
        assert_eq!((headers.len(), &headers["content-length"]), (1, &"7".parse().unwrap()));
    }

    #[test]
    fn a_packet_that_does_not_belong_there_is_an_error() {
        for (contents, error) in [
            (&[END][..], AnswerError::Order(5)),
            (&[b"\x03\0\x01a"], AnswerError::Order(3)),
            (&[EMPTY_HEAD, EMPTY_HEAD], AnswerError::Order(4)),
            (&[EMPTY_HEAD, b"\x09"], AnswerError::Order(9)),
            (&[b"\x02"], AnswerError::Kind(2)),
            (&[b"\x04\0\xc8\0\0\0\0\x01\xa0\x0c\0\0\0"], AnswerError::Header(0xa00c)),
            (&[b"\x04\0\xc8\0\0\0\0\x01\xa0\0\0\0\0"], AnswerError::Header(0xa000)),
            (&[b"\x04\0\x63\0\0\0\0\0"], HeadError::Status("99".into()).into()),
            (&[b"\x04\0\x64\0\0\0\0\0"], HeadError::Status("100".into()).into()),
            (&[b"\x04\0\xc8\0\0\0\0\x01\0\x02A \0\0\0\0"], HeadError::Field("A ".into()).into()),
            (&[b"\x04\0\xc8\0\0\0\0\x01\0\x01A\0\0\x03b\rc\0"], HeadError::Field("a: b\\rc".into()).into()),
            (&[b"\x04\0\xc8\0\0\0\0\x01\xa0\x03\0\x02+1\0"], HeadError::ContentLength.into()),
            (&[b"\x04\0\xc8\0\0\0\0\x09"], PacketError::Short.into()),
            (&[EMPTY_HEAD, b"\x03\0\x02a"], PacketError::Short.into()),
            (&[EMPTY_HEAD, b"\x05"], PacketError::Short.into()),
        ] {
            assert_eq!(events(contents), Err(error), "{contents:?}");
        }
    }

    #[test]
    fn what_follows_the_end_spoils_the_connection() {
        for (more, is_over) in [(&b""[..], true), (b"x", false)] {
            let mut received = packets(&[EMPTY_HEAD, END]);
            received.extend_from_slice(more);
            let mut answer = Answer::new(LEAST);
            while answer.next(&mut received).unwrap().is_some() {}
            assert_eq!(answer.is_over(&received), is_over);
        }
    }

    #[test]
    fn a_pong_answers_a_ping() {
        assert_eq!(take_pong(&mut packets(&[b"\x09"])), Ok(true));
        assert_eq!(take_pong(&mut BytesMut::from(&b"AB\0\x01"[..])), Ok(false));
        assert_eq!(take_pong(&mut packets(&[END])), Err(AnswerError::Order(5)));
    }
}
