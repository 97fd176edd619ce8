//! Several applications in one process, and what they cannot do to each other.

use std::fs;
use std::sync::mpsc::channel;
use std::thread;

use tempfile::tempdir;

use super::{only, start, start_with, told, venv};
use crate::harness::{Client, TestGateway, check, eventually, get, request};

const TWO: &str = r#"
drain: 500ms
apps:
  well: { wsgi: { app: "who:application", path: "${APPS}", threads: 2 } }
  stuck: { wsgi: { app: "misbehaving:application", path: "${APPS}", threads: 2, queue: 1 } }
routes: [ { mount: /stuck, app: stuck }, { app: well } ]"#;

#[test]
fn two_applications_run_in_one_process_each_on_threads_of_its_own() {
    let gateway = start(
        r#"
apps:
  one: { wsgi: { app: "who:application", path: "${APPS}", threads: 1 } }
  other: { wsgi: { app: "who:application", path: "${APPS}", threads: 1 } }
routes: [ { mount: /one, app: one }, { mount: /other, app: other } ]"#,
    );
    let [one, other] = ["/one", "/other"].map(|path| get(&gateway.address(), path).text());
    assert_eq!(told(&one, "pid"), told(&other, "pid"));
    assert_eq!(gateway.workers(), [told(&one, "pid").parse::<u32>().unwrap()]);
    assert_eq!((told(&one, "thread"), told(&other, "thread")), ("one", "other"));
}

#[test]
fn an_application_is_told_whether_other_workers_have_it_too() {
    for (workers, told_so) in [(1, "False"), (2, "True")] {
        let gateway = start(&format!("workers: {workers}\n{}", only("who:application")));
        assert_eq!(told(&get(&gateway.address(), "/").text(), "multiprocess"), told_so, "{workers}");
    }
}

/// Sends requests to an application until all of its threads hang in it.
fn block(gateway: &TestGateway, threads: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..threads {
        let mut client = gateway.connect();
        client.send(request("GET", "/stuck/block", &[], "")).unwrap();
        clients.push(client);
    }
    eventually("all threads to be held", || (gateway.log().count("\"blocks\"") == threads).then_some(()));
    clients
}

#[test]
fn one_that_blocks_for_ever_does_not_hold_up_the_other() {
    let gateway = start(TWO);
    let _blocked = block(&gateway, 2);
    assert_eq!(get(&gateway.address(), "/").status, 200);
}

#[test]
fn a_full_queue_is_told_with_when_to_come_back() {
    let gateway = start(TWO);
    let _blocked = block(&gateway, 2);
    // One of the two waits in the queue for ever; it is the other that is answered.
    let (answers, answer) = channel();
    for _ in 0..2 {
        let (answers, mut client) = (answers.clone(), gateway.connect());
        thread::spawn(move || answers.send(client.request("GET", "/stuck/", &[], "")));
    }
    let refused = answer.recv().unwrap().unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    gateway.log().wait_for_text("the queue of the application stuck is full");
    assert_eq!(get(&gateway.address(), "/").status, 200);
}

#[test]
fn threads_that_are_stuck_do_not_outlast_the_drain() {
    let mut gateway = start(TWO);
    let _blocked = block(&gateway, 2);
    gateway.signal("TERM");
    assert!(gateway.wait().success(), "{}", gateway.log());
}

#[test]
fn two_applications_may_have_files_of_one_name() {
    let app = |text: &str| {
        format!(
            "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{text}']\n"
        )
    };
    let gateway = start_with(
        r"
apps:
  shop: { wsgi: { app: shop/app.py } }
  blog: { wsgi: { app: blog/app.py } }
routes: [ { mount: /shop, app: shop }, { mount: /blog, app: blog } ]",
        &[("shop/app.py", &app("a shop")), ("blog/app.py", &app("a blog"))],
        &[],
    );
    let answers = ["/shop", "/blog"].map(|path| get(&gateway.address(), path).text());
    assert_eq!(answers, ["a shop", "a blog"]);
}

#[test]
fn two_modules_of_one_name_are_refused_rather_than_mixed_up() {
    let folder = tempdir().unwrap();
    let yaml = "python: \"${VENV}\"\napps:
  shop: { wsgi: { app: \"place:app\", path: shop } }
  blog: { wsgi: { app: \"place:app\", path: blog } }
routes: [ { mount: /shop, app: shop }, { app: blog } ]";
    let yaml = yaml.replace("${VENV}", &venv());
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    for name in ["shop", "blog"] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("place.py"), "def app(environ, start_response): pass\n")
            .unwrap();
    }
    let output = check(folder.path(), &["check", "vestibule.yaml"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("the module place is") && told.contains("vestibule.yaml:4:24"), "{told}");
}
