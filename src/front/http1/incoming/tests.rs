use std::time::Duration;

use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};

use super::*;

const TRAILERS: usize = 100;

/// What comes of a body, of which `here` has come with the head and `later` comes behind it, then the end of the
/// connection; and what is left for the next request.
async fn read(here: &[u8], later: &[u8], length: Length) -> (Result<Vec<u8>, String>, Vec<u8>) {
    let (mut client, server) = duplex(1 << 20);
    client.write_all(later).await.unwrap();
    drop(client);
    let mut received = BytesMut::from(here);
    let mut incoming = Incoming::new(server, &mut received, length, TRAILERS);
    let mut body = incoming.body(None);
    let reading = async {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame.map_err(|error| error.to_string())?.into_data() {
                Ok(piece) => bytes.extend_from_slice(&piece),
                Err(frame) => bytes.extend_from_slice(frame.into_trailers().unwrap()["x-sum"].as_bytes()),
            }
        }
        Ok(bytes)
    };
    let read = tokio::select! {
        biased;
        read = reading => read,
        // It ends with the connection, when the body has been given.
        () = async { incoming.pump().await; pending().await } => unreachable!(),
    };
    let _ = incoming.skip();
    (read, received.to_vec())
}

#[tokio::test]
async fn a_body_comes_in_whatever_pieces() {
    let chunks = b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n";
    for at in 0..=chunks.len() {
        let (here, later) = chunks.split_at(at);
        assert_eq!(read(here, later, Length::Chunks).await, (Ok(b"abcdefg7".to_vec()), vec![]), "{at}");
    }
    let (body, next) = read(b"abcde", b"fgGET /", Length::Known(7)).await;
    assert_eq!(body.unwrap(), b"abcdefg");
    assert!(b"GET /".starts_with(&next), "{}", next.escape_ascii());
    let (body, next) = read(b"0\r\n\r\nGET /", b"", Length::Chunks).await;
    assert_eq!((body.unwrap(), &next[..]), (vec![], &b"GET /"[..]));
    let large = vec![b'x'; 300_000];
    let (here, later) = large.split_at(10);
    assert_eq!(read(here, later, Length::Known(300_000)).await.0.unwrap().len(), 300_000);
}

#[tokio::test]
async fn a_body_that_does_not_come_to_its_end_is_an_error() {
    let cut_short = "the client has left in the middle of its body";
    for (here, length, error) in [
        (&b"abc"[..], Length::Known(4), cut_short),
        (b"3\r\nab", Length::Chunks, cut_short),
        (b"3\r\nabc\r\n0\r\n", Length::Chunks, cut_short),
        (b"3\r\nabcd\r\n", Length::Chunks, "what should be a chunk is none"),
        (b"zz", Length::Chunks, "what should be a chunk is none"),
        (b"0\r\nX: ", Length::Chunks, cut_short),
    ] {
        let shown = here.escape_ascii();
        assert_eq!(read(here, b"", length).await.0.unwrap_err(), error, "{shown}");
    }
    let trailers = format!("0\r\nX: {}", "x".repeat(TRAILERS));
    let error = read(trailers.as_bytes(), b"", Length::Chunks).await.0.unwrap_err();
    assert_eq!(error, "its trailers are over 100 bytes");
}

fn incoming(received: &mut BytesMut, length: Length) -> Incoming<'_, DuplexStream> {
    Incoming::new(duplex(8).0, received, length, TRAILERS)
}

#[test]
fn a_body_that_is_there_needs_no_pump() {
    let mut received = BytesMut::from("abcGET /");
    assert_eq!(incoming(&mut received, Length::Known(0)).whole().unwrap(), "");
    assert_eq!(incoming(&mut received, Length::Known(9)).whole(), None);
    let mut known = incoming(&mut received, Length::Known(3));
    assert_eq!(known.whole().unwrap(), "abc");
    assert!(known.skip());
    assert_eq!(incoming(&mut received, Length::Chunks).whole(), None);
    assert_eq!(received, "GET /");
}

#[test]
fn what_nobody_has_read_is_skipped_as_far_as_it_has_come() {
    for (here, length, is_over, next) in [
        (&b"abcGET /"[..], Length::Known(3), true, &b"GET /"[..]),
        (b"ab", Length::Known(3), false, b""),
        (b"1\r\na\r\n0\r\n\r\nGET /", Length::Chunks, true, b"GET /"),
        (b"1\r\na\r\n0\r\nX-Sum: 1\r\n\r\nGET /", Length::Chunks, true, b"GET /"),
        (b"1\r\na\r\n", Length::Chunks, false, b""),
        (b"1\r\nzz", Length::Chunks, false, b""),
    ] {
        let mut received = BytesMut::from(here);
        let shown = here.escape_ascii();
        assert_eq!(incoming(&mut received, length).skip(), is_over, "{shown}");
        assert!(!is_over || received == next, "{shown}");
    }
}

