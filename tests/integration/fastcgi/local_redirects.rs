//! Local redirects: an application names a path, whose answer becomes its own.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use bytes::BytesMut;
use fastcgi::record::{self, Decoder, End, REQUEST, Record, Status, Stream};
use tempfile::tempdir;

use crate::harness::{TestGateway, request};

/// An application on a socket, whose every answer is this head.
fn answering(socket: &Path, head: &'static str) {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            thread::spawn(move || {
                let (mut decoder, mut received, mut byte) = (Decoder::default(), BytesMut::new(), [0]);
                while let Ok(1) = connection.read(&mut byte) {
                    received.extend_from_slice(&byte);
                    while let Ok(Some(record)) = decoder.next(&mut received) {
                        let Record::Piece { stream: Stream::Stdin, content, .. } = record else { continue };
                        if content.is_empty() {
                            let mut out = BytesMut::new();
                            record::put_stream(&mut out, Stream::Stdout, REQUEST, head.as_bytes());
                            let end = End { application: 0, status: Status::Complete };
                            record::put_end(&mut out, REQUEST, end);
                            let _ = connection.write_all(&out);
                        }
                    }
                }
            });
        }
    });
}

fn redirecting_to(head: &'static str) -> (tempfile::TempDir, TestGateway) {
    let folder = tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    answering(&socket, head);
    let gateway = TestGateway::from_yaml(&format!(
        "routes:
  - {{ mount: /app, fastcgi: {{ address: \"unix:{}\" }} }}
  - {{ match: {{ path: /page, query: {{ a: b }}, method: [GET, HEAD] }}, respond: {{ text: a page }} }}",
        socket.display()
    ));
    (folder, gateway)
}

#[test]
fn the_answer_is_what_a_get_of_the_path_gives() {
    let (_folder, gateway) = redirecting_to("Location: /page?a=b\n\n");
    let mut client = gateway.connect();
    for (method, body) in [("GET", ""), ("POST", "data")] {
        let answer = client.request(method, "/app/x", &[], body).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "a page"), "{method}");
    }
    client.send(request("HEAD", "/app/x", &[], "")).unwrap();
    assert_eq!(client.head().unwrap().header("content-length"), Some("6"));
}

#[test]
fn a_path_that_nothing_answers_is_404_and_a_circle_502() {
    let (_folder, gateway) = redirecting_to("Location: /nowhere\n\n");
    assert_eq!(gateway.connect().request("GET", "/app", &[], "").unwrap().status, 404);
    let (_folder, gateway) = redirecting_to("Location: /app\n\n");
    assert_eq!(gateway.connect().request("GET", "/app", &[], "").unwrap().status, 502);
    gateway.log().wait_for_text("more than 10 local redirects");
}
