//! Bodies of requests on their way into an application.

use super::{bytes, chunked, only, send, start};

/// What the application answers to a body that it has read whole.
fn read(length: usize) -> String {
    format!("{length} {length} ")
}

#[test]
fn bodies_of_every_size_arrive_whole() {
    let gateway = start(&only("uploads:application"));
    let mut client = gateway.connect();
    for size in [1, 64 * 1024, 64 * 1024 + 1, 1_000_000] {
        for path in ["/all", "/pieces", "/lines"] {
            let answer = send(&mut client, "POST", path, &[], &bytes(size));
            assert!(answer.text().starts_with(&read(size)), "{path}: {}", answer.text());
        }
    }
}

#[test]
fn a_chunked_body_has_a_length_when_the_application_sees_it() {
    let gateway = start(&only("uploads:application"));
    let mut client = gateway.connect();
    let body = bytes(300_000);
    let whole = send(&mut client, "POST", "/all", &[], &body).text();
    let answer = send(&mut client, "POST", "/all", &["Transfer-Encoding: chunked"], &chunked(&body, 7_000));
    assert_eq!(answer.text(), whole);
}

#[test]
fn a_chunked_body_is_streamed_where_the_configuration_says_so() {
    let yaml = "routes: [ { wsgi: { app: \"uploads:application\", path: \"${APPS}\", input: stream } } ]";
    let gateway = start(yaml);
    let mut client = gateway.connect();
    let body = bytes(300_000);
    let answer = send(&mut client, "POST", "/all", &["Transfer-Encoding: chunked"], &chunked(&body, 7_000));
    assert!(answer.text().starts_with("None 300000 "), "{}", answer.text());
}

#[test]
fn a_body_that_nobody_reads_is_not_taken_for_the_next_request() {
    let gateway = start(&only("uploads:application"));
    let mut client = gateway.connect();
    let answer = send(&mut client, "POST", "/nothing", &[], &bytes(100_000));
    assert_eq!(answer.status, 200);
    // Either the rest was drained and the next request is answered, or the connection was closed.
    if let Ok(next) = client.request("POST", "/all", &[], "next") {
        assert!(next.text().starts_with("4 4 "), "{}", next.text());
    }
}

#[test]
fn a_truncated_upload_raises() {
    let gateway = start(&only("uploads:application"));
    let mut client = gateway.connect();
    client.send("POST /pieces HTTP/1.1\r\nHost: test\r\nContent-Length: 500000\r\n\r\n").unwrap();
    client.send(bytes(100_000)).unwrap();
    drop(client);
    let line = gateway.log().wait_for_text("the upload broke: ");
    assert!(line.contains("Error"), "{line}");
}

#[test]
fn a_client_that_waits_for_100_gets_it_when_the_application_reads() {
    let gateway = start(&only("uploads:application"));
    let expecting = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    };
    let mut client = gateway.connect();
    client.send(expecting("/all")).unwrap();
    assert_eq!(client.head().unwrap().status, 100);
    client.send("body").unwrap();
    assert!(client.answer().unwrap().text().starts_with("4 4 "));
    // One that answers first gives none.
    let mut client = gateway.connect();
    client.send(expecting("/nothing")).unwrap();
    assert_eq!(client.head().unwrap().status, 200);
}

#[test]
fn a_client_that_waits_for_100_before_its_chunks_gets_it() {
    for isolation in ["shared", "process"] {
        let gateway = start(&format!(
            "routes: [ {{ wsgi: {{ app: \"uploads:application\", path: \"${{APPS}}\", isolation: {isolation} }} }} ]"
        ));
        let mut client = gateway.connect();
        // The application is asked when it is all there, so it is the gateway that tells to go on.
        client
            .send("POST /all HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        assert_eq!(client.head().unwrap().status, 100, "{isolation}");
        client.send("4\r\nbody\r\n0\r\n\r\n").unwrap();
        assert!(client.answer().unwrap().text().starts_with("4 4 "), "{isolation}");
    }
}
