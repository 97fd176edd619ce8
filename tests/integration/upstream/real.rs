//! Real servers behind, and many requests at once.

use std::thread;

use super::before;
use crate::harness::{Client, Nginx, Upstream, get};

#[test]
fn nginx_serves_behind_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let large = "0123456789abcdef".repeat(1 << 18);
    std::fs::write(folder.path().join("large.txt"), &large).unwrap();
    let nginx = Nginx::with_site(|listen| {
        format!("server {{ listen {listen}; location / {{ root {}; }} }}", folder.path().display())
    });
    let gateway = before(&[&nginx.address()], "");
    let mut client = gateway.connect();
    let whole = client.request("GET", "/large.txt", &[], "").unwrap();
    assert!(whole.status == 200 && whole.text() == large, "{} bytes", whole.body.len());
    let part = client.request("GET", "/large.txt", &["Range: bytes=16-18"], "").unwrap();
    assert_eq!((part.status, part.text().as_str()), (206, "012"));
    let tag = whole.header("etag").expect("nginx sends a tag");
    let known = client.request("GET", "/large.txt", &[&format!("If-None-Match: {tag}")], "").unwrap();
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(client.request("GET", "/nothing", &[], "").unwrap().status, 404);
}

#[test]
fn a_server_has_a_name() {
    let server = Upstream::always(|peer| peer.say("found by its name"));
    let (_, port) = server.address().split_once(':').unwrap();
    let gateway = before(&[&format!("localhost:{port}")], "");
    assert_eq!(get(&gateway.address(), "/").text(), "found by its name");
    let unknown = before(&["no-such-host.invalid:80"], "");
    assert_eq!(get(&unknown.address(), "/").status, 502);
}

#[test]
fn many_clients_at_once_get_each_their_own_answer() {
    let servers = [Upstream::echo(), Upstream::echo()];
    let gateway = before(&[servers[0].address(), servers[1].address()], "");
    thread::scope(|scope| {
        for number in 0..32 {
            let address = gateway.address();
            scope.spawn(move || {
                let mut client = Client::connect(&address).unwrap();
                for turn in 0..50 {
                    let path = format!("/{number}/{turn}");
                    let answer = client.request("GET", &path, &[], "").unwrap();
                    assert!(answer.text().starts_with(&format!("GET {path} ")), "{path}: {}", answer.text());
                }
            });
        }
    });
    assert_eq!(servers.iter().map(|server| server.heads().len()).sum::<usize>(), 32 * 50);
}
