//! A responder, asked by the other side of the same crate and by those who do not keep to the protocol.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fastcgi::answer::{Answer, Event};
use fastcgi::pairs;
use fastcgi::record::{self, Decoder, End, Record, Status, Stream};
use fastcgi::request::{self, KeepConnection};
use fastcgi::responder::{self, Body, Limits, Refused, ServeError};
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use http_environ::View;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;

/// How long anything may take. Only a failing test waits for so long.
const DEADLINE: Duration = Duration::from_secs(60);

const WELL: End = End { application: 0, status: Status::Complete };

type Answering = Result<Response<http_body_util::combinators::BoxBody<Bytes, String>>, Refused>;

/// Serves one end of a pipe; the other is the answer.
fn serving<F, Fut>(answer: F) -> (DuplexStream, JoinHandle<Result<(), ServeError>>)
where
    F: FnMut(http::Request<Body>) -> Fut + Send + 'static,
    Fut: Future<Output = Answering> + Send,
{
    let (client, server) = tokio::io::duplex(64 << 10);
    let (reader, writer) = tokio::io::split(server);
    let limits = Limits { variables: 100_000, is_asked: true };
    let task =
        tokio::spawn(async move { responder::serve(reader, writer, &Arc::default(), limits, answer).await });
    (client, task)
}

/// How serving ended.
async fn end(served: JoinHandle<Result<(), ServeError>>) -> Result<(), ServeError> {
    tokio::time::timeout(DEADLINE, served).await.expect("it ends in time").expect("it does not panic")
}

/// Answers with the path, a header and the length of the body.
async fn echo(request: http::Request<Body>) -> Answering {
    let view = View::of(&request);
    let path = String::from_utf8_lossy(view.environ().path().path_info()).into_owned();
    let mut length = 0;
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        length += frame.map_err(|_| Refused::Failed)?.into_data().map_or(0, |data| data.len());
    }
    let text = Full::new(Bytes::from(format!("{path} {length}"))).map_err(|never| match never {});
    Ok(Response::builder().status(201).header("x-a", "b").body(text.boxed()).unwrap())
}

fn head(out: &mut BytesMut, keep: KeepConnection, length: usize) {
    request::put_head(out, keep, |add| {
        add(b"REQUEST_METHOD", b"POST");
        add(b"PATH_INFO", b"/a b");
        add(b"CONTENT_LENGTH", length.to_string().as_bytes());
    });
}

/// Reads an answer to its end.
async fn answer(client: &mut DuplexStream) -> Option<(String, End)> {
    let (mut answer, mut received, mut text) = (Answer::default(), BytesMut::new(), Vec::new());
    loop {
        while let Some(event) = answer.next(&mut received).expect("it is an answer") {
            match event {
                Event::Stdout(piece) => text.extend_from_slice(&piece),
                Event::Stderr(_) => {}
                Event::End(end) => return Some((String::from_utf8(text).unwrap(), end)),
            }
        }
        let read = tokio::time::timeout(DEADLINE, client.read_buf(&mut received)).await.expect("in time");
        if read.unwrap() == 0 {
            return None;
        }
    }
}

