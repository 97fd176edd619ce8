//! `Isolation::Interpreter`: applications with an interpreter of their own. Below Python 3.13 they are refused.
//!
//! A test binary of its own: in a process with sub-interpreters, nobody can fork.

#[expect(dead_code, reason = "the other tests use more of it")]
#[path = "wsgi/harness.rs"]
mod harness;

use std::process::Command;
use std::time::Duration;

use http::Request;
use tempfile::TempDir;
use tokio::time::timeout;
use tower_wsgi::{Application, Isolation, LoadError, Settings, discover};

use harness::{PATIENCE, TestBody, call, load, read, settings, wait_for_log};

/// Whether the interpreter under test has sub-interpreters.
fn has_them() -> bool {
    discover(settings("").python.as_deref()).unwrap().version >= [3, 13, 0]
}

fn own(name: &str, app: &str) -> Settings {
    Settings { isolation: Isolation::Interpreter, name: name.into(), ..settings(app) }
}

async fn get(application: &Application, path: &str) -> String {
    let request = Request::get(path).body(TestBody::default()).unwrap();
    read(call(application, request).await.unwrap()).await.text().to_owned()
}

#[test]
fn below_3_13_it_is_refused_with_the_version() {
    if has_them() {
        return;
    }
    let error = Application::load(own("i-old", "interpreters:app")).unwrap_err();
    assert!(matches!(error, LoadError::NoSubInterpreters { .. }), "{error}");
    let version = discover(settings("").python.as_deref()).unwrap().version_text();
    let text = error.to_string();
    assert!(text.contains(&format!("is Python {version}.")) && text.contains("from 3.13 on"), "{text}");
}

#[tokio::test]
async fn modules_and_variables_are_an_applications_own() {
    if !has_them() {
        return;
    }
    let variables = |value: &str| vec![("I_DEPLOY".to_owned(), value.to_owned())];
    let one = Application::load(Settings { variables: variables("one"), ..own("i-one", "interpreters:app") });
    let other =
        Application::load(Settings { variables: variables("other"), ..own("i-other", "interpreters:app") });
    let (one, other) = (one.unwrap(), other.unwrap());
    let shared = load("interpreters:app");
    for count in 1..=3 {
        assert_eq!(get(&one, "/count").await, count.to_string());
    }
    assert_eq!([get(&other, "/count").await, get(&shared, "/count").await], ["1", "1"]);
    // In os.environ, in what a child process is given, and in the environ; and not in that of others.
    assert_eq!(get(&one, "/variable").await, "one one one");
    assert_eq!(get(&other, "/variable").await, "other other other");
    assert_eq!(get(&shared, "/variable").await, "None None None");
    get(&one, "/set").await;
    assert_eq!(get(&one, "/variable").await, "set set one");
    assert_eq!(get(&other, "/variable").await, "other other other");
    assert!(std::env::var_os("I_DEPLOY").is_none(), "the process has its own");
}

#[tokio::test]
async fn what_another_application_has_set_is_not_inherited() {
    if !has_them() {
        return;
    }
    let shared = load("interpreters:app");
    get(&shared, "/leak").await;
    let application = Application::load(own("i-heir", "interpreters:app")).unwrap();
    assert_eq!(get(&application, "/leaked").await, "None");
}

#[tokio::test]
async fn each_runs_under_a_gil_of_its_own() {
    if !has_them() {
        return;
    }
    let holder = Application::load(own("i-holder", "interpreters:app")).unwrap();
    let runs = Application::load(own("i-runs", "interpreters:app")).unwrap();
    // One request holds its GIL in a call that ends when the test says so. All the while, others are answered.
    let folder = tempfile::tempdir().unwrap();
    let path = format!("/keep?{}", folder.path().display());
    let kept = tokio::spawn(async move { get(&holder, &path).await });
    let begun = folder.path().join("begun");
    let begins = async {
        while !begun.exists() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, begins).await.expect("the GIL is held");
    let mut names = Vec::new();
    let others = async {
        for _ in 0..20 {
            names.push(get(&runs, "/name").await);
        }
    };
    let answered = timeout(PATIENCE, others).await;
    // Before anything is asserted: with its GIL held, an interpreter keeps the whole process from ending.
    std::fs::write(folder.path().join("end"), "now").unwrap();
    assert!(answered.is_ok(), "only {names:?} while another interpreter held its GIL");
    assert_eq!(names, ["i-runs"; 20]);
    assert_eq!(kept.await.unwrap(), "let go");
}

