//! Layers that refuse: `timeout`, `body_limit`, `concurrency_limit`, `basic_auth`, `allow`.

use std::sync::mpsc::channel;

use super::curl;
use crate::harness::{
    Client, DEADLINE, Nginx, Script, TestGateway, Upstream, eventually, get, request, with_length,
};

fn before(layers: &str, server: &Upstream) -> TestGateway {
    let backend = format!("http: {{ servers: \"{}\" }}", server.address());
    TestGateway::from_yaml(&format!("layers: [ {layers} ]\nroutes: [ {{ {backend} }} ]"))
}

#[test]
fn timeout_is_504_and_ends_what_is_inside() {
    let server = Upstream::once(|peer| {
        peer.head();
        peer.is_closed();
    });
    let gateway = before("timeout: { after: 2s }", &server);
    let answer = get(&gateway.address(), "/");
    assert_eq!((answer.status, answer.text().contains("V-TOO-SLOW")), (504, true));
    gateway.log().wait_for_texts(&["V-TOO-SLOW", "layer timeout"]);
    server.wait_ended(1);
}

#[test]
fn body_limit_refuses_a_length_before_a_byte_is_read() {
    let server = Upstream::echo();
    let gateway = before("body_limit: { max: 1KiB }", &server);
    let mut client = gateway.connect();
    client.send(request("POST", "/", &["Expect: 100-continue", "Content-Length: 1025"], "")).unwrap();
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    assert_eq!(client.rest().unwrap(), b"");
    assert!(server.heads().is_empty());
    gateway.log().wait_for_texts(&["V-TOO-LARGE", "layer body_limit"]);
}

#[test]
fn body_limit_counts_chunks() {
    let server = Upstream::once(|peer| {
        peer.head();
        peer.is_closed();
    });
    let gateway = before("body_limit: { max: 1KiB }", &server);
    let mut client = gateway.connect();
    client.send(request("POST", "/", &["Transfer-Encoding: chunked"], "")).unwrap();
    client.send(format!("400\r\n{}\r\n1\r\nx\r\n", "x".repeat(1024))).unwrap();
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    server.wait_ended(1);
}

#[test]
fn body_limit_lets_in_what_fits() {
    let server = Upstream::once(|peer| {
        peer.head();
        let body = peer.exactly(1024);
        peer.write(with_length(&body.len().to_string()));
    });
    let gateway = before("body_limit: { max: 1KiB }", &server);
    assert_eq!(gateway.connect().request("POST", "/", &[], &"x".repeat(1024)).unwrap().text(), "1024");
}

#[test]
fn concurrency_limit_counts_until_the_last_byte() {
    let (go_on, wait) = channel::<()>();
    let streams: Script = Box::new(move |peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        let _ = wait.recv_timeout(DEADLINE);
        peer.write("0\r\n\r\n");
        peer.say("next");
    });
    let server = Upstream::playing([streams, Box::new(|peer| peer.say("next"))]);
    let gateway = before("concurrency_limit: { max: 1 }", &server);
    let mut first = gateway.connect();
    first.send(request("GET", "/", &[], "")).unwrap();
    assert_eq!(first.head().unwrap().status, 200);
    let refused = get(&gateway.address(), "/");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    gateway.log().wait_for_texts(&["V-BUSY", "layer concurrency_limit"]);
    go_on.send(()).unwrap();
    assert_eq!([first.chunk().unwrap(), first.chunk().unwrap()], [&b"first"[..], b""]);
    eventually("the next to be let in", || {
        Some(get(&gateway.address(), "/")).filter(|answer| answer.text() == "next")
    });
}

#[test]
fn concurrency_limit_lets_some_wait_and_refuses_the_others() {
    let (tell, told) = channel();
    let (go_on, wait) = channel::<()>();
    let waits: Script = Box::new(move |peer| {
        peer.head();
        let _ = tell.send(());
        let _ = wait.recv_timeout(DEADLINE);
        peer.write(with_length("first"));
        peer.say("next");
    });
    let server = Upstream::playing([waits, Box::new(|peer| peer.say("next"))]);
    let gateway = before("concurrency_limit: { max: 1, queue: 1, wait: 60s }", &server);
    let mut clients = [(); 3].map(|()| gateway.connect());
    let [first, others @ ..] = &mut clients;
    first.send(request("GET", "/", &[], "")).unwrap();
    told.recv_timeout(DEADLINE).unwrap();
    for other in &mut *others {
        other.send(request("GET", "/", &[], "")).unwrap();
    }
    gateway.log().wait_for_text("V-BUSY");
    go_on.send(()).unwrap();
    assert_eq!(first.answer().unwrap().text(), "first");
    let mut statuses: Vec<_> = others.iter_mut().map(|other| other.answer().unwrap().status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
}

/// What `htpasswd -nbB -C 4 ann "open sesame"` prints.
const ANN: &str = "ann:$2y$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy\n";

#[test]
fn basic_auth_asks_and_curl_answers() {
    let gateway = TestGateway::with_files(
        "layers: [ { basic_auth: { realm: Staff, file: staff.htpasswd } } ]
routes:
  - { match: { env: { REMOTE_USER: ann } }, respond: { text: the room of ann } }",
        &[("staff.htpasswd", ANN)],
    );
    let asked = get(&gateway.address(), "/");
    assert_eq!(asked.status, 401);
    assert_eq!(asked.header("www-authenticate"), Some("Basic realm=\"Staff\", charset=\"UTF-8\""));
    let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    let with =
        |pair: &str| String::from_utf8(curl(&gateway, &[&status[..], &["--user", pair]].concat(), "/"));
    assert_eq!(with("ann:open sesame").unwrap(), "200");
    assert_eq!(with("ann:wrong").unwrap(), "401");
    assert_eq!(with("bob:open sesame").unwrap(), "401");
}

#[test]
fn allow_judges_the_client_behind_nginx() {
    let gateway = TestGateway::from_yaml(
        "listen: unix:http.sock
trust: { peers: unix, headers: for }
layers: [ { allow: { from: 192.0.2.0/24, except: 192.0.2.66 } } ]
routes: [ { respond: { text: inside } } ]",
    );
    let socket = gateway.path("http.sock");
    let nginx = Nginx::with_site(|front| {
        format!(
            "server {{
    listen {front} proxy_protocol;
    set_real_ip_from unix:;
    real_ip_header proxy_protocol;
    location / {{ proxy_pass http://unix:{}:; proxy_set_header X-Forwarded-For $remote_addr; }}
}}",
            socket.display()
        )
    });
    for (address, status) in [("192.0.2.7", 200), ("192.0.2.66", 403), ("198.51.100.1", 403)] {
        let mut client = Client::connect(&nginx.address()).unwrap();
        client.send(format!("PROXY TCP4 {address} 192.0.2.80 40000 80\r\n")).unwrap();
        let answer = client.request("GET", "/", &["X-Forwarded-For: 192.0.2.7"], "").unwrap();
        assert_eq!(answer.status, status, "{address}");
    }
    gateway.log().wait_for_texts(&["V-FORBIDDEN", "192.0.2.66", "layer allow"]);
}
