//! What the other side of a FastCGI connection sends: pieces make no difference, and what is read says what was there.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fastcgi::answer::{Answer, Event};
use fastcgi::pairs;
use fastcgi::record::{Decoder, Record};
use http_environ::answer::{end_of_head, read, read_non_parsed, read_with_status_line};
use http_environ::{Server, View, from_variables};

pub(crate) fn run(data: &[u8]) {
    let Some((&split, data)) = data.split_first() else { return };
    let split = usize::from(split).min(data.len());
    assert_eq!(contents(&[data]), contents(&[&data[..split], &data[split..]]));
    answer(data);
    head(data, split);
    variables(data);
}

/// The kinds of records and what their streams hold, whatever pieces they came in; and whether there was an error.
fn contents(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let (mut decoder, mut received, mut contents) = (Decoder::default(), BytesMut::new(), Vec::new());
    for piece in pieces {
        received.extend_from_slice(piece);
        loop {
            match decoder.next(&mut received) {
                Ok(Some(Record::Piece { stream, content, .. })) => {
                    contents.extend(content.iter().flat_map(|byte| [stream as u8, *byte]));
                }
                Ok(Some(record)) => contents.extend(format!("{record:?}").into_bytes()),
                Ok(None) => break,
                Err(_) => return (contents, true),
            }
        }
    }
    (contents, false)
}

/// Nothing follows the end of an answer.
fn answer(data: &[u8]) {
    let (mut answer, mut received) = (Answer::default(), BytesMut::from(data));
    while let Ok(Some(event)) = answer.next(&mut received) {
        if let Event::End(_) = event {
            assert_eq!(answer.next(&mut received), Ok(None));
        }
    }
}

/// A head ends where it ends, however it arrived.
fn head(data: &[u8], split: usize) {
    let end = end_of_head(data, 0);
    match end_of_head(&data[..split], 0) {
        Some(early) => assert_eq!(end, Some(early)),
        None => assert_eq!(end_of_head(data, split), end),
    }
    // A head is one or has an error; one that is not to be parsed is also one that may begin with a status line.
    let head = &data[..end.unwrap_or(data.len())];
    drop(read(head));
    if let Ok(non_parsed) = read_non_parsed(head) {
        assert_eq!(read_with_status_line(head), Ok(non_parsed));
    }
}

/// A request of variables has these variables, and no header that a client may not send.
fn variables(data: &[u8]) {
    let Ok(list) = pairs::read(Bytes::copy_from_slice(data)) else { return };
    let list: Vec<_> = list.iter().map(|(name, value)| (&**name, &**value)).collect();
    let Ok(parts) = from_variables::request(list, &Arc::new(Server::default())) else { return };
    let mut sent = BytesMut::new();
    View::of_parts(&parts).for_each(|name, value| {
        assert_ne!(name, "HTTP_PROXY");
        pairs::put(&mut sent, name.as_bytes(), value);
    });
    let list = pairs::read(sent.freeze()).expect("it was written a moment ago");
    let list = list.iter().map(|(name, value)| (&**name, &**value));
    let again = from_variables::request(list, &Arc::new(Server::default())).expect("a request");
    assert_eq!((&again.method, &again.headers), (&parts.method, &parts.headers));
    let [one, other] =
        [&parts, &again].map(|parts| View::of_parts(parts).environ().path().path_info().to_vec());
    assert_eq!(one, other);
}
