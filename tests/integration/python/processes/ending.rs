//! Processes that end, crash or are worn out, and what takes their place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tempfile::tempdir;

use super::super::{APPS, start_with, told, venv};
use super::{hosted, pid};
use crate::harness::{Client, Nginx, TestGateway, eventually, eventually_ended, get};

#[test]
fn where_no_process_comes_up_again_a_request_waits_no_longer_than_its_timeout() {
    let folder = tempdir().unwrap();
    let broken = folder.path().join("broken");
    let gateway = hosted(&format!("timeout: 3s, env: {{ BROKEN: \"{}\" }}", broken.display()));
    assert_eq!(get(&gateway.address(), "/apart/break").status, 502);
    let late = get(&gateway.address(), "/apart/");
    assert!(late.status == 504 && late.text().contains("V-"), "{late:?}");
    assert_eq!(get(&gateway.address(), "/").status, 200);
}

/// When a line of the log was written, in seconds of its day.
fn time_of(line: &str) -> f64 {
    let time = line.split_once("\"timestamp\":\"").and_then(|(_, rest)| rest.get(11..26));
    let time = time.unwrap_or_else(|| panic!("no time: {line}"));
    time.split(':').fold(0.0, |time, part| time * 60.0 + part.parse::<f64>().expect("it is a number"))
}

#[test]
fn one_that_crashes_at_its_start_is_started_again_each_time_later() {
    let folder = tempdir().unwrap();
    let broken = folder.path().join("broken");
    let gateway = hosted(&format!("timeout: 1s, env: {{ BROKEN: \"{}\" }}", broken.display()));
    assert_eq!(get(&gateway.address(), "/apart/break").status, 502);
    let waits = [("100ms", 0.1), ("200ms", 0.2), ("400ms", 0.4), ("800ms", 0.8)];
    gateway.log().wait_for_text("starting the worker again in 1.6s");
    let lines = gateway.log().lines();
    let mut lines = lines.iter();
    for (told, wait) in waits {
        let told = format!("starting the worker again in {told}");
        let begun =
            lines.find(|line| line.contains(&told)).unwrap_or_else(|| panic!("{told}: {}", gateway.log()));
        let failed =
            lines.find(|line| line.contains("the worker does not come up again")).expect("it is broken");
        let took = (time_of(failed) - time_of(begun)).rem_euclid(24.0 * 3600.0);
        assert!((wait..3600.0).contains(&took), "{told}, and it was started and failed after {took} s");
    }
    assert_eq!(get(&gateway.address(), "/").status, 200);
}

#[test]
fn a_process_that_exits_is_502_and_started_again_and_touches_nothing_else() {
    let gateway = hosted("");
    let before = pid(&gateway);
    let here = get(&gateway.address(), "/").text();
    let crashed = get(&gateway.address(), "/apart/exit");
    assert!(crashed.status == 502 && crashed.text().contains("V-UPSTREAM"), "{crashed:?}");
    gateway.log().wait_for_texts(&["a worker has crashed", "\"application\":\"apart\"", "exit status: 3"]);
    // It waits until there is a process again.
    let again = pid(&gateway);
    assert_ne!(again, before);
    for text in ["starting the worker again in", "the worker is up again"] {
        gateway.log().wait_for_texts(&[text, "\"application\":\"apart\""]);
    }
    let line = std::fs::read_to_string(format!("/proc/{again}/cmdline")).unwrap();
    assert!(line.contains("\0--name=apart\0"), "{line:?}");
    assert_eq!(get(&gateway.address(), "/").text(), here, "the worker is the same");
}

#[test]
fn a_crash_in_mid_answer_aborts_the_connection() {
    let gateway = hosted("");
    let broken = gateway.connect().request("GET", "/apart/middle", &[], "");
    assert!(broken.is_err(), "{broken:?}");
    gateway.log().wait_for_texts(&["V-UPSTREAM", "an answer was broken off"]);
    assert_eq!(get(&gateway.address(), "/apart/").status, 200);
}

#[test]
fn a_process_that_is_worn_out_is_replaced_and_no_request_lost() {
    let gateway = hosted("max_requests: 5");
    let mut client = gateway.connect();
    let mut pids: Vec<String> = Vec::new();
    eventually("several processes", || {
        let answer = client.request("POST", "/apart/", &[], "data").unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let pid = told(&answer.text(), "pid").to_owned();
        if !pids.contains(&pid) {
            pids.push(pid);
        }
        (pids.len() >= 3).then_some(())
    });
}

