//! Applications that the supervisor starts: PHP, Perl, Node and C, by `command`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Answer, TestGateway, check, eventually, eventually_ended, get, kill};

const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps");

/// A gateway before Node, with further settings of the backend.
fn node(settings: &str) -> TestGateway {
    TestGateway::from_yaml(&node_yaml(settings))
}

fn node_yaml(settings: &str) -> String {
    format!(
        "drain: 30s\nroutes: [ {{ http: {{ command: [node, \"{APPS}/server.js\", \"{{socket}}\"], {settings} }} }} ]"
    )
}

fn told<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("\"{name}\": ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim_end_matches(',').trim_matches('"')
}

fn pid(answer: &Answer) -> u32 {
    told(&answer.text(), "pid").parse().unwrap()
}

#[test]
fn an_http_server_is_started_on_a_socket_of_ours() {
    let gateway = node("env: { SHOP: books }");
    let answer = get(&gateway.address(), "/").text();
    let socket = told(&answer, "socket");
    assert!(socket.starts_with('/'), "{answer}");
    assert_eq!(told(&answer, "SHOP"), "books");
    assert_eq!(Path::new(told(&answer, "cwd")), fs::canonicalize(gateway.folder()).unwrap());
    gateway.log().wait_for_texts(&[
        "listening for books",
        "\"stream\":\"stdout\"",
        "\"application\":\"http at",
    ]);
}

#[test]
fn processes_share_the_requests() {
    let gateway = node("processes: 3");
    let pids: std::collections::BTreeSet<u32> = (0..9).map(|_| pid(&get(&gateway.address(), "/"))).collect();
    assert_eq!(pids.len(), 3);
}

#[test]
fn php_cgi_takes_its_socket_as_its_stdin() {
    let yaml =
        format!("routes: [ {{ fastcgi: {{ command: [php-cgi], processes: 2, root: \"{APPS}/php\" }} }} ]");
    let gateway = TestGateway::from_yaml(&yaml);
    let answer = gateway.connect().request("POST", "/echo.php/more?a=b", &[], "12345").unwrap().text();
    for expected in ["\"PATH_INFO\": \"/more\"", "\"QUERY_STRING\": \"a=b\"", "\"length\": 5"] {
        assert!(answer.contains(expected), "{expected}: {answer}");
    }
}

#[test]
fn a_perl_application_listens_where_it_is_told() {
    let command = "[plackup, -s, FCGI, --listen, \"{socket}\", --nproc, \"1\", hello.psgi]";
    let yaml = format!("routes: [ {{ mount: /perl, fastcgi: {{ command: {command}, cwd: \"{APPS}\" }} }} ]");
    let mut gateway = TestGateway::from_yaml(&yaml);
    let text =
        gateway.connect().request("POST", "http://shop.example/perl/a%20b?c=d", &[], "data").unwrap().text();
    for line in
        ["SCRIPT_NAME=/perl", "PATH_INFO=/a b", "QUERY_STRING=c=d", "body=data", "HTTP_HOST=shop.example"]
    {
        assert!(text.lines().any(|known| known == line), "{line}: {text}");
    }
    // It serves in a child of its own, which ends with it: perhaps killed, and such an end takes a moment.
    let child = text.lines().find_map(|line| line.strip_prefix("pid=")).unwrap().parse().unwrap();
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    eventually_ended(child);
}

/// A folder with `responder.c`, compiled.
fn responder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let compiled = Command::new("cc")
        .args([&format!("{APPS}/responder.c"), "-lfcgi", "-o"])
        .arg(folder.path().join("responder"))
        .status();
    assert!(
        compiled.unwrap().success(),
        "libfcgi is missing: apt-get install libfcgi-dev (tests/run does it)"
    );
    folder
}

#[test]
fn a_program_in_c_that_crashes_is_started_again_and_its_answer_is_no_whole_one() {
    let yaml = "routes: [ { fastcgi: { command: [./responder] } } ]";
    let gateway = TestGateway::in_folder(responder(), yaml, &[]);
    assert!(get(&gateway.address(), "/").text().starts_with("count=1\n"));
    assert!(gateway.connect().request("GET", "/crash", &[], "").is_err());
    gateway.log().wait_for_texts(&["the program has ended unasked", "SIGABRT"]);
    // What comes meanwhile waits in the socket, which is the supervisor's.
    assert!(get(&gateway.address(), "/").text().starts_with("count=1\n"));
    gateway.log().wait_for_texts(&["answer 1", "\"stream\":\"stderr\""]);
}

