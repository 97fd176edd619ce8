//! What a client sends by HTTP/1: whatever it is, and in whatever pieces it comes, each answer is a whole one, and the connection
//! ends.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use vestibule::front;
use vestibule::gateway::{Gateway, kinds};
use vestibule_config::{Source, load_source};

/// Answers with bodies of known length and without, and with failures.
static SITE: LazyLock<(Runtime, Arc<Gateway>)> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let yaml = "listen: ':0'
limits: { header_bytes: 8KiB, header_count: 20, body_bytes: 64 }
routes:
  - { path: /none, respond: { status: 204 } }
  - { path: /old, redirect: { to: /new } }
  - { path: /, respond: { text: hello } }";
    let source = Source::from_texts(("vestibule.yaml".into(), yaml.into()), None);
    let config = load_source(&source, &kinds(), &|_| None).expect("it is right");
    let gateway = Gateway::build(config, 1).expect("nothing is missing");
    (runtime, Arc::new(gateway))
});

pub(crate) fn run(data: &[u8]) {
    let Some((&split, data)) = data.split_first() else { return };
    let split = usize::from(split).min(data.len());
    let (runtime, _) = &*SITE;
    for pieces in [&[data][..], &[&data[..split], &data[split..]]] {
        let received = runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(20), answered(pieces)).await.expect("a connection ends")
        });
        check(&received, data);
    }
}

/// Everything that a client receives who sends these pieces.
async fn answered(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut client, server) = UnixStream::pair().expect("two sockets");
    let mut received = Vec::new();
    let talking = async {
        for piece in pieces {
            // The gateway may have had enough.
            drop(client.write_all(piece).await);
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        }
        drop(client.shutdown().await);
        drop(client.read_to_end(&mut received).await);
    };
    tokio::join!(talking, front::serve_local(server, Arc::clone(&SITE.1)));
    received
}

/// All of it are whole answers, one after the other. HTTP/2 has another tongue, and whether an answer is one to HEAD, only its
/// request tells.
fn check(mut received: &[u8], sent: &[u8]) {
    let contains = |text: &[u8]| sent.windows(text.len()).any(|window| window == text);
    if contains(b"PRI * HTTP/2.0") || contains(b"HEAD") {
        return;
    }
    while !received.is_empty() {
        let end = received.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head") + 4;
        let (head, rest) = received.split_at(end);
        let head = std::str::from_utf8(head).expect("a head is text");
        assert!(head.starts_with("HTTP/1.1 ") || head.starts_with("HTTP/1.0 "), "{head}");
        let status: u16 = head[9..12].parse().expect("a status");
        assert!(status != 500 && status != 502, "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(length.is_none(), matches!(status, 100 | 204 | 304), "{head}");
        let length = length.map_or(0, |length| length.parse().expect("a number"));
        received = rest.get(length..).expect("a whole body");
    }
}
