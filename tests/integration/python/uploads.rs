//! Bodies of requests on their way into an application.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tempfile::tempdir;

use super::{bytes, chunked, only, send, start, start_with};
use crate::harness::{TestGateway, anonymous, eventually, request};

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

/// The sizes of the files without a name, but with content, that the workers of a gateway have in a folder.
fn nameless(gateway: &TestGateway, folder: &Path) -> Vec<usize> {
    let workers = gateway.workers().into_iter();
    let files =
        workers.flat_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten());
    let sizes = files.filter_map(|file| {
        let target = fs::read_link(file.path()).ok()?;
        let target = target.to_str().filter(|target| target.ends_with(" (deleted)"))?;
        let size = usize::try_from(fs::metadata(file.path()).ok()?.size()).expect("it fits");
        (size > 0 && Path::new(target).starts_with(folder)).then_some(size)
    });
    sizes.collect()
}

#[test]
fn a_long_body_waits_on_disk_and_the_application_is_called_when_it_is_whole() {
    // What is written at once, and what is on its way.
    const LATEST: usize = 1_000_000;
    const MEMORY: usize = 12_000_000;
    // The one would be streamed by default: it is not long, and comes quickly.
    let ways = [("spool", false, 2_000_000), ("auto", true, 24_000_000)];
    for (isolation, (input, is_chunked, half)) in
        ["shared", "process"].into_iter().flat_map(|isolation| ways.map(|way| (isolation, way)))
    {
        let body = bytes(2 * half);
        let folder = tempdir().unwrap();
        let yaml = format!(
            "routes: [ {{ wsgi: {{ app: \"uploads:application\", path: \"${{APPS}}\", isolation: {isolation}, input: {input} }} }} ]"
        );
        let gateway = start_with(&yaml, &[], &[("TMPDIR", folder.path())]);
        let mut client = gateway.connect();
        assert_eq!(send(&mut client, "POST", "/all", &[], b"short").status, 200);
        assert_eq!(nameless(&gateway, folder.path()), [0; 0], "{input}: a short body needs no file");
        let memory = || gateway.workers().into_iter().map(anonymous).sum::<usize>();
        let before = memory();
        let length = format!("Content-Length: {}", body.len());
        let framing = if is_chunked { "Transfer-Encoding: chunked" } else { &length };
        client.send(request("POST", "/pieces", &[framing], "")).unwrap();
        let pieces = if is_chunked { chunked(&body, half) } else { body.clone() };
        let (begin, rest) = pieces.split_at(half);
        client.send(begin).unwrap();
        eventually(&format!("half of it to be on disk ({input}, {isolation})"), || {
            matches!(nameless(&gateway, folder.path())[..], [size] if size + LATEST >= half).then_some(())
        });
        let grown = memory().saturating_sub(before);
        assert!(grown < MEMORY, "{input}, {isolation}: {grown} bytes more in memory");
        assert_eq!(gateway.log().count("called for /pieces"), 0, "{input}, {isolation}");
        client.send(rest).unwrap();
        let length = body.len();
        let answer = client.answer().unwrap().text();
        assert!(answer.starts_with(&read(length)), "{input}, {isolation}: {answer}");
        gateway.log().wait_for_text("called for /pieces");
    }
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