#[test]
fn one_that_exits_is_started_again_on_a_fresh_socket() {
    let gateway = node("");
    let before = pid(&get(&gateway.address(), "/"));
    assert_eq!(get(&gateway.address(), "/exit").status, 502);
    let after = eventually("another one to answer", || {
        let answer = get(&gateway.address(), "/");
        (answer.status == 200).then(|| pid(&answer))
    });
    assert_ne!(after, before);
}

#[test]
fn restart_says_whether_one_that_ended_well_is_started_again() {
    for (restart, path, comes_back) in
        [("never", "/exit", false), ("on_failure", "/leave", false), ("on_failure", "/exit", true)]
    {
        let gateway = node(&format!("restart: {restart}"));
        assert_eq!(get(&gateway.address(), path).status, 502);
        if comes_back {
            eventually("another one to answer", || {
                (get(&gateway.address(), "/").status == 200).then_some(())
            });
        } else {
            gateway.log().wait_for_text("it is not started again before the next reload");
            assert_eq!(get(&gateway.address(), "/").status, 502);
            gateway.signal("HUP");
            eventually("a reload to start it", || (get(&gateway.address(), "/").status == 200).then_some(()));
        }
    }
}

#[test]
fn it_is_stopped_last_when_the_answers_in_flight_are_done() {
    let mut gateway = node("");
    let program = pid(&get(&gateway.address(), "/"));
    let mut client = gateway.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    client.head().unwrap();
    gateway.signal("TERM");
    gateway.log().wait_for_text("\"stopping\"");
    kill("USR1", program);
    assert!(String::from_utf8(client.rest().unwrap()).unwrap().contains("ended"));
    assert!(gateway.wait().success());
    // The supervisor has waited for it.
    assert!(!Path::new(&format!("/proc/{program}")).exists());
}

#[test]
fn a_reload_starts_new_ones_and_ends_the_old_ones() {
    let gateway = node("env: { SHOP: old }");
    let old = pid(&get(&gateway.address(), "/"));
    gateway.reload(&node_yaml("env: { SHOP: new }"));
    eventually("the new one", || (told(&get(&gateway.address(), "/").text(), "SHOP") == "new").then_some(()));
    eventually_ended(old);
}

#[test]
fn it_ends_when_the_supervisor_is_killed() {
    let mut gateway = node("");
    let program = pid(&get(&gateway.address(), "/"));
    gateway.signal("KILL");
    gateway.wait();
    eventually_ended(program);
}

#[test]
fn it_runs_as_another_user_without_secrets_on_a_socket_that_nobody_else_reaches() {
    let secret = [("SECRET_OF_OTHERS", Path::new("s3cret"))];
    let gateway = TestGateway::with_environment(&node_yaml("user: nobody"), &[], &secret);
    let answer = get(&gateway.address(), "/").text();
    assert_ne!(told(&answer, "uid"), "0");
    assert!(!answer.contains("s3cret"), "the gateway's environment is not another user's: {answer}");
    let folder = Path::new(told(&answer, "socket")).parent().unwrap();
    let facts = |path: &Path| fs::metadata(path).map(|facts| (facts.mode() & 0o777, facts.uid())).unwrap();
    let nobody: u32 = told(&answer, "uid").parse().unwrap();
    assert_eq!(facts(folder), (0o700, nobody));
    // Its user cannot replace it, as it stands in a folder of root's.
    assert_eq!(facts(folder.parent().unwrap()), (0o711, 0));
}

#[test]
fn what_a_killed_supervisor_leaves_is_removed_by_the_next_and_not_what_another_uses() {
    let temporary = tempfile::tempdir().unwrap();
    let start = || TestGateway::with_environment(&node_yaml(""), &[], &[("TMPDIR", temporary.path())]);
    let folder = |gateway: &TestGateway| {
        let answer = get(&gateway.address(), "/").text();
        Path::new(told(&answer, "socket")).parent().unwrap().to_path_buf()
    };
    let (mut killed, other) = (start(), start());
    let (left, used) = (folder(&killed), folder(&other));
    killed.signal("KILL");
    killed.wait();
    assert!(left.exists());
    let next = start();
    assert!(!left.parent().unwrap().exists());
    assert!(used.exists() && folder(&next).exists());
    assert_eq!(get(&other.address(), "/").status, 200);
}

