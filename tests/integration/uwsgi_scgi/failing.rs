//! Applications that refuse, stall, truncate or speak nonsense.

use std::sync::mpsc::channel;

use super::{PROTOCOLS, before};
use crate::harness::{BlackHole, DEADLINE, Peer, Refusing, Script, TestGateway, Upstream, get, request};

/// Reads all of a request that comes before its body.
fn read_head(protocol: &str, peer: &mut Peer) {
    let size = if protocol == "uwsgi" {
        let head = peer.exactly(4);
        usize::from(u16::from_le_bytes([head[1], head[2]]))
    } else {
        let mut digits = String::new();
        loop {
            match peer.exactly(1).as_slice() {
                [digit] if digit.is_ascii_digit() => digits.push(char::from(*digit)),
                _ => break digits.parse::<usize>().expect("a netstring") + 1,
            }
        }
    };
    assert_eq!(peer.exactly(size).len(), size, "the variables are whole");
}

/// An application that says these bytes on its first connection, and behaves on the second; with a gateway before it.
fn saying(protocol: &'static str, bytes: &[u8], settings: &str) -> (Upstream, TestGateway) {
    let bytes = bytes.to_vec();
    let nonsense: Script = Box::new(move |peer: &mut Peer| {
        read_head(protocol, peer);
        peer.write(bytes);
    });
    let behaves: Script = Box::new(move |peer: &mut Peer| {
        read_head(protocol, peer);
        peer.write("Content-Length: 4\r\n\r\nfine");
    });
    let application = Upstream::playing([nonsense, behaves]);
    let gateway = before(protocol, application.address(), settings);
    (application, gateway)
}

#[test]
fn an_application_that_is_not_there_is_502() {
    for protocol in PROTOCOLS {
        let refusing = Refusing::new();
        for address in [refusing.address(), "unix:/nonexistent/app.sock"] {
            assert_eq!(get(&before(protocol, address, "").address(), "/").status, 502);
        }
        let hole = BlackHole::new();
        let gateway = before(protocol, hole.address(), "connect_timeout: 100ms");
        assert_eq!(get(&gateway.address(), "/").status, 504);
    }
}

