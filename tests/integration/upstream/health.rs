//! Health checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::forwarding;
use crate::harness::{BlackHole, Refusing, TestGateway, Upstream, eventually, get, with_length};

/// Says its name, and to `/up?deep` whether it is well.
fn patient(name: &'static str) -> (Upstream, Arc<AtomicBool>) {
    let is_well = Arc::new(AtomicBool::new(true));
    let well = Arc::clone(&is_well);
    let server = Upstream::always(move |peer| {
        while let Some(head) = peer.head() {
            let is_check = head.starts_with("GET /up?deep HTTP/1.1\r\n");
            assert!(!is_check || head.contains("\r\nhost: checked.example\r\n"), "{head}");
            if is_check && !well.load(Ordering::SeqCst) {
                peer.write("HTTP/1.1 503 Sick\r\nContent-Length: 0\r\n\r\n");
            } else {
                peer.write(with_length(name));
            }
        }
    });
    (server, is_well)
}

fn said(gateway: &TestGateway, count: usize) -> Vec<String> {
    let mut client = gateway.connect();
    (0..count).map(|_| client.request("GET", "/", &[], "").unwrap().text()).collect()
}

#[test]
fn a_server_goes_down_and_comes_back_by_its_checks() {
    let ((one, is_well), (two, _)) = (patient("one"), patient("two"));
    let gateway = forwarding(&format!(
        "servers: [\"{}\", \"{}\"], health: {{ path: /up?deep, host: checked.example, interval: 50ms, \
         timeout: 10s, healthy: 2, unhealthy: 2 }}",
        one.address(),
        two.address()
    ));
    assert_eq!(said(&gateway, 4).iter().filter(|name| *name == "one").count(), 2);
    is_well.store(false, Ordering::SeqCst);
    gateway.log().wait_for_texts(&["a server is down and gets no requests: status 503", one.address()]);
    assert_eq!(said(&gateway, 4), ["two"; 4]);
    is_well.store(true, Ordering::SeqCst);
    gateway.log().wait_for_texts(&["a server is up again", one.address()]);
    assert_eq!(said(&gateway, 4).iter().filter(|name| *name == "one").count(), 2);
    assert_eq!(gateway.log().count("a server is down"), 1);
}

#[test]
fn checks_end_with_the_configuration_that_asked_for_them() {
    let ((old, _), (new, _)) = (patient("old"), patient("new"));
    let yaml = |server: &Upstream| {
        let health = "health: { path: /up?deep, host: checked.example, interval: 50ms }";
        format!("routes: [ {{ http: {{ servers: \"{}\", {health} }} }} ]", server.address())
    };
    let gateway = TestGateway::from_yaml(&yaml(&old));
    eventually("a check", || (!old.heads().is_empty()).then_some(()));
    gateway.reload(&yaml(&new));
    // Only the checks of another server tell how time passes.
    eventually("a time without checks of the old server", || {
        let (of_old, of_new) = (old.heads().len(), new.heads().len());
        eventually("checks of the new server", || (new.heads().len() >= of_new + 5).then_some(()));
        (old.heads().len() == of_old).then_some(())
    });
}

#[test]
fn every_way_to_be_unwell_is_told() {
    let silent = Upstream::always(|peer| {
        peer.is_closed();
    });
    let nonsense = Upstream::always(|peer| {
        peer.head();
        peer.write("220 smtp.example ESMTP\r\n");
        peer.is_closed();
    });
    let endless = Upstream::always(|peer| {
        peer.head();
        peer.repeat_until_stalled(b"HTTP/1.1 100 Continue\r\n\r\n", 1 << 20);
    });
    let closing = Upstream::always(|peer| {
        peer.head();
    });
    let redirecting = Upstream::always(|peer| {
        peer.head();
        peer.write("HTTP/1.1 302 Found\r\n\r\n");
    });
    let (refusing, black_hole) = (Refusing::new(), BlackHole::new());
    let (good, _) = patient("good");
    let told = [
        (silent.address(), "no answer within 5s"),
        (nonsense.address(), "its head is malformed"),
        (endless.address(), "its head is over 65536 bytes"),
        (closing.address(), "the connection ended before the answer did"),
        (redirecting.address(), "status 302"),
        (refusing.address(), "refused"),
        (black_hole.address(), "no answer within 5s"),
    ];
    let servers: Vec<_> = told.iter().map(|(address, _)| format!("\"{address}\"")).collect();
    let gateway = forwarding(&format!(
        "servers: [{}, \"{}\"], health: {{ path: /up?deep, host: checked.example, interval: 50ms, \
         timeout: 5s, unhealthy: 1, status: [200-299] }}",
        servers.join(", "),
        good.address()
    ));
    for (address, reason) in told {
        gateway.log().wait_for_texts(&["a server is down", address, reason]);
    }
    assert_eq!(said(&gateway, 8), ["good"; 8]);
}

#[test]
fn where_all_are_down_the_answer_is_502_and_nobody_is_asked() {
    let (server, is_well) = patient("only");
    is_well.store(false, Ordering::SeqCst);
    let gateway = forwarding(&format!(
        "servers: \"{}\", health: {{ path: /up?deep, host: checked.example, interval: 50ms, timeout: 10s }}",
        server.address()
    ));
    gateway.log().wait_for_text("a server is down");
    assert_eq!(get(&gateway.address(), "/").status, 502);
    assert!(server.heads().iter().all(|head| head.starts_with("GET /up?deep ")));
    is_well.store(true, Ordering::SeqCst);
    eventually("the server to be back", || (get(&gateway.address(), "/").text() == "only").then_some(()));
}
