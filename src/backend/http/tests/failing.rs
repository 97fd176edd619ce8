//! What a client gets where the server fails, and that the next request is none the worse for it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use vestibule_layers::rescue::BrokenOff;
use vestibule_layers::{BodyError, Cause};

use super::script::{Peer, Server};
use super::*;

/// A port that nobody listens on, and that nobody else can take while it is kept.
fn bound() -> (TcpListener, String) {
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .unwrap();
    rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let socket = TcpListener::from(socket);
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// The answer to a request whose server plays the script; that to the next one must be "fine".
async fn after(settings: &str, script: impl FnOnce(&mut Peer) + Send + 'static) -> Answered {
    let server = Server::once(script);
    let asked = forwarding(&[&server.address], settings);
    let answer = asked.ask(get("/")).await;
    assert_eq!(asked.ask(get("/")).await.whole(), "fine");
    assert_eq!(server.accepted(), 2, "the connection that failed is not used again");
    answer
}

#[tokio::test]
async fn a_server_that_refuses_is_bad() {
    let ((_one, one), (_other, other)) = (bound(), bound());
    let asked = forwarding(&[&one, &other], "");
    assert_eq!(asked.ask(get("/")).await.status, 502);
    let asked = forwarding(&["unix:/nowhere/at/all.sock"], "");
    assert_eq!(asked.ask(get("/")).await.status, 502);
}

#[tokio::test]
async fn another_server_takes_what_one_refused() {
    let server = Server::playing(vec![Box::new(|peer| {
        peer.head();
        let body = peer.exactly(4);
        peer.write(&format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{body}"));
    })]);
    let (_refusing, refusing) = bound();
    let asked = forwarding(&[&refusing, &server.address], "");
    assert_eq!(asked.ask(post(Body::from("once"))).await.whole(), "once");
}

#[tokio::test]
async fn a_server_that_refused_is_passed_over_for_a_while() {
    let (back, address) = bound();
    let other = Server::playing(vec![Box::new(Peer::fine)]);
    let asked = forwarding(&[&address, &other.address], "");
    assert_eq!(asked.ask(get("/")).await.whole(), "fine");
    // It is back, but nobody asks it yet.
    rustix::net::listen(&back, 1).unwrap();
    back.set_nonblocking(true).unwrap();
    for _ in 0..4 {
        assert_eq!(asked.ask(get("/")).await.whole(), "fine");
    }
    assert!(back.accept().is_err());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_too_slow() {
    assert_eq!(after("timeout: 3s", Peer::until_closed).await.status, 504);
}

#[tokio::test]
async fn a_server_that_takes_nothing_of_a_request_is_too_slow() {
    for settings in ["write_timeout: 100ms", "timeout: 3s"] {
        let (keep, kept) = std::sync::mpsc::channel::<()>();
        let server = Server::once(move |peer| {
            peer.head();
            let _ = kept.recv_timeout(PATIENCE);
        });
        let asked = forwarding(&[&server.address], settings);
        // More than sockets take for somebody who reads nothing.
        let answer = asked.ask(post(Body::from(Bytes::from(vec![b'x'; 64 << 20])))).await;
        assert_eq!(answer.status, 504, "{settings}");
        drop(keep);
        assert_eq!(asked.ask(get("/")).await.whole(), "fine");
    }
}

#[tokio::test]
async fn a_server_that_has_taken_the_request_may_think_about_it() {
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    let server = Server::playing(vec![Box::new(move |peer| {
        peer.head();
        peer.exactly(4);
        told.recv_timeout(PATIENCE).unwrap();
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
    })]);
    let asked = forwarding(&[&server.address], "write_timeout: 100ms");
    let mut answer = Box::pin(asked.ask(post(Body::from("once"))));
    assert!(tokio::time::timeout(Duration::from_millis(400), &mut answer).await.is_err());
    go_on.send(()).unwrap();
    assert_eq!(answer.await.whole(), "done");
}

#[tokio::test]
async fn a_server_that_stops_in_its_head_is_too_slow() {
    let answer = after("timeout: 3s", |peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nContent-");
        peer.until_closed();
    });
    assert_eq!(answer.await.status, 504);
}

#[tokio::test]
async fn a_head_that_breaks_off_is_bad() {
    assert_eq!(after("", |peer| drop(peer.head())).await.status, 502);
    assert_eq!(after("", |peer| peer.reset_after("")).await.status, 502);
    assert_eq!(after("", |peer| peer.reset_after("HTTP/1.1 200 OK\r\nConte")).await.status, 502);
}

#[tokio::test]
async fn nonsense_is_bad() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101));
    let huge = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(70_000));
    for head in [
        "220 smtp.example ESMTP\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        &many,
        &huge,
    ] {
        let text = head.to_owned();
        let answer = after("", move |peer| {
            peer.head();
            peer.write(&text);
            peer.until_closed();
        });
        assert_eq!(answer.await.status, 502, "{}", &head[..head.len().min(80)]);
    }
}

#[tokio::test]
async fn heads_that_come_at_once_have_one_limit() {
    let answer = after("header_bytes: 1KiB", |peer| {
        peer.head();
        let interim = format!("HTTP/1.1 103 Early Hints\r\na: {}\r\n\r\n", "x".repeat(400));
        peer.write(&format!("{}HTTP/1.1 204 No Content\r\n\r\n", interim.repeat(3)));
        peer.until_closed();
    });
    assert_eq!(answer.await.status, 502);
}

