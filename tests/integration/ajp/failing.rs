//! Containers that refuse, stall, truncate or speak nonsense.

use std::sync::mpsc::channel;

use super::before;
use crate::harness::{
    BlackHole, DEADLINE, Peer, Refusing, Script, TestGateway, Upstream, eventually, get, request,
};

const HEAD: &[u8] = b"\x04\0\xc8\0\x02OK\0\0\0";
const END: &[u8] = b"\x05\x01";
const END_AND_CLOSE: &[u8] = b"\x05\0";

/// Reads a packet of the gateway, without its head; nothing where the connection has ended.
fn packet(peer: &mut Peer) -> Vec<u8> {
    let head = peer.exactly(4);
    let [0x12, 0x34, high, low] = head[..] else { return Vec::new() };
    peer.exactly(usize::from(u16::from_be_bytes([high, low])))
}

/// Packets of these contents, as a container sends them.
fn packets(contents: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for content in contents {
        out.extend_from_slice(b"AB");
        out.extend_from_slice(&u16::try_from(content.len()).unwrap().to_be_bytes());
        out.extend_from_slice(content);
    }
    out
}

fn well(text: &str) -> Vec<u8> {
    let chunk = [&[3, 0, u8::try_from(text.len()).unwrap()], text.as_bytes(), b"\0"].concat();
    packets(&[HEAD, &chunk, END])
}

/// A container that says these bytes on its first connection and closes it, and behaves on the second; with a gateway before it.
fn saying(bytes: Vec<u8>) -> (Upstream, TestGateway) {
    let nonsense: Script = Box::new(move |peer: &mut Peer| {
        packet(peer);
        peer.write(bytes);
        // It may have asked for a body: closed before that comes, the connection would be reset.
        peer.end();
        peer.is_closed();
    });
    let behaves: Script = Box::new(|peer: &mut Peer| {
        packet(peer);
        peer.write(well("fine"));
        // The connection is the gateway's to close.
        peer.is_closed();
    });
    let container = Upstream::playing([nonsense, behaves]);
    let gateway = before(container.address(), "");
    (container, gateway)
}

#[test]
fn a_container_that_is_not_there_is_502() {
    let refusing = Refusing::new();
    for address in [refusing.address(), "unix:/nonexistent/tomcat.sock"] {
        assert_eq!(get(&before(address, "").address(), "/").status, 502);
    }
    let hole = BlackHole::new();
    assert_eq!(get(&before(hole.address(), "connect_timeout: 100ms").address(), "/").status, 504);
}

#[test]
fn nonsense_before_the_head_is_502_and_the_next_request_works() {
    for (bytes, reason) in [
        (b"".to_vec(), "ended before the answer"),
        (b"AB".to_vec(), "ended before the answer"),
        (b"AB\0\x20\x04\0\xc8".to_vec(), "ended before the answer"),
        (packets(&[b"\x06\x1f\xfa"]), "ended before the answer"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "a packet begins with 0x48 0x54"),
        (b"\x12\x34\0\x02\x05\x01".to_vec(), "a packet begins with 0x12 0x34"),
        (b"AB\0\0".to_vec(), "a packet has a length of 0"),
        (b"AB\xff\xff".to_vec(), "a packet has a length of 65535"),
        (packets(&[b"\x02"]), "a packet is of the kind 2"),
        (packets(&[END]), "a packet of the kind 5 does not belong"),
        (packets(&[b"\x03\0\x01a\0"]), "a packet of the kind 3 does not belong"),
        (packets(&[b"\x09"]), "a packet of the kind 9 does not belong"),
        (packets(&[b"\x04\0\xc8\0\x02OK\0\0\x01"]), "a packet ends within what it holds"),
        (packets(&[b"\x04\0\xc8\0\x02OKx\0\0"]), "a string has no end"),
        (packets(&[b"\x04\0\x00\0\x02OK\0\0\0"]), "is not understood"),
        (packets(&[b"\x04\0\xc8\0\x02OK\0\0\x01\xa0\x0c\0\x01a\0"]), "a header has the number 0xa00c"),
        (packets(&[b"\x04\0\xc8\0\x02OK\0\0\x01\xa0\x03\0\x02+1\0"]), "is not one number"),
        (packets(&[b"\x04\0\xc8\0\x02OK\0\0\x01\0\x01 \0\0\x01a\0"]), "no header field"),
    ] {
        let (_container, gateway) = saying(bytes.clone());
        assert_eq!(get(&gateway.address(), "/").status, 502, "{}", bytes.escape_ascii());
        gateway.log().wait_for_texts(&["V-UPSTREAM", reason]);
        assert_eq!(get(&gateway.address(), "/").text(), "fine", "after {}", bytes.escape_ascii());
    }
}

