//! Whatever arrives, in whatever pieces: no panic, and the pieces make no difference.

#[path = "../../../fuzz/bodies/dice.rs"]
mod dice;
#[path = "../../../fuzz/bodies/mutations.rs"]
mod mutations;

use ajp::answer::{Answer, Event, take_pong};
use ajp::packet::LEAST;
use bytes::BytesMut;

use self::dice::Dice;

/// What a container writes.
fn answer() -> Vec<u8> {
    let mut out = b"AB\0\x03\x06\x1f\xfa".to_vec();
    out.extend_from_slice(b"AB\0\x21\x04\0\xc8\0\x02OK\0\0\x02\xa0\x01\0\x04text\0\0\x03X-A\0\0\x05value\0");
    out.extend_from_slice(b"AB\0\x0a\x03\0\x06a body\0AB\0\x04\x03\0\0\0AB\0\x02\x05\x01");
    out
}

/// All events, or those before an error, and the error.
fn events(pieces: &[&[u8]]) -> (Vec<Event>, Option<String>) {
    let (mut answer, mut received, mut events) = (Answer::new(LEAST), BytesMut::new(), Vec::new());
    for piece in pieces {
        received.extend_from_slice(piece);
        loop {
            match answer.next(&mut received) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error.to_string())),
            }
        }
    }
    (events, None)
}

#[test]
fn an_answer_is_the_same_in_any_pieces() {
    let mut dice = Dice(0x5EED_0001);
    let (mut ends, mut failures) = (0, 0);
    for _ in 0..20_000 {
        let bytes = dice.mutated(answer());
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(1 + dice.roll(rest.len().min(20)));
            pieces.push(piece);
            rest = later;
        }
        let whole = events(&[&bytes]);
        assert_eq!(whole, events(&pieces), "{}", bytes.escape_ascii());
        ends += usize::from(matches!(whole.0.last(), Some(Event::End { .. })));
        failures += usize::from(whole.1.is_some());
    }
    assert!(ends > 1_000 && failures > 1_000, "{ends} ended, {failures} failed");
}

#[test]
fn what_was_written_is_read() {
    let (events, error) = events(&[&answer()]);
    assert_eq!((events.len(), error), (4, None));
}

#[test]
fn any_bytes_are_a_pong_or_not() {
    let mut dice = Dice(0x5EED_0002);
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..dice.roll(8)).map(|_| dice.byte()).collect();
        let answered = take_pong(&mut BytesMut::from(&[b"AB\0\x01", &bytes[..]].concat()[..]));
        assert_eq!(answered == Ok(true), bytes.first() == Some(&9), "{bytes:?}");
    }
}
