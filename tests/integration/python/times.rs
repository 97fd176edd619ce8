//! The access log tells where the time of a request to an application went.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, Instant};

use super::start_with;
use crate::harness::{TestGateway, eventually, get, request};

/// `/held` waits until something comes through the pipe, and `/spin` leaves a thread that computes. All lie about their times.
const PLACE: &str = "import os
import threading

os.mkfifo('pipe')


def spin():
    while True:
        pass


def application(environ, start_response):
    if environ['PATH_INFO'] == '/spin':
        threading.Thread(target=spin, daemon=True).start()
    elif environ['PATH_INFO'] == '/held':
        print('held')
        os.read(os.open('pipe', os.O_RDONLY), 1)
    start_response('200 OK', [('X-Vestibule-Times', '9000000 9000000')])
    return [b'late']
";

/// Starts it with access to one application, which has one thread and room for few requests.
fn place(isolation: &str) -> TestGateway {
    let yaml = format!(
        "drain: 500ms
layers: [ access_log ]
apps: {{ late: {{ wsgi: {{ app: \"place:application\", threads: 1, queue: 1, isolation: {isolation} }} }} }}
routes: [ {{ app: late }} ]"
    );
    start_with(&yaml, &[("place.py", PLACE)], &[])
}

/// A number of a line.
fn number(line: &str, name: &str) -> f64 {
    let (_, rest) = line.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("no {name}: {line}"));
    rest.split([',', '}']).next().and_then(|number| number.parse().ok()).expect("it is a number")
}

/// Waits for a line of the access log about a request that was answered by the application, for which something holds.
fn line_of(gateway: &TestGateway, path: &str, holds: impl Fn(&str) -> bool) -> String {
    let path = format!("\"path\":\"{path}\"");
    let is_it = |line: &str| line.contains(&path) && line.contains("\"status\":200") && holds(line);
    eventually("a line of the access log", || gateway.log().find(is_it))
}

/// A request that holds the one thread, and those that wait for it, each with a time of its own that is long.
fn waiting_and_held(isolation: &str) {
    const HELD_FOR: Duration = Duration::from_millis(300);
    let gateway = place(isolation);
    let send = |path: &str| {
        let mut client = gateway.connect();
        client.send(request("GET", path, &[], "")).unwrap();
        client
    };
    let mut held = send("/held");
    gateway.log().wait_for_text("\"held\"");
    let _waiting = [(); 20].map(|()| send("/waits"));
    // Where there is no room for another, one at least waits.
    gateway.log().wait_for_texts(&["V-BUSY", "late"]);
    let since = Instant::now();
    eventually("some time to pass", || (since.elapsed() >= HELD_FOR).then_some(()));
    let mut pipe = OpenOptions::new().read(true).write(true).open(gateway.path("pipe")).unwrap();
    pipe.write_all(b".").unwrap();
    let answer = held.answer().unwrap();
    assert_eq!((answer.status, answer.text()), (200, "late".into()));
    let long = HELD_FOR.as_secs_f64() * 1000.0;
    let is_of_late = |line: &str| line.contains("\"application\":\"late\"");
    let held = line_of(&gateway, "/held", is_of_late);
    assert!(number(&held, "application_ms") >= long, "{isolation}: {held}");
    assert!(number(&held, "queue_ms") < number(&held, "application_ms"), "{isolation}: {held}");
    let waited = line_of(&gateway, "/waits", |line| is_of_late(line) && number(line, "queue_ms") >= long);
    assert!(number(&waited, "application_ms") < number(&waited, "queue_ms"), "{isolation}: {waited}");
}

#[test]
fn the_access_log_parts_the_time_in_the_queue_from_that_in_the_application() {
    waiting_and_held("shared");
}

#[test]
fn so_it_does_where_the_application_has_processes_of_its_own() {
    waiting_and_held("process");
}

#[test]
fn the_access_log_tells_the_wait_for_the_gil() {
    for isolation in ["shared", "process"] {
        let gateway = place(isolation);
        assert_eq!(get(&gateway.address(), "/spin").status, 200);
        // Python takes the GIL away from who computes after 5 ms.
        let line = eventually("a wait for the GIL", || {
            get(&gateway.address(), "/");
            gateway.log().find(|line| line.contains("gil_ms") && number(line, "gil_ms") > 4.0)
        });
        assert!(line.contains("\"application\":\"late\""), "{isolation}: {line}");
    }
}

#[test]
fn how_processes_tell_of_times_reaches_no_client_and_no_application_can_forge_it() {
    let gateway = place("process");
    let answer = get(&gateway.address(), "/");
    assert_eq!(answer.header("x-vestibule-times"), None);
    let line = line_of(&gateway, "/", |line| line.contains("application_ms"));
    assert!(number(&line, "gil_ms") < 9000.0 && number(&line, "application_ms") < 9000.0, "{line}");
}
