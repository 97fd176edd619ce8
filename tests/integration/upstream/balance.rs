//! Which of several servers gets a request.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use super::forwarding;
use crate::harness::{Client, Peer, TestGateway, Upstream, get, with_length};

/// Servers that say their names.
fn named<const COUNT: usize>(names: [&'static str; COUNT]) -> [Upstream; COUNT] {
    names.map(|name| Upstream::always(move |peer| peer.say(name)))
}

fn list(servers: &[Upstream]) -> String {
    let quoted: Vec<_> = servers.iter().map(|server| format!("\"{}\"", server.address())).collect();
    format!("servers: [{}]", quoted.join(", "))
}

fn says(client: &mut Client, headers: &[&str]) -> String {
    client.request("GET", "/", headers, "").unwrap().text()
}

/// Says its name; to `/hold`, only a part of it, and no more until the connection ends.
fn holding(name: &'static str) -> Upstream {
    Upstream::always(move |peer: &mut Peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("GET /hold ") {
                peer.write(format!("HTTP/1.1 200 OK\r\nX-Name: {name}\r\nContent-Length: 100\r\n\r\n{name}"));
                peer.is_closed();
                return;
            }
            peer.write(with_length(name));
        }
    })
}

/// A request that stays in flight for as long as its client is there, and the name of its server.
fn hold(gateway: &TestGateway) -> (Client, String) {
    let mut client = gateway.connect();
    client.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let name = client.head().unwrap().header("x-name").expect("it says its name").to_owned();
    (client, name)
}

#[test]
fn servers_get_requests_by_their_weights() {
    let [one, two] = named(["one", "two"]);
    let gateway = forwarding(&format!(
        "servers: [ {{ address: \"{}\", weight: 3 }}, \"{}\" ]",
        one.address(),
        two.address()
    ));
    let mut client = gateway.connect();
    let said: Vec<_> = (0..40).map(|_| says(&mut client, &[])).collect();
    assert_eq!(said.iter().filter(|said| *said == "one").count(), 30);
}

#[test]
fn a_backup_takes_what_nobody_else_can() {
    let [server, backup] = named(["server", "backup"]);
    let refusing = crate::harness::Refusing::new();
    let yaml = |first: &str| {
        format!("servers: [ \"{first}\", {{ address: \"{}\", backup: true }} ]", backup.address())
    };
    assert_eq!(get(&forwarding(&yaml(server.address())).address(), "/").text(), "server");
    assert_eq!(get(&forwarding(&yaml(refusing.address())).address(), "/").text(), "backup");
}

#[test]
fn the_server_that_is_busy_with_an_answer_gets_no_more() {
    for balance in ["least_requests", "p2c"] {
        let servers = [holding("one"), holding("two")];
        let gateway = forwarding(&format!("{}, balance: {balance}", list(&servers)));
        let (held, busy) = hold(&gateway);
        let free = if busy == "one" { "two" } else { "one" };
        let mut client = gateway.connect();
        for _ in 0..8 {
            assert_eq!(says(&mut client, &[]), free, "{balance}");
        }
        drop(held);
        crate::harness::eventually("the other server to be free", || {
            (says(&mut client, &[]) == busy).then_some(())
        });
    }
}

#[test]
fn a_key_has_the_same_server_in_every_gateway() {
    let servers = named(["one", "two", "three"]);
    let settings = format!("{}, balance: {{ hash: \"{{HTTP_X_USER}}\" }}", list(&servers));
    let gateways = [forwarding(&settings), forwarding(&settings)];
    let mut clients = [gateways[0].connect(), gateways[0].connect(), gateways[1].connect()];
    let mut seen = std::collections::HashSet::new();
    for number in 0..30 {
        let header = format!("X-User: {number}");
        let said = clients.each_mut().map(|client| says(client, &[&header]));
        assert!(said.iter().all(|name| *name == said[0]), "{said:?}");
        seen.extend(said);
    }
    assert_eq!(seen.len(), 3, "each server has keys");
}