#[test]
fn a_request_that_is_stuck_is_504_and_costs_its_process_a_spare_thread_and_then_the_process() {
    let gateway = hosted("threads: 1, timeout: 3s, spare_threads: 1");
    let before = pid(&gateway);
    let stuck = || {
        // A busy machine may not begin it in its time: then it is sent again.
        let answer = eventually("a request that holds its thread to be given up", || {
            Some(get(&gateway.address(), "/apart/block")).filter(|answer| answer.status == 504)
        });
        assert!(answer.text().contains("V-TOO-SLOW"), "{answer:?}");
    };
    stuck();
    gateway.log().wait_for_texts(&["its thread stands at", "threading.Event().wait()"]);
    // Another thread is in its place, and the place in the process is free.
    assert_eq!(pid(&gateway), before);
    stuck();
    gateway.log().wait_for_texts(&["worn out", "apart has lost threads to requests that do not end: 2"]);
    eventually("another process", || {
        let answer = get(&gateway.address(), "/apart/");
        (answer.status == 200 && told(&answer.text(), "pid") != before.to_string()).then_some(())
    });
}

#[test]
fn a_process_that_uses_too_much_memory_is_replaced() {
    let gateway = hosted("max_memory: 300MB");
    let before = pid(&gateway);
    assert_eq!(get(&gateway.address(), "/apart/grow").status, 200);
    gateway.log().wait_for_texts(&["worn out", "bytes of memory"]);
    eventually("another process", || (pid(&gateway) != before).then_some(()));
}

#[test]
fn nothing_is_left_behind_when_the_gateway_ends() {
    let mut gateway = hosted("processes: 2");
    let processes = gateway.workers();
    assert_eq!(processes.len(), 3);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    assert!(processes.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()));
}

#[test]
fn a_supervisor_that_is_killed_leaves_no_file() {
    let folder = tempdir().unwrap();
    let yaml = "routes: [ { wsgi: { app: \"hosted:application\", path: \"${APPS}\", isolation: process } } ]";
    let mut gateway = start_with(yaml, &[], &[("TMPDIR", folder.path())]);
    assert_eq!(get(&gateway.address(), "/").status, 200);
    let left =
        || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let processes = gateway.workers();
    gateway.signal("KILL");
    gateway.wait();
    processes.into_iter().for_each(eventually_ended);
    assert!(left().is_empty(), "{:?}", left());
}

#[test]
fn reloads_through_nginx_lose_nothing() {
    let yaml = |generation: u64| {
        format!(
            "listen: unix:http.sock\npython: \"{}\"\nenv: {{ GENERATION: \"{generation}\" }}\nroutes: [ {{ wsgi: {{ \
             app: \"hosted:application\", path: {APPS}, isolation: process, processes: 2 }} }} ]",
            venv()
        )
    };
    let mut gateway = TestGateway::from_yaml(&yaml(1));
    let nginx = Nginx::in_front_of(&format!("unix:{}", gateway.path("http.sock").display()));
    let (end, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (end, sent, address) = (Arc::clone(&end), Arc::clone(&sent), nginx.address());
            thread::spawn(move || {
                let mut lost = Vec::new();
                let mut client = Client::connect(&address).unwrap();
                while !end.load(Ordering::Relaxed) {
                    sent.fetch_add(1, Ordering::Relaxed);
                    match client.request("POST", "/environ", &[], "data") {
                        Ok(answer) if answer.status == 200 && answer.text().contains("GENERATION") => {
                            // nginx ends a connection after a thousand requests.
                            if answer.header("connection") != Some("close") {
                                continue;
                            }
                        }
                        other => lost.push(format!("{other:?}")),
                    }
                    client = Client::connect(&address).unwrap();
                }
                lost
            })
        })
        .collect();
    for generation in 2..=8 {
        gateway.reload(&yaml(generation));
        gateway.wait_ready(generation);
    }
    end.store(true, Ordering::Relaxed);
    let lost: Vec<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    let sent = sent.load(Ordering::Relaxed);
    assert!(lost.is_empty() && sent > 100, "{} of {sent} lost: {lost:#?}\n{}", lost.len(), nginx.errors());
}
