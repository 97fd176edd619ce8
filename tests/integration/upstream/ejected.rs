//! Servers that fail are passed over, and come back.

use super::forwarding;
use crate::harness::{BlackHole, Refusing, Upstream, eventually, with_length};

#[test]
fn a_server_that_refuses_is_passed_over_until_it_is_back() {
    let (refusing, serving) = (Refusing::new(), Upstream::always(|peer| peer.say("always")));
    let address = refusing.address().to_owned();
    let gateway =
        forwarding(&format!("servers: [\"{address}\", \"{}\"], eject: {{ time: 300ms }}", serving.address()));
    let mut client = gateway.connect();
    let mut say = || client.request("GET", "/", &[], "").unwrap().text();
    for _ in 0..6 {
        assert_eq!(say(), "always");
    }
    gateway.log().wait_for_texts(&["a server fails and is passed over for 300ms", &address, "refused"]);
    let _back = refusing.serve(|peer| peer.say("back"));
    eventually("the server to be asked again", || (say() == "back").then_some(()));
    gateway.log().wait_for_texts(&["a server that failed answers again", &address]);
}

#[test]
fn a_server_that_does_not_answer_is_passed_over_after_some_failures() {
    let closing = Upstream::always(|peer| {
        peer.head();
    });
    let silent = Upstream::always(|peer| {
        peer.is_closed();
    });
    let nonsense = Upstream::always(|peer| {
        peer.head();
        peer.write("nonsense\r\n\r\n");
    });
    let serving = Upstream::always(|peer| peer.say("served"));
    for failing in [closing, silent, nonsense] {
        let gateway = forwarding(&format!(
            "servers: [\"{}\", \"{}\"], eject: {{ failures: 2, time: 1h }}, timeout: 3s",
            failing.address(),
            serving.address()
        ));
        let mut client = gateway.connect();
        let failed = (0..20).filter(|_| client.request("GET", "/", &[], "").unwrap().status != 200);
        assert_eq!(failed.count(), 2);
    }
}

#[test]
fn statuses_count_as_failures_where_the_file_says_so() {
    let failing = Upstream::always(|peer| {
        while peer.head().is_some() {
            peer.write("HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\noh no");
        }
    });
    let serving = Upstream::always(|peer| peer.say("served"));
    for (status, failures) in [("", 10), (", status: [500-599]", 2)] {
        let gateway = forwarding(&format!(
            "servers: [\"{}\", \"{}\"], eject: {{ failures: 2, time: 1h{status} }}",
            failing.address(),
            serving.address()
        ));
        let mut client = gateway.connect();
        let answers: Vec<_> = (0..20).map(|_| client.request("GET", "/", &[], "").unwrap()).collect();
        let failed: Vec<_> = answers.iter().filter(|answer| answer.status == 500).collect();
        assert_eq!(failed.len(), failures);
        assert!(failed.iter().all(|answer| answer.text() == "oh no"), "the client gets what was said");
    }
}

#[test]
fn a_server_to_which_no_connection_opens_costs_one_wait() {
    let (black_hole, serving) = (BlackHole::new(), Upstream::always(|peer| peer.say("taken")));
    let gateway = forwarding(&format!(
        "servers: [\"{}\", \"{}\"], connect_timeout: 200ms, eject: {{ time: 1h }}",
        black_hole.address(),
        serving.address()
    ));
    let mut client = gateway.connect();
    for _ in 0..6 {
        assert_eq!(client.request("POST", "/", &[], "data").unwrap().text(), "taken");
    }
    gateway.log().wait_for_text("passed over");
    assert_eq!(gateway.log().count("passed over"), 1);
}

/// A server alone is asked for ever: nobody else could answer.
#[test]
fn a_server_that_is_alone_is_asked_again_at_once() {
    let refusing = Refusing::new();
    let gateway = forwarding(&format!("servers: \"{}\", eject: {{ time: 1h }}", refusing.address()));
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/", &[], "").unwrap().status, 502);
    let _back = refusing.serve(|peer| {
        peer.head();
        peer.write(with_length("back"));
    });
    assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "back");
}