#[tokio::test]
async fn a_truncated_body_never_looks_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ] {
        let broken = after("", move |peer| {
            peer.head();
            peer.write(answer);
        });
        let broken = broken.await;
        assert_eq!(broken.status, 200);
        assert!(broken.text.is_err(), "{answer}");
    }
}

#[tokio::test]
async fn a_reset_in_the_body_never_looks_like_its_end() {
    let answer = after("", |peer| peer.reset_after("HTTP/1.0 200 OK\r\n\r\nthe end is not known")).await;
    assert!(answer.status == 502 || answer.text.is_err());
}

#[tokio::test]
async fn a_body_that_stalls_is_broken_off() {
    let answer = after("timeout: 2s", |peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        peer.until_closed();
    });
    assert!(answer.await.text.is_err());
}

#[tokio::test]
async fn a_request_that_was_sent_is_never_sent_again() {
    let server = Server::once(|peer| {
        assert!(peer.head().starts_with("POST"));
        assert_eq!(peer.exactly(4), "once");
    });
    let asked = forwarding(&[&server.address, &server.address], "");
    assert_eq!(asked.ask(post(Body::from("once"))).await.status, 502);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_not_used() {
    let (closed, was_closed) = std::sync::mpsc::channel();
    let server = Server::playing(vec![
        Box::new(move |peer| {
            peer.head();
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            peer.close();
            closed.send(()).unwrap();
        }),
        Box::new(|peer| {
            assert!(peer.head().starts_with("POST"));
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine");
        }),
    ]);
    let asked = forwarding(&[&server.address], "");
    assert_eq!(asked.ask(get("/")).await.whole(), "ok");
    tokio::task::spawn_blocking(move || was_closed.recv_timeout(PATIENCE)).await.unwrap().unwrap();
    // The end has come, but the runtime looks for what has come only every so many turns.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(asked.ask(post(Body::Empty)).await.whole(), "fine");
}

#[tokio::test]
async fn an_upload_that_meets_a_closed_connection_goes_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sock");
    // A unix socket: the first write to one that was closed fails, so that nothing is sent.
    let listener = UnixListener::bind(&path).unwrap();
    let (close, told_to_close) = std::sync::mpsc::channel();
    let (closed, was_closed) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for is_last in [false, true] {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut asked = Vec::new();
            let end: &[u8] = if is_last { b"once" } else { b"\r\n\r\n" };
            while !asked.ends_with(end) {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.extend_from_slice(&byte);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine").unwrap();
            let _ = told_to_close.recv_timeout(PATIENCE);
            drop(stream);
            let _ = closed.send(());
        }
    });
    let asked = forwarding(&[&format!("unix:{}", path.display())], "");
    assert_eq!(asked.ask(get("/")).await.whole(), "fine");
    // Without a turn of the runtime, which would hear of it.
    close.send(()).unwrap();
    was_closed.recv_timeout(PATIENCE).unwrap();
    assert_eq!(asked.ask(post(Body::from("once"))).await.whole(), "fine");
}

#[tokio::test]
async fn what_follows_an_answer_unasked_ends_the_connection() {
    let answer = after("", |peer| {
        peer.head();
        peer.write("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
        peer.until_closed();
    });
    assert_eq!(answer.await.status, 204);
}

#[tokio::test]
async fn a_client_that_uploads_slowly_is_not_the_servers_fault() {
    let server = Server::playing(vec![Box::new(|peer| {
        peer.head();
        peer.exactly("4\r\nslow\r\n0\r\n\r\n".len());
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
    })]);
    let asked = forwarding(&[&server.address], "timeout: 2s");
    let (sender, body) = pieces();
    let mut answer = Box::pin(asked.ask(post(body)));
    let waited = tokio::time::timeout(Duration::from_secs(3), &mut answer).await;
    assert!(waited.is_err(), "no answer while the client thinks");
    sender.send("slow").await.unwrap();
    drop(sender);
    assert_eq!(answer.await.whole(), "done");
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_not_the_servers_fault() {
    let long = "x".repeat(8_000_000);
    let server = Server::playing(vec![Box::new(move |peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n");
        peer.write(&long);
        peer.until_closed();
    })]);
    let asked = forwarding(&[&server.address], "timeout: 2s");
    let body = asked.answer(get("/")).await.into_body();
    assert!(tokio::time::timeout(Duration::from_secs(3), std::future::pending::<()>()).await.is_err());
    assert_eq!(text(body).await.unwrap().len(), 8_000_000);
}

#[tokio::test]
async fn a_body_that_breaks_off_on_the_way_in_is_the_clients_fault() {
    struct Breaking(Option<BodyError>);
    impl http_body::Body for Breaking {
        type Data = Bytes;
        type Error = BodyError;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(self.0.take().map(Err))
        }
    }
    let slow = BrokenOff::new(Cause::RequestTimeout, std::io::Error::other("too slow"));
    for (error, status) in [("the body broke off".into(), 400), (Box::new(slow) as BodyError, 408)] {
        let server = Server::once(Peer::until_closed);
        let asked = forwarding(&[&server.address], "");
        assert_eq!(asked.ask(post(Body::boxed(Breaking(Some(error))))).await.status, status);
        assert_eq!(asked.ask(get("/")).await.whole(), "fine");
    }
}