#[test]
fn one_that_ends_before_it_answers_stops_the_start_and_says_how() {
    let yaml =
        "listen: 127.0.0.1:0\nroutes: [ { http: { command: [sh, -c, \"echo no {socket}; exit 7\"] } } ]";
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = TestGateway::start(folder, yaml, &[]);
    assert_eq!(gateway.wait().code(), Some(2));
    gateway.log().wait_for_texts(&["error: `sh -c echo no", "ended before it answered: exit status: 7"]);
    gateway.log().wait_for_text("--> vestibule.yaml:2:31");
    gateway.log().wait_for_texts(&["no /", "\"stream\":\"stdout\""]);
}

#[test]
fn one_that_is_given_up_leaves_none_of_its_children() {
    let child = |gateway: &TestGateway| {
        let line = gateway.log().wait_for_texts(&["child=", "\"stream\""]);
        let digits = line.split("child=").nth(1).unwrap().split(|c: char| !c.is_ascii_digit()).next();
        digits.unwrap().parse().unwrap()
    };
    let ends = "sleep 1000 & echo child=$! of {socket}; exit 7";
    let yaml = format!("listen: 127.0.0.1:0\nroutes: [ {{ http: {{ command: [sh, -c, \"{ends}\"] }} }} ]");
    let mut gateway = TestGateway::start(tempfile::tempdir().unwrap(), &yaml, &[]);
    assert_eq!(gateway.wait().code(), Some(2));
    eventually_ended(child(&gateway));

    // The whole generation is given up when the other program ends.
    let waits = "sleep 1000 & echo child=$! of {socket}; touch started; wait";
    let ends = "until test -e started; do sleep 0.1; done; exit 7; {socket}";
    let gateway = TestGateway::from_yaml("routes: [ { respond: { text: old } } ]");
    gateway.reload(&format!(
        "routes: [ {{ mount: /a, http: {{ command: [sh, -c, \"{waits}\"] }} }}, {{ http: {{ command: [sh, -c, \"{ends}\"] }} }} ]"
    ));
    gateway.log().wait_for_text("the reload has failed");
    eventually_ended(child(&gateway));
}

#[test]
fn check_finds_a_program_that_is_not_there_and_starts_none() {
    let folder = tempfile::tempdir().unwrap();
    let told = |command: &str| {
        let yaml = format!("listen: 127.0.0.1:0\nroutes: [ {{ http: {{ command: {command} }} }} ]");
        fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
        let output = check(folder.path(), &["check", "vestibule.yaml"]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, text) = told("[no-such-program, \"{socket}\"]");
    assert!(status == Some(1) && text.contains("no program `no-such-program`"), "{text}");
    let (status, text) = told("\"node server.js {socket}\"");
    assert!(status == Some(1) && text.contains("a list of words"), "{text}");
    let (status, text) = told("[touch, started, \"{socket}\"]");
    assert!(status == Some(0), "{text}");
    assert!(!folder.path().join("started").exists());
}

#[test]
fn settings_that_do_not_fit_are_told() {
    let folder = tempfile::tempdir().unwrap();
    for (backend, told) in [
        ("http: { command: [node, server.js] }", "the command does not tell the program its socket"),
        ("http: { command: [] }", "of which the first is the program"),
        ("http: { servers: [\"a:1\"], command: [a, \"{socket}\"] }", "there are `servers` and a `command`"),
        ("scgi: { address: \"a:1\", command: [a, \"{socket}\"] }", "there is an `address` and a `command`"),
        (
            "fastcgi: { command: [a, \"{socket}\"], processes: 2 }",
            "`processes` that open a socket each need `http`",
        ),
        ("uwsgi: { address: \"a:1\", restart: always }", "need a `command`"),
        ("fastcgi: { command: [a], restart: sometimes }", "`restart` cannot be `sometimes`"),
        ("fastcgi: { command: [a], processes: 0 }", "`processes` is from 1 to"),
    ] {
        let yaml = format!("listen: 127.0.0.1:0\nroutes: [ {{ {backend} }} ]");
        fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
        let output = check(folder.path(), &["check", "vestibule.yaml"]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && text.contains(told), "{backend}: {text}");
    }
}