#[test]
fn nonsense_within_an_answer_aborts_it_and_the_next_request_works() {
    let length = b"\x04\0\xc8\0\x02OK\0\0\x01\xa0\x03\0\x0210\0";
    for (contents, reason) in [
        (packets(&[HEAD, b"\x03\0\x05begin\0"]), "ended before the answer"),
        (packets(&[HEAD, b"\x03\0\x05begin\0", b"\x03\0\x09short\0"]), "a packet ends within"),
        (packets(&[HEAD, b"\x03\0\x05begin\0", HEAD]), "a packet of the kind 4 does not belong"),
        (packets(&[HEAD, b"\x03\0\x05begin\0", b"\x07"]), "a packet is of the kind 7"),
        ([packets(&[HEAD, b"\x03\0\x05begin\0"]), b"BA".to_vec()].concat(), "a packet begins with"),
        (packets(&[length, b"\x03\0\x05short\0"]), "ended before the answer"),
    ] {
        let (_container, gateway) = saying(contents.clone());
        let answer = gateway.connect().request("GET", "/", &[], "");
        // What had come at once may be known as nonsense before the head has left.
        assert!(
            answer.is_err() || answer.is_ok_and(|answer| answer.status == 502),
            "{}",
            contents.escape_ascii()
        );
        gateway.log().wait_for_text(reason);
        assert_eq!(get(&gateway.address(), "/").text(), "fine", "after {}", contents.escape_ascii());
    }
}

#[test]
fn an_answer_that_ends_before_its_content_length_never_looks_whole() {
    let length = b"\x04\0\xc8\0\x02OK\0\0\x01\xa0\x03\0\x0210\0";
    let (_container, gateway) = saying(packets(&[length, b"\x03\0\x05short\0", END]));
    let answer = gateway.connect().request("GET", "/", &[], "");
    assert!(answer.as_ref().map_or(true, |answer| answer.status == 502), "{answer:?}");
    assert_eq!(get(&gateway.address(), "/").text(), "fine");
}

#[test]
fn a_container_that_is_silent_is_504_and_one_that_stalls_is_broken_off() {
    for (beginning, status) in [(Vec::new(), Some(504)), (packets(&[HEAD, b"\x03\0\x05begin\0"]), None)] {
        let container = Upstream::once(move |peer| {
            packet(peer);
            peer.write(beginning);
            peer.is_closed();
        });
        let gateway = before(container.address(), "timeout: 2s");
        let answer = gateway.connect().request("GET", "/", &[], "");
        assert_eq!(answer.ok().map(|answer| answer.status), status);
        container.wait_ended(1);
    }
}

#[test]
fn a_connection_is_kept_where_the_container_says_so() {
    for (end, connections) in [(END, 1), (END_AND_CLOSE, 2)] {
        let container = Upstream::always(move |peer| {
            while !packet(peer).is_empty() {
                peer.write(packets(&[HEAD, b"\x03\0\x04fine\0", end]));
            }
        });
        let gateway = before(container.address(), "");
        let mut client = gateway.connect();
        for _ in 0..2 {
            assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "fine");
        }
        assert_eq!(container.connections(), connections);
    }
}

/// hyper asks for no more of a body than its Content-Length: the end comes when nobody waits for it.
#[test]
fn connections_are_kept_when_their_ends_come_behind_the_content_length() {
    let container = Upstream::always(move |peer| {
        while !packet(peer).is_empty() {
            peer.write(packets(&[b"\x04\0\xc8\0\x02OK\0\0\x01\xa0\x03\0\x014\0"]));
            peer.write(packets(&[b"\x03\0\x04fine\0"]));
            peer.write(packets(&[END]));
        }
    });
    let gateway = before(container.address(), "");
    let mut client = gateway.connect();
    let mut requests = 0;
    // The next request may come before the end of the last one.
    eventually("connections that carry several requests", || {
        assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "fine");
        requests += 1;
        (container.connections() + 10 <= requests).then_some(())
    });
}

#[test]
fn a_request_that_cannot_be_repeated_goes_on_a_connection_that_has_just_answered() {
    const PING: &[u8] = &[10];
    let (tell, told) = channel();
    let container = Upstream::always(move |peer| {
        let mut pings = 0;
        loop {
            match packet(peer).as_slice() {
                [] => break,
                PING => {
                    pings += 1;
                    // The second is not answered: this connection is given up.
                    if pings == 2 {
                        break;
                    }
                    peer.write(packets(&[b"\x09"]));
                }
                head => {
                    let _ = tell.send((pings, head[1]));
                    peer.write(well("fine"));
                }
            }
        }
    });
    let gateway = before(container.address(), "");
    let mut client = gateway.connect();
    for method in ["GET", "POST", "GET", "POST"] {
        assert_eq!(client.request(method, "/", &[], "").unwrap().text(), "fine", "{method}");
    }
    let heads: Vec<_> = told.try_iter().collect();
    assert_eq!(heads, [(0, 2), (1, 4), (1, 2), (0, 4)], "numbers of pings, and methods");
    assert_eq!(container.connections(), 2);
}

