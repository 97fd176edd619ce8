//! Health checks by HTTP/2.

use std::fs;

use crate::harness::{Nginx, TestGateway, Upstream, eventually, get};

/// An nginx that speaks nothing but HTTP/2, and gives the files of a folder.
fn nginx(folder: &tempfile::TempDir) -> Nginx {
    Nginx::with_site(|listen| {
        format!("server {{ listen {listen} http2; root {}; }}", folder.path().display())
    })
}

fn before(servers: &[&str], health: &str) -> TestGateway {
    TestGateway::from_yaml(&format!(
        "routes: [ {{ http: {{ servers: {servers:?}, http2: true, health: {{ {health} }} }} }} ]"
    ))
}

#[test]
fn a_server_goes_down_and_comes_back_by_its_checks() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["up", "page"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let server = nginx(&folder);
    let gateway = before(&[&server.address()], "path: /up, interval: 50ms, timeout: 10s, unhealthy: 1");
    assert_eq!(get(&gateway.address(), "/page").text(), "page");
    fs::remove_file(folder.path().join("up")).unwrap();
    gateway.log().wait_for_text("a server is down and gets no requests: status 404");
    assert_eq!(get(&gateway.address(), "/page").status, 502);
    fs::write(folder.path().join("up"), "up").unwrap();
    gateway.log().wait_for_text("a server is up again");
    assert_eq!(get(&gateway.address(), "/page").text(), "page");
}

#[test]
fn every_way_to_be_unwell_is_told() {
    let silent = Upstream::always(|peer| {
        peer.is_closed();
    });
    let of_http1 = Upstream::always(|peer| {
        peer.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        peer.is_closed();
    });
    let closing = Upstream::always(|_| {});
    let told = [
        (silent.address(), "no answer within 5s"),
        (of_http1.address(), "the stream broke"),
        (closing.address(), "the stream broke"),
    ];
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("up"), "good").unwrap();
    let good = nginx(&folder);
    let good = good.address();
    let mut servers = vec![&*good];
    servers.extend(told.map(|(address, _)| address));
    let gateway = before(&servers, "path: /up, interval: 50ms, timeout: 5s, unhealthy: 1");
    for (address, reason) in told {
        gateway.log().wait_for_texts(&["a server is down", address, reason]);
    }
    // On a slow machine, the good one may have been down for a moment.
    eventually("answers of the good one alone", || {
        (0..8).all(|_| get(&gateway.address(), "/up").text() == "good").then_some(())
    });
}
