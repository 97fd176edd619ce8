//! What a servlet container sends: pieces make no difference, and nothing follows the end.

use ajp::answer::{Answer, AnswerError, Event};
use ajp::packet::LEAST;
use bytes::BytesMut;

pub(crate) fn run(data: &[u8]) {
    let Some((&split, data)) = data.split_first() else { return };
    let split = usize::from(split).min(data.len());
    assert_eq!(events(&[data]), events(&[&data[..split], &data[split..]]));
}

fn events(pieces: &[&[u8]]) -> (Vec<Event>, Option<AnswerError>) {
    let (mut answer, mut received, mut events) = (Answer::new(LEAST), BytesMut::new(), Vec::new());
    for piece in pieces {
        received.extend_from_slice(piece);
        loop {
            match answer.next(&mut received) {
                Ok(Some(event)) => {
                    assert!(!matches!(events.last(), Some(Event::End { .. })), "nothing follows the end");
                    events.push(event);
                }
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}