#[test]
fn a_cookie_leads_back_to_the_same_server() {
    let servers = named(["one", "two", "three"]);
    let yaml = format!(
        "routes: [ {{ mount: /shop, http: {{ {}, balance: {{ sticky: {{ cookie: route }} }} }} }} ]",
        list(&servers)
    );
    let gateways = [TestGateway::from_yaml(&yaml), TestGateway::from_yaml(&yaml)];
    let mut client = gateways[0].connect();
    let mut names = Vec::new();
    for _ in 0..3 {
        let first = client.request("GET", "/shop/", &[], "").unwrap();
        let cookie = first.header("set-cookie").expect("a cookie").to_owned();
        assert!(cookie.ends_with("; Path=/shop; HttpOnly; SameSite=Lax"), "{cookie}");
        let sent = format!("Cookie: a=b; {}", cookie.split(';').next().unwrap());
        // On any connection, and of any gateway with these servers.
        for gateway in &gateways {
            for _ in 0..3 {
                let again = gateway.connect().request("GET", "/shop/", &[&sent], "").unwrap();
                assert_eq!((again.text(), again.header("set-cookie")), (first.text(), None));
            }
        }
        names.push(first.text());
    }
    names.sort_unstable();
    assert_eq!(names, ["one", "three", "two"], "new clients are spread");
}

#[test]
fn when_all_servers_are_full_the_answer_is_503() {
    let servers = [holding("one"), holding("two")];
    let gateway = forwarding(&format!("{}, max_in_flight: 1", list(&servers)));
    let held = [hold(&gateway), hold(&gateway)];
    assert_ne!(held[0].1, held[1].1);
    let refused = get(&gateway.address(), "/");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(refused.text().contains("V-BUSY"), "{}", refused.text());
    gateway.log().wait_for_texts(&["V-BUSY", "as many requests as they may have"]);
    drop(held);
    crate::harness::eventually("room", || (get(&gateway.address(), "/").status == 200).then_some(()));
}

#[test]
fn what_was_sent_is_tried_again_only_where_that_was_asked_for_and_does_no_harm() {
    let closing = || {
        Upstream::always(|peer| {
            peer.head();
        })
    };
    let [serving] = named(["served"]);
    for (settings, method, status) in
        [("", "GET", 502), ("retry: { sent: true }", "GET", 200), ("retry: { sent: true }", "POST", 502)]
    {
        let closing = closing();
        let gateway = forwarding(&format!(
            "servers: [\"{}\", {{ address: \"{}\", backup: true }}], {settings}",
            closing.address(),
            serving.address()
        ));
        let answer = gateway.connect().request(method, "/", &[], "").unwrap();
        assert_eq!(answer.status, status, "{method} {settings}");
        assert_eq!(closing.connections(), 1);
    }
}

#[test]
fn servers_that_all_fail_are_not_hammered() {
    let count = Arc::new(AtomicU64::new(0));
    let closing = |()| {
        let count = Arc::clone(&count);
        Upstream::always(move |peer| {
            if peer.head().is_some() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let servers = [(); 4].map(closing);
    let gateway = forwarding(&format!("{}, retry: {{ sent: true, budget: 0, attempts: 4 }}", list(&servers)));
    let start = Instant::now();
    // On one connection, for each core has a budget.
    let mut client = gateway.connect();
    for _ in 0..100 {
        assert_eq!(client.request("GET", "/", &[], "").unwrap().status, 502);
    }
    // Ten at the start and ten a second.
    let allowed = 110 + 10 * (start.elapsed().as_secs() + 1);
    let got = count.load(Ordering::SeqCst);
    assert!((101..=allowed).contains(&got), "{got}, allowed {allowed}");
}

#[test]
fn many_clients_never_exceed_what_a_server_may_have() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counts, highest) = (Arc::clone(&now), Arc::clone(&most));
    let server = Upstream::always(move |peer| {
        while peer.head().is_some() {
            highest.fetch_max(counts.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            counts.fetch_sub(1, Ordering::SeqCst);
            peer.write(with_length("done"));
        }
    });
    let gateway = forwarding(&format!("servers: \"{}\", max_in_flight: 3", server.address()));
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (address, tell) = (gateway.address(), tell.clone());
            scope.spawn(move || {
                let mut client = Client::connect(&address).unwrap();
                for _ in 0..50 {
                    tell.send(client.request("GET", "/", &[], "").unwrap().status).unwrap();
                }
            });
        }
    });
    drop(tell);
    let statuses: Vec<_> = told.into_iter().collect();
    assert!(statuses.len() == 400 && statuses.iter().all(|status| matches!(status, 200 | 503)));
    assert!(most.load(Ordering::SeqCst) <= 3 && statuses.contains(&200));
}