#[tokio::test]
async fn requests_follow_each_other_on_a_kept_connection() {
    let (mut client, served) = serving(echo);
    for length in [0, 5, 200_000] {
        let mut out = BytesMut::new();
        head(&mut out, KeepConnection::Yes, length);
        request::put_body(&mut out, &vec![b'x'; length]);
        request::put_end_of_body(&mut out);
        client.write_all(&out).await.unwrap();
        let expected = format!("Status: 201\r\nx-a: b\r\n\r\n/a b {length}");
        assert_eq!(answer(&mut client).await, Some((expected, WELL)));
    }
    drop(client);
    end(served).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_not_to_be_kept_is_closed() {
    let (mut client, served) = serving(echo);
    let mut out = BytesMut::new();
    head(&mut out, KeepConnection::No, 0);
    request::put_end_of_body(&mut out);
    client.write_all(&out).await.unwrap();
    assert!(answer(&mut client).await.is_some());
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    end(served).await.unwrap();
}

/// A request with `Expect: 100-continue`, without its body.
fn expecting(length: usize) -> BytesMut {
    let mut out = BytesMut::new();
    request::put_head(&mut out, KeepConnection::No, |add| {
        add(b"REQUEST_METHOD", b"POST");
        add(b"PATH_INFO", b"/a b");
        add(b"CONTENT_LENGTH", length.to_string().as_bytes());
        add(b"HTTP_EXPECT", b"100-Continue");
    });
    out
}

#[tokio::test]
async fn a_body_is_asked_for_when_it_is_read() {
    let (mut client, served) = serving(echo);
    client.write_all(&expecting(5)).await.unwrap();
    let (mut asking, mut received) = (Answer::default(), BytesMut::new());
    let asked = loop {
        if let Some(event) = asking.next(&mut received).unwrap() {
            break event;
        }
        let read = tokio::time::timeout(DEADLINE, client.read_buf(&mut received)).await.expect("in time");
        assert_ne!(read.unwrap(), 0);
    };
    assert_eq!(asked, Event::Stdout(responder::CONTINUE.into()));
    let mut out = BytesMut::new();
    request::put_body(&mut out, b"hello");
    request::put_end_of_body(&mut out);
    client.write_all(&out).await.unwrap();
    assert_eq!(answer(&mut client).await, Some(("Status: 201\r\nx-a: b\r\n\r\n/a b 5".into(), WELL)));
    end(served).await.unwrap();
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_asked_for() {
    let (mut client, served) = serving(|_| async {
        let body = Full::new(Bytes::from("unread")).map_err(|never| match never {});
        Ok(Response::new(body.boxed()))
    });
    client.write_all(&expecting(5)).await.unwrap();
    assert_eq!(answer(&mut client).await, Some(("Status: 200\r\n\r\nunread".into(), WELL)));
    end(served).await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_told_by_the_end() {
    for (refused, end) in [
        (Refused::Overloaded, End { application: 0, status: Status::Overloaded }),
        (Refused::Failed, End { application: 1, status: Status::Complete }),
    ] {
        let (mut client, _served) = serving(move |_| async move { Err(refused) });
        let mut out = BytesMut::new();
        head(&mut out, KeepConnection::No, 0);
        client.write_all(&out).await.unwrap();
        assert_eq!(answer(&mut client).await, Some((String::new(), end)));
    }
}

/// A body of one piece, and then an error.
struct Breaks(Option<Bytes>);

impl http_body::Body for Breaks {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, String>>> {
        std::task::Poll::Ready(Some(self.0.take().map(Frame::data).ok_or_else(|| "broken".to_owned())))
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_has_no_end() {
    let (mut client, served) =
        serving(|_| async { Ok(Response::new(Breaks(Some(vec![b'x'; 100_000].into())).boxed())) });
    let mut out = BytesMut::new();
    head(&mut out, KeepConnection::Yes, 0);
    client.write_all(&out).await.unwrap();
    assert_eq!(answer(&mut client).await, None);
    assert!(matches!(end(served).await, Err(ServeError::Answer(_))));
}

#[tokio::test]
async fn what_came_before_an_answer_broke_off_is_sent() {
    let (mut client, served) = serving(|_| async { Ok(Response::new(Breaks(Some("first".into())).boxed())) });
    let mut out = BytesMut::new();
    head(&mut out, KeepConnection::Yes, 0);
    client.write_all(&out).await.unwrap();
    let mut received = BytesMut::new();
    let first = loop {
        if let Some(Event::Stdout(piece)) = Answer::default().next(&mut received.clone()).unwrap() {
            break piece;
        }
        let read = tokio::time::timeout(DEADLINE, client.read_buf(&mut received)).await.expect("in time");
        assert_ne!(read.unwrap(), 0, "it ends without a word");
    };
    assert!(first.starts_with(b"Status: 200"), "{first:?}");
    assert!(matches!(end(served).await, Err(ServeError::Answer(_))));
}

#[tokio::test]
async fn a_web_server_that_aborts_or_leaves_takes_its_request_along() {
    for aborts in [true, false] {
        let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
        let (held, ended) = tokio::sync::oneshot::channel::<()>();
        let mut held = Some(held);
        let (mut client, served) = serving(move |_| {
            let (begun, held) = (begun.clone(), held.take());
            async move {
                let _held = held;
                begun.send(()).await.unwrap();
                std::future::pending().await
            }
        });
        let mut out = BytesMut::new();
        head(&mut out, KeepConnection::Yes, 0);
        request::put_end_of_body(&mut out);
        client.write_all(&out).await.unwrap();
        has_begun.recv().await.unwrap();
        let mut abort = BytesMut::new();
        record::put_abort(&mut abort, record::REQUEST);
        let kept = if aborts {
            client.write_all(&abort).await.unwrap();
            Some(client)
        } else {
            drop(client);
            None
        };
        assert!(matches!(end(served).await, Err(ServeError::Aborted)));
        // The function's future is gone, and what it held.
        assert!(ended.await.is_err());
        drop(kept);
    }
}

#[tokio::test]
async fn questions_beside_a_request_are_answered() {
    let (mut client, _served) = serving(echo);
    let mut asked = BytesMut::new();
    pairs::put(&mut asked, b"FCGI_MPXS_CONNS", b"");
    pairs::put(&mut asked, b"NEVER_HEARD_OF", b"");
    let mut out = BytesMut::from(&[1u8, 9, 0, 0, 0, u8::try_from(asked.len()).unwrap(), 0, 0][..]);
    out.extend_from_slice(&asked);
    out.extend_from_slice(&[1, 77, 0, 0, 0, 0, 0, 0]);
    head(&mut out, KeepConnection::Yes, 0);
    // Another request at the same time.
    record::put_begin(&mut out, 2, true);
    request::put_end_of_body(&mut out);
    client.write_all(&out).await.unwrap();
    let (mut decoder, mut received, mut records) = (Decoder::default(), BytesMut::new(), Vec::new());
    let is_last = |record: &Record| matches!(record, Record::End { request: 2, .. });
    while !records.iter().any(is_last) {
        while let Some(record) = decoder.next(&mut received).unwrap() {
            records.push(record);
        }
        if !records.iter().any(is_last) {
            let read = tokio::time::timeout(DEADLINE, client.read_buf(&mut received)).await;
            assert_ne!(read.expect("in time").unwrap(), 0, "{records:?}");
        }
    }
    let refused = End { application: 0, status: Status::CannotMultiplex };
    assert!(records.contains(&Record::Values(b"\x0F\x01FCGI_MPXS_CONNS0".as_slice().into())), "{records:?}");
    assert!(records.contains(&Record::Unknown { request: 0, kind: 77 }), "{records:?}");
    assert!(records.contains(&Record::End { request: 1, end: WELL }), "{records:?}");
    assert!(records.contains(&Record::End { request: 2, end: refused }), "{records:?}");
}

#[tokio::test]
async fn what_is_too_much_ends_the_connection() {
    let (mut client, served) = serving(echo);
    let mut out = BytesMut::new();
    request::put_head(&mut out, KeepConnection::Yes, |add| add(b"HTTP_X", &vec![b'x'; 100_001]));
    // The other side may have had enough.
    drop(client.write_all(&out).await);
    assert!(matches!(end(served).await, Err(ServeError::TooLarge(100_000))));
}

#[tokio::test]
async fn any_bytes_end_well_or_with_an_error() {
    let mut seed = 0x5EED_u32;
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_be_bytes()[0]
    };
    for round in 0..2_000 {
        let mut out = BytesMut::new();
        head(&mut out, KeepConnection::Yes, 6);
        request::put_body(&mut out, b"a body");
        request::put_end_of_body(&mut out);
        record::put_stream(&mut out, Stream::Params, 1, b"late");
        for _ in 0..round % 5 {
            let at = usize::from(random()) % out.len();
            out[at] = random();
        }
        let (mut client, served) = serving(echo);
        client.write_all(&out).await.unwrap();
        client.shutdown().await.unwrap();
        let mut all = Vec::new();
        let read = tokio::time::timeout(DEADLINE, client.read_to_end(&mut all)).await;
        read.expect("the connection ends").unwrap();
        drop(end(served).await);
    }
}
