//! What the file may say.

use vestibule_config::{Source, load_source};

use crate::gateway::kinds;

fn mistakes(settings: &str) -> String {
    let yaml = format!("listen: \"127.0.0.1:0\"\nroutes: [ {{ http: {{ {settings} }} }} ]\n");
    match load_source(&Source::from_text("test.yaml", yaml), &kinds(), &|_| None) {
        Ok(_) => String::new(),
        Err(mistakes) => mistakes.to_string(),
    }
}

#[test]
fn every_setting_is_understood() {
    let all = "servers: [\"a:1\", \"unix:b.sock\"], connect_timeout: 1s, timeout: 2s, write_timeout: 1s, idle_timeout: 3s, \
               idle_connections: 4, header_bytes: 8KiB, host: upstream, \
               upgrade: [websocket, x], tunnel_timeout: 5s, forwarded: true, rewrite_answers: false";
    assert_eq!(mistakes(all), "");
    assert_eq!(mistakes("servers: \"a:1\""), "");
    assert_eq!(
        mistakes("servers: \"a:1\", http2: true, balance: p2c, retry: { sent: true }, health: { path: / }"),
        ""
    );
    assert_eq!(mistakes("servers: \"a:1\", http2: false, idle_connections: 1, health: { path: / }"), "");
}

#[test]
fn every_mistake_is_told() {
    for (settings, told) in [
        ("timeout: 1s", "`servers` is missing"),
        ("servers: []", "at least one server is needed"),
        ("servers: [\"http://a:80/\"]", "HOST:PORT or unix:PATH is expected"),
        ("servers: [\"a:99999\"]", "the port must be a number from 1 to 65535"),
        ("servers: [\"a:1\"], timeout: 0", "`timeout` must be longer than 0"),
        ("servers: [\"a:1\"], header_bytes: 1", "must be between 1KiB and 16MiB"),
        ("servers: [\"a:1\"], host: \"a\\nb\"", "is not understood"),
        ("servers: [\"a:1\"], write_timeout: 0s", "`write_timeout` must be longer than 0"),
        (
            "servers: [\"a:1\"], http2: true, idle_connections: 1",
            "`idle_connections` does not go with `http2`",
        ),
        ("servers: [\"a:1\"], idle: 1s", "unknown key `idle`"),
    ] {
        let mistakes = mistakes(settings);
        assert!(mistakes.contains(told), "{settings}: {mistakes}");
    }
}

#[test]
fn every_setting_of_the_choice_is_understood() {
    for settings in [
        "servers: [\"a:1\", { address: \"b:2\", weight: 3 }, { address: \"unix:c.sock\", backup: true }]",
        "servers: { srv: _http._tcp.a.internal }, resolver: \"10.0.0.2\"",
        "servers: \"a:1\", resolver: \"[::1]:5353\"",
        "servers: \"a:1\", balance: round_robin",
        "servers: \"a:1\", balance: least_requests, max_in_flight: 100, slow_start: 30s",
        "servers: \"a:1\", balance: p2c, eject: { failures: 5, time: 30s, status: [500-599, 429] }",
        "servers: \"a:1\", balance: { hash: \"{REMOTE_ADDR}{HTTP_X_USER}\" }",
        "servers: \"a:1\", balance: { sticky: { cookie: route } }, retry: { attempts: 2, budget: 10, sent: true }",
        "servers: \"a:1\", health: { path: /up?deep }",
        "servers: \"a:1\", health: { path: /up, host: a.example, interval: 1s, timeout: 500ms, healthy: 1, \
         unhealthy: 1, status: 204 }",
    ] {
        assert_eq!(mistakes(settings), "", "{settings}");
    }
}

#[test]
fn every_mistake_of_the_choice_is_told() {
    for (settings, told) in [
        ("servers: [ { weight: 2 } ]", "a server has either an `address` or a name in `srv`"),
        ("servers: [ { address: \"a:1\", srv: b } ]", "a server has either an `address` or a name in `srv`"),
        ("servers: [ { address: \"a:1\", weight: 0 } ]", "`weight` must be between 1 and 1000"),
        ("servers: [ { address: \"a:1\", wait: 2 } ]", "unknown key `wait`"),
        ("servers: \"a:1\", resolver: ns.example", "the address of a name server is expected"),
        ("servers: \"a:1\", balance: least_request", "did you mean `least_requests`?"),
        ("servers: \"a:1\", balance: {}", "one of `hash` and `sticky` is needed here"),
        ("servers: \"a:1\", balance: { hash: a }", "every request has the same key"),
        ("servers: \"a:1\", balance: { hash: \"{A\" }", "opens a variable that no `}` closes"),
        ("servers: \"a:1\", balance: { hash: \"{NOBODY_SETS_IT}\" }", "NOBODY_SETS_IT"),
        ("servers: \"a:1\", balance: { sticky: {} }", "`cookie` is missing"),
        ("servers: \"a:1\", balance: { sticky: { cookie: \"a=b\" } }", "cannot be the name of a cookie"),
        ("servers: \"a:1\", max_in_flight: 0", "`max_in_flight` must be at least 1"),
        ("servers: \"a:1\", eject: { failures: 0 }", "`failures` must be at least 1"),
        ("servers: \"a:1\", eject: { status: 5xx }", "a status such as 204, or a range"),
        ("servers: \"a:1\", eject: { status: 599-500 }", "a status such as 204, or a range"),
        ("servers: \"a:1\", retry: { budget: 200 }", "at most 100"),
        ("servers: \"a:1\", retry: { attempts: 0 }", "`attempts` must be at least 1"),
        ("servers: \"a:1\", health: { interval: 1s }", "`path` is missing"),
        ("servers: \"a:1\", health: { path: up }", "`up` is no path"),
        ("servers: \"a:1\", health: { path: \"/a b\" }", "`/a b` is no path"),
        ("servers: \"a:1\", health: { path: /, timeout: 0s }", "`timeout` must be longer than 0"),
    ] {
        let mistakes = mistakes(settings);
        assert!(mistakes.contains(told), "{settings}: {mistakes}");
    }
}
