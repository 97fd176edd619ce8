//! What a program leaves behind, and what it is left to do.

use super::{PROGRAMS, before, before_with, number, open, wait_clean};
use crate::harness::{TestGateway, eventually, eventually_ended, get, kill, request};

#[test]
fn a_program_is_started_without_a_copy_of_the_gateways_memory() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = format!("routes: [ {{ mount: /cgi, cgi: {{ root: \"{PROGRAMS}\" }} }} ]");
    let gateway = TestGateway::traced(folder, &yaml, "fork,vfork,clone,clone3,execve");
    assert_eq!(get(&gateway.address(), "/cgi/does/well").text(), "well\n");
    let trace = eventually("the start of the program in the trace", || {
        let trace = std::fs::read_to_string(gateway.path("trace")).ok()?;
        trace.contains("tests/apps/cgi/does").then_some(trace)
    });
    // Threads have no signal for their end; the last new process before the program is the program's.
    let before = trace.split("tests/apps/cgi/does").next().unwrap_or_default();
    let is_new_process = |line: &&str| line.contains("fork(") || line.contains("SIGCHLD");
    let started = before.lines().rfind(is_new_process).expect("it was started");
    assert!(started.contains("CLONE_VM|CLONE_VFORK"), "{started}");
}

#[test]
fn a_program_that_closes_its_stdout_goes_on() {
    let gateway = before("");
    let descriptors = open(&gateway);
    assert_eq!(get(&gateway.address(), "/cgi/does/closes").text(), "all there is\n");
    gateway.write("go", "");
    eventually("its end", || gateway.path("done").exists().then_some(()));
    wait_clean(&gateway, descriptors);
}

#[test]
fn a_program_that_goes_on_for_too_long_is_ended() {
    let gateway = before("timeout: 2s");
    let descriptors = open(&gateway);
    assert_eq!(get(&gateway.address(), "/cgi/does/closes").text(), "all there is\n");
    wait_clean(&gateway, descriptors);
    assert!(!gateway.path("done").exists());
}

#[test]
fn a_program_may_write_more_than_its_content_length_and_go_on() {
    let gateway = before("");
    assert_eq!(get(&gateway.address(), "/cgi/does/long").text(), "fine");
    eventually("its end", || gateway.path("done").exists().then_some(()));
}

#[test]
fn an_answer_ends_with_its_program_whoever_holds_its_stdout() {
    let gateway = before("");
    let descriptors = open(&gateway);
    assert_eq!(get(&gateway.address(), "/cgi/does/grandchild").text(), "parent\n");
    let child = number(&gateway, "child");
    // What a program leaves behind on purpose is left alone.
    kill("KILL", child);
    wait_clean(&gateway, descriptors);
}

#[test]
fn programs_end_with_their_gateway() {
    let mut gateway = before_with("drain: 100ms\n", "");
    let mut client = gateway.connect();
    client.send(request("GET", "/cgi/does/stubborn", &[], "")).unwrap();
    let pid = number(&gateway, "pid");
    gateway.signal("TERM");
    gateway.wait();
    eventually_ended(pid);
    eventually_ended(number(&gateway, "child"));
}

#[test]
fn what_a_program_complains_about_is_logged_with_its_request() {
    let gateway = before("");
    assert_eq!(get(&gateway.address(), "/cgi/does/complains").text(), "complained\n");
    let line = gateway.log().wait_for_texts(&["careful: line one", "stderr"]);
    let access = gateway.log().wait_for_text("/cgi/does/complains");
    let id =
        |line: &str| line.split_once(r#""request_id":""#).unwrap().1.split('"').next().unwrap().to_owned();
    assert_eq!(id(&line), id(&access));
    gateway.log().wait_for_text("line two");
    assert_eq!(get(&gateway.address(), "/cgi/does/complains-much").text(), "complained\n");
    gateway.log().wait_for_text("the rest is left out");
}