#[tokio::test]
async fn the_end_of_the_client_is_noticed_when_its_body_is_over() {
    let (mut client, server) = duplex(64);
    let mut received = BytesMut::new();
    let mut incoming = Incoming::new(server, &mut received, Length::Known(3), TRAILERS);
    let mut body = incoming.body(None);
    client.write_all(b"abc").await.unwrap();
    drop(client);
    assert_eq!(incoming.pump().await.kind(), io::ErrorKind::ConnectionAborted);
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn the_end_of_the_client_is_noticed_when_nobody_reads_its_body() {
    let chunks = b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n";
    for (here, length) in [(&b"ab"[..], Length::Known(2)), (chunks, Length::Chunks)] {
        let (client, server) = duplex(64);
        let mut received = BytesMut::from(here);
        let mut incoming = Incoming::new(server, &mut received, length, TRAILERS);
        drop((incoming.body(None), client));
        let noticed = tokio::time::timeout(Duration::from_secs(10), incoming.pump()).await;
        assert_eq!(noticed.unwrap().kind(), io::ErrorKind::ConnectionAborted, "{length:?}");
    }
}

#[tokio::test]
async fn a_body_that_comes_behind_its_head_is_skipped_too() {
    for (later, length, is_over) in [
        (&b"abcGET /"[..], Length::Known(3), true),
        (b"1\r\na\r\n0\r\n\r\nGET /", Length::Chunks, true),
        (b"ab", Length::Known(3), false),
        (b"", Length::Known(3), false),
        (b"x", Length::Chunks, false),
    ] {
        let (mut client, server) = duplex(64);
        client.write_all(later).await.unwrap();
        let mut received = BytesMut::new();
        let mut incoming = Incoming::new(server, &mut received, length, TRAILERS);
        assert_eq!(incoming.is_over(), is_over, "{}", later.escape_ascii());
        assert!(!is_over || received == "GET /");
    }
}

#[tokio::test]
async fn single_bytes_share_their_buffers() {
    const BYTES: usize = 1000;
    let (mut client, server) = duplex(1);
    let mut received = BytesMut::new();
    let mut incoming = Incoming::new(server, &mut received, Length::Known(1 << 20), TRAILERS);
    let mut body = incoming.body(None);
    let exchange = async {
        let mut pieces = Vec::new();
        while pieces.len() < BYTES {
            client.write_all(b"x").await.unwrap();
            pieces.push(body.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        pieces
    };
    let pieces = tokio::select! {
        pieces = exchange => pieces,
        _ = incoming.pump() => unreachable!(),
    };
    let is_next = |pair: &[Bytes]| pair[0].as_ptr_range().end == pair[1].as_ptr();
    assert!(pieces.windows(2).all(is_next), "one buffer has room for all of them");
}

/// Zeros, as many as these; whoever asks for more of them than there are waits.
struct Zeros(usize);

impl AsyncRead for Zeros {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0 == 0 {
            return Poll::Pending;
        }
        let given = buf.remaining().min(self.0);
        buf.put_slice(&vec![0; given]);
        self.0 -= given;
        assert!(self.0 > 0 || buf.remaining() > 0, "a socket that has filled all there was is read again");
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn the_last_read_of_a_body_shows_that_there_is_no_more() {
    for length in [1, FIRST - 1, FIRST, 60_000, MOST - 1, MOST + 1, 3 * MOST - 1] {
        let mut received = BytesMut::new();
        let known = Length::Known(length as u64);
        let mut incoming = Incoming::new(Zeros(length), &mut received, known, TRAILERS);
        let mut body = incoming.body(None);
        let reading = async {
            let mut read = 0;
            while let Some(frame) = body.frame().await {
                read += frame.unwrap().into_data().unwrap().len();
            }
            read
        };
        let read = tokio::select! {
            read = reading => read,
            _ = incoming.pump() => unreachable!(),
        };
        assert_eq!(read, length);
    }
}

#[tokio::test]
async fn what_there_is_no_room_for_is_not_lost_when_the_reading_begins_again() {
    let mut received = BytesMut::from("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n");
    let mut incoming = incoming(&mut received, Length::Chunks);
    let mut body = incoming.body(None);
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = Vec::new();
    loop {
        let _ = pin!(incoming.pump()).poll(&mut cx);
        let Poll::Ready(frame) = Pin::new(&mut body).poll_frame(&mut cx) else { panic!("{read:?}") };
        let Some(frame) = frame else { break };
        read.push(frame.unwrap().into_data().unwrap());
    }
    assert_eq!(read, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_body_may_end_while_somebody_reads_it_or_where_it_has_come() {
    for (length, ends) in [(3, true), (4, false)] {
        let (_client, server) = duplex(64);
        let mut received = BytesMut::from("a");
        let mut incoming = Incoming::new(server, &mut received, Length::Known(length), TRAILERS);
        let body = incoming.body(None);
        assert!(incoming.may_end());
        drop(body);
        assert!(!incoming.may_end());
        incoming.received.extend_from_slice(b"bc");
        assert_eq!(incoming.may_end(), ends);
    }
}

#[tokio::test]
async fn what_has_come_with_the_head_is_there_before_anything_is_read() {
    let mut received = BytesMut::from("abc");
    let mut incoming = incoming(&mut received, Length::Known(4));
    let mut body = incoming.body(None);
    let first = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx))).await;
    let Poll::Ready(Some(Ok(first))) = first else { panic!("nothing is waited for") };
    assert_eq!(first.into_data().unwrap(), "abc");
}

#[tokio::test]
async fn the_client_is_asked_for_its_body_when_that_is_read() {
    let mut received = BytesMut::new();
    let mut incoming = incoming(&mut received, Length::Known(3));
    let (ask, mut asked) = oneshot::channel();
    let mut body = incoming.body(Some(ask));
    assert!(asked.try_recv().is_err());
    assert!(std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx).is_pending())).await);
    assert!(asked.try_recv().is_ok());
}
