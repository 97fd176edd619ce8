//! Programs that answer badly, or not at all.

use std::sync::mpsc::channel;
use std::thread;

use super::{before, number, open, wait_clean, wait_gone};
use crate::harness::{eventually_ended, get, request};

#[test]
fn a_program_without_a_good_head_is_502_and_the_next_request_works() {
    let gateway = before("header_bytes: 1KiB");
    let address = gateway.address();
    assert_eq!(get(&address, "/cgi/does/well").text(), "well\n");
    let descriptors = open(&gateway);
    for (path, reasons) in [
        ("nothing", ["exit status: 0", "ended before the answer"]),
        ("fails", ["exit status: 3", "ended before the answer"]),
        ("half-a-line", ["exit status: 0", "ended before the answer"]),
        ("half-a-head", ["exit status: 0", "ended before the answer"]),
        ("signal", ["ended by signal 11", "the connection broke"]),
        ("no-field", ["no header field", "no colon"]),
        ("status", ["is not understood", "none"]),
        ("informational", ["is not understood", "101 Switching"]),
        ("lengths", ["is not one number", "tests/apps/cgi/does"]),
        ("gigabytes-of-head", ["over 1024 bytes", "tests/apps/cgi/does"]),
    ] {
        let answer = get(&address, &format!("/cgi/does/{path}"));
        assert_eq!(answer.status, 502, "{path}");
        gateway.log().wait_for_texts(&["V-UPSTREAM", reasons[0], reasons[1]]);
        assert_eq!(get(&address, "/cgi/does/well").text(), "well\n", "after {path}");
    }
    wait_clean(&gateway, descriptors);
}

#[test]
fn a_program_that_dies_in_the_middle_of_its_answer_aborts_it() {
    let gateway = before("");
    for (path, reason) in
        [("signal-within", "ended by signal 9"), ("short", "5 bytes before its Content-Length")]
    {
        let answer = gateway.connect().request("GET", &format!("/cgi/does/{path}"), &[], "");
        assert!(answer.is_err(), "{path}: {answer:?}");
        gateway.log().wait_for_text(reason);
    }
    assert_eq!(get(&gateway.address(), "/cgi/does/well").text(), "well\n");
}

#[test]
fn how_a_program_ends_after_its_whole_answer_is_its_own_affair() {
    let gateway = before("");
    for (path, text) in [("signal-after", "fine"), ("fails-after", "whole\n")] {
        assert_eq!(get(&gateway.address(), &format!("/cgi/does/{path}")).text(), text, "{path}");
    }
}

#[test]
fn a_program_that_hangs_is_504_and_ended() {
    let gateway = before("timeout: 2s");
    let descriptors = open(&gateway);
    let answer = get(&gateway.address(), "/cgi/does/hangs");
    assert!(answer.status == 504 && answer.text().contains("V-TOO-SLOW"), "{answer:?}");
    wait_gone(number(&gateway, "pid"));
    // The connection of the client goes, too.
    wait_clean(&gateway, descriptors);
}

#[test]
fn a_program_that_stalls_aborts_its_answer_and_is_ended() {
    let gateway = before("timeout: 2s");
    let answer = gateway.connect().request("GET", "/cgi/does/hangs-within", &[], "");
    assert!(answer.is_err(), "{answer:?}");
    gateway.log().wait_for_text("V-TOO-SLOW");
    wait_gone(number(&gateway, "pid"));
}

#[test]
fn a_program_that_does_not_listen_is_killed_with_its_group() {
    let gateway = before("timeout: 2s, kill_after: 200ms");
    assert_eq!(get(&gateway.address(), "/cgi/does/stubborn").status, 504);
    wait_gone(number(&gateway, "pid"));
    eventually_ended(number(&gateway, "child"));
}

#[test]
fn gigabytes_stream_as_fast_as_the_client_reads_and_end_with_it() {
    let gateway = before("");
    let mut client = gateway.connect();
    client.send(request("GET", "/cgi/does/gigabytes", &[], "")).unwrap();
    assert_eq!(client.head().unwrap().status, 200);
    let mut read = 0;
    while read < 64 << 20 {
        read += client.chunk().unwrap().len();
    }
    let memory = std::fs::read_to_string(format!("/proc/{}/status", gateway.workers()[0])).unwrap();
    let resident = memory.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(resident < 200_000, "{resident} kB");
    drop(client);
    wait_gone(number(&gateway, "pid"));
}

#[test]
fn a_client_that_leaves_before_the_answer_ends_the_program() {
    let gateway = before("");
    let mut client = gateway.connect();
    client.send(request("GET", "/cgi/does/hangs", &[], "")).unwrap();
    let pid = number(&gateway, "pid");
    drop(client);
    wait_gone(pid);
}

#[test]
fn a_program_may_ignore_its_body_or_close_it() {
    let gateway = before("");
    let body = "x".repeat(3_000_000);
    for (path, text) in [("ignores-stdin", "ignored\n"), ("closes-stdin", "closed\n")] {
        let answer = gateway.connect().request("POST", &format!("/cgi/does/{path}"), &[], &body).unwrap();
        assert_eq!(answer.text(), text);
    }
}

#[test]
fn an_upload_that_breaks_off_ends_the_program() {
    let gateway = before("");
    let mut client = gateway.connect();
    client.send(request("POST", "/cgi/does/hangs", &["Content-Length: 100000"], "")).unwrap();
    client.send("short").unwrap();
    let pid = number(&gateway, "pid");
    drop(client);
    wait_gone(pid);
    gateway.log().wait_for_text("V-CLIENT-GONE");
}

#[test]
fn what_cannot_be_run_says_why_in_the_log() {
    let gateway = before("");
    for (path, status, reason) in [
        ("no-such", 404, "names no program"),
        ("sub", 404, "names no program"),
        ("not-executable", 403, "cgi/not-executable: it has no execute bit"),
        ("no-interpreter", 500, "No such file"),
        ("no-program", 500, "Exec format error"),
        ("does/a%00b", 400, "NUL"),
    ] {
        assert_eq!(get(&gateway.address(), &format!("/cgi/{path}")).status, status, "{path}");
        if status != 400 {
            gateway.log().wait_for_text(reason);
        }
    }
    // Of what only the operator can change, without debugging, too.
    gateway.log().wait_for_texts(&["WARN", "cgi/not-executable", "chmod +x", "interpreters"]);
}

#[test]
fn more_requests_than_places_wait_and_more_than_the_queue_are_503() {
    let gateway = before("processes: 1, queue: 1");
    let address = gateway.address();
    let (tell, told) = channel();
    thread::scope(|scope| {
        for _ in 0..3 {
            let (tell, address) = (tell.clone(), &address);
            scope.spawn(move || {
                let answer = get(address, "/cgi/does/waits");
                tell.send(answer.status).unwrap();
            });
        }
        // Of three, one runs and one waits.
        assert_eq!(told.recv_timeout(crate::harness::DEADLINE), Ok(503));
        let started = std::fs::read_to_string(gateway.path("pids")).unwrap_or_default();
        assert!(started.lines().count() <= 1, "{started}");
        gateway.write("go", "");
        let rest = [(); 2].map(|()| told.recv_timeout(crate::harness::DEADLINE).unwrap());
        assert_eq!(rest, [200, 200]);
    });
}
