//! The PROXY protocol, from HAProxy and by hand.

use super::speaking;
use crate::harness::{Client, Haproxy, TestGateway, eventually, request};

const WHO: &str = "layers:
  - response_headers: { set: { X-Who: \"[{REMOTE_ADDR} {REMOTE_PORT} {REQUEST_SCHEME} {HTTP_X_FORWARDED_FOR}]\" } }
routes: [ { respond: { text: hello } } ]";

fn gateway(further: &str) -> TestGateway {
    TestGateway::from_yaml(&format!(
        "listen:
  - {{ address: \"127.0.0.1:0\", proxy_protocol: true }}
  - {{ address: \"unix:front.sock\", proxy_protocol: true }}
trust: {{ peers: [unix, 127.0.0.1, 10.0.0.0/8] }}
{further}
{WHO}"
    ))
}

/// What is answered after a header.
fn told(address: &str, header: &[u8], headers: &[&str]) -> String {
    let mut client = Client::connect(address).unwrap();
    client.send([header, request("GET", "/", headers, "").as_bytes()].concat()).unwrap();
    client.answer().unwrap().header("x-who").unwrap().to_owned()
}

#[test]
fn haproxy_says_who_the_client_is() {
    let gateway = gateway("");
    for option in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options unique-id,crc32c"] {
        for address in &gateway.addresses() {
            let haproxy = Haproxy::in_front_of(address, option);
            for (header, client) in [
                ("PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n", "[192.0.2.7 4711 http ]"),
                ("PROXY TCP6 2001:db8::7 ::1 4712 80\r\n", "[2001:db8::7 4712 http ]"),
            ] {
                // What a client makes up is not believed: it is no trusted peer.
                let said = told(&haproxy.address(), header.as_bytes(), &["X-Forwarded-For: 6.6.6.6"]);
                assert_eq!(said, client, "{option} {address}");
            }
        }
    }
}

#[test]
fn a_client_that_is_trusted_itself_speaks_for_its_own() {
    let gateway = gateway("");
    let header = b"PROXY TCP4 10.0.0.5 192.0.2.1 4711 80\r\n";
    assert_eq!(
        told(&gateway.address(), header, &["X-Forwarded-For: 192.0.2.9"]),
        "[192.0.2.9  http 192.0.2.9]"
    );
}

#[test]
fn who_asks_on_its_own_account_is_itself_and_who_is_unknown_is_nobody() {
    let gateway = gateway("");
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    assert!(told(&gateway.address(), local, &[]).starts_with("[127.0.0.1 "));
    for unknown in [b"PROXY UNKNOWN\r\n".as_slice(), b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0"] {
        assert_eq!(told(&gateway.address(), unknown, &["X-Forwarded-For: 6.6.6.6"]), "[  http ]");
    }
}

#[test]
fn a_header_may_come_byte_by_byte_and_its_connection_is_kept() {
    let gateway = gateway("");
    for address in gateway.addresses() {
        let mut client = Client::connect(&address).unwrap();
        for byte in b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n" {
            client.send([*byte]).unwrap();
        }
        for _ in 0..2 {
            let answer = client.request("GET", "/", &[], "").unwrap();
            assert_eq!(answer.header("x-who"), Some("[192.0.2.7 4711 http ]"));
        }
    }
}

#[test]
fn what_is_no_header_is_closed_with_one_line_of_log() {
    let gateway = gateway("limits: { header_time: 2s }");
    for (sent, told) in [
        (request("GET", "/", &[], "").into_bytes(), "it is missing"),
        (b"PROXY TCP4 1.2.3.4\r\n".to_vec(), "its line is malformed"),
        (b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c".to_vec(), "its version or command is unknown"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x01x".to_vec(), "its length is unknown or wrong"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec(), "it is longer than 4096 bytes"),
        (b"PROXY TCP4 192.0".to_vec(), "over `limits: header_time`"),
    ] {
        for address in gateway.addresses() {
            let before = gateway.log().count(told);
            let mut client = Client::connect(&address).unwrap();
            client.send(&sent).unwrap();
            assert_eq!(client.rest().unwrap_or_default(), b"", "{sent:?}");
            eventually(told, || (gateway.log().count(told) == before + 1).then_some(()));
        }
    }
    assert_eq!(gateway.log().count("panicked"), 0);
}

#[test]
fn a_peer_that_is_not_trusted_is_refused() {
    let gateway = TestGateway::from_yaml(&format!(
        "listen: {{ address: \"127.0.0.1:0\", proxy_protocol: true }}\ntrust: {{ peers: [192.0.2.1] }}\n{WHO}"
    ));
    let mut client = gateway.connect();
    client.send("PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.rest().unwrap_or_default(), b"");
    gateway.log().wait_for_texts(&["WARN", "trusted peers only"]);
}

#[test]
fn it_goes_before_other_protocols_too() {
    for protocol in super::PROTOCOLS {
        let gateway = TestGateway::from_yaml(&format!(
            "listen: {{ address: \"127.0.0.1:0\", protocol: {protocol}, proxy_protocol: true }}
trust: {{ peers: [127.0.0.1] }}
{WHO}"
        ));
        let speaks = |client: &str| {
            let header = format!("PROXY TCP4 {client} 192.0.2.1 4711 80\r\n");
            let request = [header.as_bytes(), &speaking::get(protocol, "/")].concat();
            speaking::ask(protocol, &gateway.address(), &request)
        };
        assert!(speaks("127.0.0.1").unwrap().contains("[192.0.2.7  http ]"), "{protocol}");
        // Whoever is behind has to be trusted as well.
        let refused = speaks("192.0.2.8");
        assert!(refused.as_ref().map_or(true, String::is_empty), "{refused:?}");
        gateway.log().wait_for_text("not trusted");
    }
}