#[test]
fn nonsense_before_the_head_is_502() {
    for protocol in PROTOCOLS {
        for (bytes, reason) in [
            ("", "ended before the answer"),
            ("half a he", "ended before the answer"),
            ("HTTP/1.1 200 OK\r\nA: b\r\n", "ended before the answer"),
            ("HTTP/2 200 OK\r\n\r\n", "is not understood"),
            ("HTTP/1.1 99 Low\r\n\r\n", "is not understood"),
            ("HTTP/1.1 101 Switching\r\n\r\n", "is not understood"),
            ("HTTP/1.1 200 OK\r\nStatus: 404\r\n\r\n", "is not understood"),
            ("Status: none\r\n\r\n", "is not understood"),
            ("no colon\r\n\r\n", "no header field"),
            ("A: b\r\n folded\r\n\r\n", "no header field"),
            ("\r\nbody", "the head of the answer is empty"),
            ("Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "is not one number"),
        ] {
            let (_application, gateway) = saying(protocol, bytes.as_bytes(), "");
            assert_eq!(get(&gateway.address(), "/").status, 502, "{protocol} {bytes:?}");
            gateway.log().wait_for_texts(&["V-UPSTREAM", reason]);
            assert_eq!(get(&gateway.address(), "/").text(), "fine", "{protocol} {bytes:?}: the next one");
        }
    }
}

#[test]
fn a_head_without_an_end_is_502_at_its_limit() {
    for protocol in PROTOCOLS {
        let (_application, gateway) =
            saying(protocol, "A: b\r\n".repeat(1000).as_bytes(), "header_bytes: 1KiB");
        assert_eq!(get(&gateway.address(), "/").status, 502);
        gateway.log().wait_for_text("over 1024 bytes");
    }
}

#[test]
fn an_answer_without_its_content_length_is_aborted() {
    for protocol in PROTOCOLS {
        let (_application, gateway) = saying(protocol, b"Content-Length: 10\r\n\r\nshort", "");
        let answer = gateway.connect().request("GET", "/", &[], "");
        assert!(answer.is_err(), "{answer:?}");
        gateway.log().wait_for_texts(&["V-UPSTREAM", "5 bytes before its Content-Length"]);
        assert_eq!(get(&gateway.address(), "/").text(), "fine");
    }
}

/// What cannot be seen, as the documentation says: no length, and an end like any other.
#[test]
fn an_answer_without_a_length_ends_with_the_connection() {
    for protocol in PROTOCOLS {
        let (_application, gateway) = saying(protocol, b"A: b\r\n\r\nperhaps all", "");
        assert_eq!(get(&gateway.address(), "/").text(), "perhaps all");
    }
}

#[test]
fn what_follows_the_content_length_is_left_out() {
    for protocol in PROTOCOLS {
        let (_application, gateway) = saying(protocol, b"Content-Length: 5\r\n\r\nfirstHTTP/1.1 200 OK", "");
        let mut client = gateway.connect();
        let answers = [(); 2].map(|()| client.request("GET", "/", &[], "").unwrap().text());
        assert_eq!(answers, ["first", "fine"]);
    }
}

#[test]
fn an_application_that_is_silent_is_504_and_one_that_stalls_is_broken_off() {
    for protocol in PROTOCOLS {
        for (beginning, status) in [("", Some(504)), ("A: b\r\n\r\nthe beginning", None)] {
            let application = Upstream::once(move |peer| {
                read_head(protocol, peer);
                peer.write(beginning);
                peer.is_closed();
            });
            let gateway = before(protocol, application.address(), "timeout: 2s");
            let answer = gateway.connect().request("GET", "/", &[], "");
            assert_eq!(answer.ok().map(|answer| answer.status), status, "{protocol} {beginning:?}");
            application.wait_ended(1);
        }
    }
}

#[test]
fn an_answer_may_come_before_the_end_of_the_request() {
    for protocol in PROTOCOLS {
        let application = Upstream::once(move |peer| {
            read_head(protocol, peer);
            peer.write("Status: 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
            peer.is_closed();
        });
        let gateway = before(protocol, application.address(), "");
        let mut client = gateway.connect();
        client.send(request("POST", "/", &["Content-Length: 100000000"], "")).unwrap();
        client.send("the beginning").unwrap();
        let answer = client.answer().unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    }
}

#[test]
fn an_upload_that_breaks_off_never_looks_whole() {
    for protocol in PROTOCOLS {
        let (tell, told) = channel();
        let application = Upstream::once(move |peer| {
            read_head(protocol, peer);
            let _ = tell.send(peer.exactly(100_000).len());
        });
        let gateway = before(protocol, application.address(), "");
        let mut client = gateway.connect();
        client.send(request("POST", "/", &["Content-Length: 100000"], "")).unwrap();
        client.send("short").unwrap();
        drop(client);
        assert!(told.recv_timeout(DEADLINE).unwrap() <= 5);
        gateway.log().wait_for_text("V-CLIENT-GONE");
    }
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    for protocol in PROTOCOLS {
        let ((tell, told), (end, ended)) = (channel(), channel());
        let application = Upstream::once(move |peer| {
            read_head(protocol, peer);
            let _ = tell.send(());
            let _ = end.send(peer.is_closed());
        });
        let gateway = before(protocol, application.address(), "");
        let mut client = gateway.connect();
        client.send(request("GET", "/", &[], "")).unwrap();
        told.recv_timeout(DEADLINE).unwrap();
        drop(client);
        assert!(ended.recv_timeout(DEADLINE).unwrap(), "{protocol}: the connection is closed");
    }
}

#[test]
fn a_client_that_does_not_read_stops_the_application() {
    const LARGE: usize = 128 << 20;
    for protocol in PROTOCOLS {
        let (tell, told) = channel();
        let application = Upstream::once(move |peer| {
            read_head(protocol, peer);
            peer.write("A: b\r\n\r\n");
            let _ = tell.send(peer.write_until_stalled(LARGE));
        });
        let gateway = before(protocol, application.address(), "");
        let mut client = gateway.connect();
        client.send(request("GET", "/", &[], "")).unwrap();
        let taken = told.recv_timeout(DEADLINE).unwrap();
        assert!(taken < LARGE / 2, "{taken} bytes were taken");
    }
}

#[test]
fn a_local_redirect_is_answered_by_the_path_that_it_names() {
    for protocol in PROTOCOLS {
        let application = Upstream::once(move |peer| {
            read_head(protocol, peer);
            peer.write("Location: /other\r\n\r\n");
        });
        let gateway = TestGateway::from_yaml(&format!(
            "routes: [ {{ path: /other, respond: {{ text: other }} }}, {{ {protocol}: {{ address: \"{}\" }} }} ]",
            application.address()
        ));
        assert_eq!(get(&gateway.address(), "/").text(), "other");
    }
}
