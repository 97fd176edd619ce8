//! Whatever arrives, in whatever pieces: no panic, and the pieces make no difference.

#[path = "../../../fuzz/bodies/dice.rs"]
mod dice;
#[path = "../../../fuzz/bodies/mutations.rs"]
mod mutations;

use bytes::BytesMut;
use fastcgi::answer::{Answer, Event};
use fastcgi::pairs;
use fastcgi::record::{self, Decoder, End, Record, Status, Stream};
use fastcgi::request::{self, KeepConnection};

use self::dice::Dice;

/// What both sides write in the course of a request.
fn traffic() -> Vec<u8> {
    let mut out = BytesMut::new();
    request::put_head(&mut out, KeepConnection::Yes, |add| {
        add(b"REQUEST_METHOD", b"POST");
        add(b"HTTP_COOKIE", &[b'c'; 300]);
    });
    request::put_body(&mut out, b"a body");
    request::put_end_of_body(&mut out);
    record::put_values(&mut out, b"\x0F\x01FCGI_MPXS_CONNS0");
    record::put_abort(&mut out, 1);
    [out.to_vec(), answer()].concat()
}

/// What an application writes.
fn answer() -> Vec<u8> {
    let mut out = BytesMut::new();
    record::put_stream(&mut out, Stream::Stdout, 1, b"Status: 200\r\n\r\nanswer");
    record::put_stream(&mut out, Stream::Stderr, 1, b"complaint");
    record::put_end(&mut out, 1, End { application: 3, status: Status::Complete });
    out.to_vec()
}

/// Splits bytes into pieces.
fn pieces<'a>(dice: &mut Dice, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(1 + dice.roll(bytes.len().min(40)));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// All records, the pieces of a stream that follow each other as one; and the error, if there is one.
fn records(pieces: &[&[u8]]) -> (Vec<Record>, Option<String>) {
    let (mut decoder, mut received) = (Decoder::default(), BytesMut::new());
    let mut records: Vec<Record> = Vec::new();
    for piece in pieces {
        received.extend_from_slice(piece);
        loop {
            match decoder.next(&mut received) {
                Ok(None) => break,
                Err(error) => return (records, Some(error.to_string())),
                Ok(Some(record)) => join(&mut records, record),
            }
        }
        assert!(received.len() < 8 + 4096, "{} bytes are kept", received.len());
    }
    (records, None)
}

fn join(records: &mut Vec<Record>, record: Record) {
    if let (
        Some(Record::Piece { request: known, stream: last, content: before }),
        Record::Piece { request, stream, content },
    ) = (records.last_mut(), &record)
        && (&*known, &*last) == (request, stream)
        && !content.is_empty()
        && !before.is_empty()
    {
        *before = [&**before, content].concat().into();
        return;
    }
    records.push(record);
}

#[test]
fn records_are_the_same_in_any_pieces() {
    let mut dice = Dice(0x5EED_0001);
    for _ in 0..20_000 {
        let bytes = dice.mutated(traffic());
        let whole = records(&[&bytes]);
        let split = records(&pieces(&mut dice, &bytes));
        assert_eq!(whole, split, "{}", bytes.escape_ascii());
    }
}

#[test]
fn an_answer_of_any_bytes_ends_or_fails_or_waits() {
    let mut dice = Dice(0x5EED_0002);
    let (mut ends, mut failures) = (0, 0);
    for _ in 0..20_000 {
        let bytes = match dice.roll(2) {
            0 => (0..dice.roll(100)).map(|_| dice.byte()).collect(),
            _ => dice.mutated(answer()),
        };
        let mut answer = Answer::default();
        let mut received = BytesMut::from(&*bytes);
        loop {
            match answer.next(&mut received) {
                Ok(Some(Event::End(_))) => {
                    ends += 1;
                    assert_eq!(answer.next(&mut received), Ok(None), "nothing follows the end");
                    break;
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    failures += 1;
                    break;
                }
            }
        }
    }
    assert!(ends > 1_000 && failures > 1_000, "{ends} ended, {failures} failed");
}

#[test]
fn lists_of_any_bytes_are_read_or_refused() {
    let mut dice = Dice(0x5EED_0003);
    let mut read = 0;
    for _ in 0..50_000 {
        let bytes: Vec<u8> =
            (0..dice.roll(24)).map(|_| if dice.roll(3) == 0 { dice.byte() } else { 1 }).collect();
        let length = bytes.len();
        if let Ok(list) = pairs::read(bytes.into()) {
            read += 1;
            let contents: usize = list.iter().map(|(name, value)| name.len() + value.len()).sum();
            assert!(contents <= length, "nothing is made up");
        }
    }
    assert!(read > 100, "only {read} were lists");
}