#[test]
fn a_kept_connection_that_has_ended_is_replaced() {
    let behaves = || -> Script {
        Box::new(|peer: &mut Peer| {
            packet(peer);
            peer.write(well("fine"));
        })
    };
    let container = Upstream::playing([behaves(), behaves(), behaves()]);
    let gateway = before(container.address(), "");
    let mut client = gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "fine");
    }
}

#[test]
fn a_body_is_sent_as_it_is_asked_for() {
    let (tell, told) = channel();
    let container = Upstream::always(move |peer| {
        packet(peer);
        let first = packet(peer);
        peer.write(packets(&[b"\x06\0\x03"]));
        let second = packet(peer);
        // An empty packet is the end.
        let mut rest = 0;
        loop {
            peer.write(packets(&[b"\x06\x1f\xfa"]));
            match packet(peer).len() {
                0 => break,
                length => rest += length - 2,
            }
        }
        let _ = tell.send([first.len() - 2, second.len() - 2, rest]);
        peer.write(well("fine"));
    });
    let gateway = before(container.address(), "");
    let body = "x".repeat(10_000);
    assert_eq!(gateway.connect().request("POST", "/", &[], &body).unwrap().text(), "fine");
    let [first, second, rest] = told.recv_timeout(DEADLINE).unwrap();
    assert!(first <= 8_186 && second == 3 && first + second + rest == 10_000, "{first} {second} {rest}");
}

#[test]
fn an_answer_may_come_before_the_end_of_the_request() {
    let container = Upstream::once(|peer| {
        packet(peer);
        peer.write(packets(&[b"\x04\x01\x93\0\x02No\0\0\x01\xa0\x03\0\x012\0", b"\x03\0\x02no\0", END]));
        peer.is_closed();
    });
    let gateway = before(container.address(), "");
    let mut client = gateway.connect();
    client.send(request("POST", "/", &["Content-Length: 100000000"], "")).unwrap();
    client.send("the beginning").unwrap();
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    container.wait_ended(1);
}

#[test]
fn an_upload_that_breaks_off_never_looks_whole() {
    for framing in ["Content-Length: 100000", "Transfer-Encoding: chunked"] {
        let (tell, told) = channel();
        let container = Upstream::once(move |peer| {
            packet(peer);
            peer.write(packets(&[b"\x06\x1f\xfa", b"\x06\x1f\xfa"]));
            let mut pieces = 0;
            // The end of a body has a packet of its own, which is empty, with its mark.
            loop {
                let head = peer.exactly(4);
                match head[..] {
                    [0x12, 0x34, 0, 0] => break tell.send(None).unwrap(),
                    [0x12, 0x34, high, low] => {
                        pieces += peer.exactly(usize::from(u16::from_be_bytes([high, low]))).len();
                        peer.write(packets(&[b"\x06\x1f\xfa"]));
                    }
                    _ => break tell.send(Some(pieces)).unwrap(),
                }
            }
        });
        let gateway = before(container.address(), "");
        let mut client = gateway.connect();
        client.send(request("POST", "/", &[framing], "")).unwrap();
        client.send("5\r\nshort\r\n").unwrap();
        drop(client);
        let pieces = told.recv_timeout(DEADLINE).unwrap();
        assert!(pieces.is_some_and(|pieces| pieces < 100), "{framing}: {pieces:?}");
        gateway.log().wait_for_text("V-CLIENT-GONE");
    }
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    let ((tell, told), (end, ended)) = (channel(), channel());
    let container = Upstream::once(move |peer| {
        packet(peer);
        let _ = tell.send(());
        let _ = end.send(peer.is_closed());
    });
    let gateway = before(container.address(), "");
    let mut client = gateway.connect();
    client.send(request("GET", "/", &[], "")).unwrap();
    told.recv_timeout(DEADLINE).unwrap();
    drop(client);
    assert!(ended.recv_timeout(DEADLINE).unwrap(), "the connection is closed");
}

#[test]
fn a_client_that_does_not_read_stops_the_container() {
    const LARGE: usize = 128 << 20;
    let (tell, told) = channel();
    let container = Upstream::once(move |peer| {
        packet(peer);
        peer.write(packets(&[HEAD]));
        let piece = [&[3, 0x1f, 0xf0][..], &[b'x'; 0x1ff0], b"\0"].concat();
        let _ = tell.send(peer.repeat_until_stalled(&packets(&[&piece]), LARGE));
    });
    let gateway = before(container.address(), "");
    let mut client = gateway.connect();
    client.send(request("GET", "/", &[], "")).unwrap();
    let taken = told.recv_timeout(DEADLINE).unwrap();
    assert!(taken < LARGE / 2, "{taken} bytes were taken");
}