#[tokio::test]
async fn where_a_request_hangs_is_told_while_others_run() {
    if !has_them() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        format!("/hold?{}", folder.display())
    };
    let runs = Application::load(own("i-goes-on", "interpreters:app")).unwrap();
    let computes = path("computes");
    let going_on = tokio::spawn(async move { get(&runs, &computes).await });
    let timeout = Some(Duration::from_secs(2));
    let stuck = Application::load(Settings { timeout, ..own("i-stuck", "interpreters:app") }).unwrap();
    let request = Request::get(path("stuck").replace("/hold", "/wait")).body(TestBody::default()).unwrap();
    call(&stuck, request).await.unwrap_err();
    wait_for_log(&["i-stuck", "its thread stands at", "in wait"]);
    for name in ["computes", "stuck"] {
        std::fs::write(folder.path().join(name).join("end"), "").unwrap();
    }
    assert_eq!(going_on.await.unwrap(), "let go");
}

#[tokio::test]
async fn large_answers_go_back_to_their_own_interpreter() {
    if !has_them() {
        return;
    }
    let names = ["i-large-one", "i-large-other"];
    let applications = names.map(|name| Application::load(own(name, "interpreters:app")).unwrap());
    for _ in 0..50 {
        for application in &applications {
            // Beyond the size from which an object of Python is lent, and by a thread that the application started.
            for path in ["/large", "/large-by-a-thread"] {
                let request = Request::get(path).body(TestBody::default()).unwrap();
                let answer = read(call(application, request).await.unwrap()).await;
                assert_eq!(answer.text().len(), 100_000);
            }
        }
    }
}

#[tokio::test]
async fn what_an_application_gets_is_what_it_gets_in_shared() {
    if !has_them() {
        return;
    }
    let application = Application::load(own("i-input", "inputs:size_at_once")).unwrap();
    let body = "x".repeat(200_000);
    let request = Request::post("/").header("content-length", body.len());
    let request = request.body(TestBody::of(&[&body])).unwrap();
    assert_eq!(read(call(&application, request).await.unwrap()).await.text(), "200000");
    let failing = Application::load(own("i-fails", "interpreters:app")).unwrap();
    call(&failing, Request::get("/raise").body(TestBody::default()).unwrap()).await.unwrap_err();
    wait_for_log(&["i-fails", "LookupError: no such thing"]);
    assert_eq!(get(&failing, "/print").await, "printed");
    wait_for_log(&["i-fails", "a line from its own interpreter"]);
}

#[tokio::test]
async fn fork_is_refused_rather_than_fatal() {
    if !has_them() {
        return;
    }
    let application = Application::load(own("i-fork", "interpreters:app")).unwrap();
    assert_eq!(get(&application, "/fork").await, "fork not supported for isolated subinterpreters");
    let shared = load("interpreters:app");
    assert!(get(&shared, "/fork").await.contains("`isolation: process` can fork"));
}

#[test]
fn an_extension_that_cannot_bear_it_is_named() {
    if !has_them() {
        return;
    }
    // `readline` has state that is one for the process; so have lxml and numpy (see the tests of the gateway).
    let error = Application::load(own("i-extension", "interpreters_extension:app")).unwrap_err();
    assert!(matches!(error, LoadError::Extension { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("it imports readline (")
            && text.contains("interpreters_extension.py:1)")
            && text.contains("`isolation: process`"),
        "{text}"
    );
}

#[test]
fn an_import_error_of_another_kind_stays_one() {
    if !has_them() {
        return;
    }
    let error = Application::load(own("i-broken", "broken:app")).unwrap_err();
    assert!(matches!(error, LoadError::Import { .. }), "{error}");
}

#[tokio::test]
async fn a_virtualenv_is_an_applications_own() {
    if !has_them() {
        return;
    }
    load("interpreters:app");
    let [one, other] = ["1.0", "2.0"].map(virtualenv);
    for (name, folder, version) in [("i-venv-one", &one, "1.0"), ("i-venv-other", &other, "2.0")] {
        let settings = Settings { python: Some(folder.path().into()), ..own(name, "interpreters:app") };
        let application = Application::load(settings).unwrap();
        let prefix = folder.path().canonicalize().unwrap();
        let seen = get(&application, "/venv").await;
        assert_eq!(seen, format!("{version} {} {}", prefix.display(), prefix.join("bin/python3").display()));
    }
}

/// A virtualenv with a package.
fn virtualenv(version: &str) -> TempDir {
    let running = discover(settings("").python.as_deref()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut venv = Command::new(&running.executable);
    let made = venv.args(["-m", "venv", "--without-pip"]).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let packages = &discover(Some(folder.path())).unwrap().packages[0];
    std::fs::write(packages.join("i_package.py"), format!("VERSION = '{version}'\n")).unwrap();
    folder
}
