//! Applications that fail, while they answer and while they are imported.

use super::{only, start, start_with};
use crate::harness::{TestGateway, check, eventually_says, get, kill};

const PAIR: &str = r#"
layers: [ { request_id: { trust: true } } ]
apps:
  well: { wsgi: { app: "who:application", path: "${APPS}" } }
  ill: { wsgi: { app: "misbehaving:application", path: "${APPS}", threads: 1 } }
routes: [ { mount: /ill, app: ill }, { app: well } ]"#;

/// An application that fails answers 500, tells its client nothing, and goes on; so does the other.
fn fails(gateway: &TestGateway, path: &str) {
    let mut client = gateway.connect();
    let id = format!("X-Request-Id: {}", path.replace('/', ""));
    let answer = client.request("GET", &format!("/ill{path}"), &[&id], "").unwrap();
    let text = answer.text();
    assert_eq!(answer.status, 500, "{path}: {text}");
    assert!(text.contains("V-APPLICATION") && !text.contains("Traceback"), "{path}: {text}");
    assert_eq!(get(&gateway.address(), "/ill/").text(), "well", "after {path}");
    assert_eq!(get(&gateway.address(), "/").status, 200, "the other, after {path}");
}

#[test]
fn an_application_that_raises_is_answered_500_and_logged_with_the_request() {
    let gateway = start(PAIR);
    fails(&gateway, "/raise");
    let logged = gateway.log().wait_for_text("LookupError: no such thing: ☃");
    assert!(logged.contains("Traceback") && logged.contains("misbehaving.py"), "{logged}");
    assert!(logged.contains("raise\"") && logged.contains("\"ill\""), "request and application:\n{logged}");
}

#[test]
fn whatever_an_application_throws_the_gateway_stays() {
    let gateway = start(PAIR);
    let worker = gateway.workers();
    for (path, name) in
        [("/exit", "SystemExit"), ("/interrupt", "KeyboardInterrupt"), ("/recurse", "RecursionError")]
    {
        fails(&gateway, path);
        gateway.log().wait_for_text(name);
    }
    assert_eq!(gateway.workers(), worker);
}

const BROKEN: &str = "import json\nimport no_such_module\n";

#[test]
fn an_application_that_does_not_import_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = "listen: \"127.0.0.1:0\"\napps:\n  shop: { wsgi: { app: \"broken:application\" } }\nroutes: [ { app: shop } ]";
    std::fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    std::fs::write(folder.path().join("broken.py"), BROKEN).unwrap();
    for command in ["run", "check"] {
        let output = check(folder.path(), &[command, "vestibule.yaml"]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {told}");
        for part in [
            "the application shop (broken:application) does not import:\n  Traceback (most recent call last):\n    File \"",
            "broken.py\", line 2, in <module>\n      import no_such_module\n",
            "  ModuleNotFoundError: No module named 'no_such_module'",
            "--> vestibule.yaml:3:24",
            "= modules are looked for in `",
        ] {
            assert!(told.contains(part), "{command}: {part}\n{told}");
        }
        assert_eq!(told.matches("File ").count(), 1, "only the application's own frames: {told}");
    }
}

#[test]
fn a_mistake_that_no_frame_of_the_application_has_made_is_told_without_a_traceback() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("place.py"), "number = 5\n").unwrap();
    for (app, told) in [
        ("nowhere:application", "ModuleNotFoundError: No module named 'nowhere'"),
        ("place:missing", "AttributeError: module 'place' has no attribute 'missing'"),
        ("place.py:number", "TypeError: place.py:number is not callable, it is 5"),
    ] {
        let yaml = format!("routes: [ {{ wsgi: {{ app: \"{app}\" }} }} ]");
        std::fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
        let output = check(folder.path(), &["check"]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(&format!("does not import:\n  {told}\n -->")), "{text}");
    }
}

#[test]
fn an_application_that_does_not_import_refuses_the_reload() {
    let mut gateway = start_with(
        "routes: [ { wsgi: { app: \"place:application\", path: site } } ]",
        &[
            ("site/place.py", "from who import application\n"),
            ("site/who.py", include_str!("../../apps/who.py")),
        ],
        &[],
    );
    let workers = gateway.workers();
    gateway.write("site/place.py", BROKEN);
    gateway.signal("HUP");
    let told = gateway.log().wait_for_text("the reload has failed");
    assert!(told.contains("No module named 'no_such_module'"), "{told}");
    assert_eq!(gateway.workers(), workers);
    assert_eq!(get(&gateway.address(), "/").status, 200);
    // It says how to go on once the application is mended, which nobody watches.
    let (_, told) = told.split_once("kill -HUP ").expect("what to do");
    let supervisor: u32 = told.split_once('`').unwrap().0.parse().unwrap();
    gateway.write(
        "site/place.py",
        "def application(environ, start_response):
    start_response('200 OK', [])
    return [b'mended']
",
    );
    kill("HUP", supervisor);
    gateway.wait_ready(3);
    eventually_says(&gateway.address(), "mended");
}

#[test]
fn what_an_application_prints_is_logged_with_its_name() {
    let gateway = start(&only("misbehaving:application"));
    let mut client = gateway.connect();
    client.send("GET /block HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let line = gateway.log().wait_for_text("\"blocks\"");
    assert!(
        line.contains("\"level\":\"WARN\"")
            && line.contains("\"stream\":\"wsgi.errors\"")
            && line.contains("\"application\":"),
        "{line}"
    );
}

#[test]
fn what_an_application_left_for_its_exit_is_done_at_shutdown() {
    let app = "import atexit\nfrom who import application\natexit.register(print, 'good', 'night')\n";
    let mut gateway = start_with(
        "routes: [ { wsgi: { app: \"place:application\" } } ]",
        &[("place.py", app), ("who.py", include_str!("../../apps/who.py"))],
        &[],
    );
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    gateway.log().wait_for_text("\"good night\"");
}

#[test]
fn what_a_library_left_for_the_end_of_the_process_meets_no_python() {
    // As a destructor of a C++ library would: it runs when `main` has returned, and ends the process in its own way.
    let app = "import ctypes, os\nfrom who import application\n
ending = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)(lambda *_: os.kill(os.getpid(), 9))
ctypes.CDLL(None).on_exit(ending, None)\n";
    let files = [("place.py", app), ("who.py", include_str!("../../apps/who.py"))];
    let mut gateway = start_with("routes: [ { wsgi: { app: \"place:application\" } } ]", &files, &[]);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    assert_eq!(gateway.log().count("has crashed"), 0, "{}", gateway.log());
}
