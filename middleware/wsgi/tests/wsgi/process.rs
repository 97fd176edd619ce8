//! Importing applications, and what they do to the process they share.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use http::Request;
use tempfile::TempDir;
use tower_wsgi::{Application, Discovered, LoadError, Settings, discover};

use crate::harness::{
    PATIENCE, TestBody, call, get, hold_log, in_its_own_process, load, load_error, read, settings,
    wait_for_log,
};
use crate::neighbours::refusal;

#[test]
fn an_import_error_is_told_with_name_and_traceback() {
    let error = load_error("broken:app").to_string();
    for words in ["broken:app", "Traceback", "broken.py", "No module named 'a_module_that_nobody_has'"] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn leaving_or_having_nothing_to_call_is_an_import_error() {
    for (app, words) in [
        ("leaves:app", "SystemExit: no"),
        ("processes:nothing", "has no attribute 'nothing'"),
        ("processes:not_callable", "is not callable"),
        ("nowhere/at_all.py", "No such file"),
        ("", "Empty module name"),
    ] {
        let error = load_error(app).to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn factories_and_dotted_attributes_are_found() {
    assert_eq!(get("processes:make()").await.text(), "made");
    assert_eq!(get("processes:Site.made").await.text(), "by a class");
}

#[tokio::test]
async fn a_file_is_a_module_of_its_own() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/single.py");
    for (app, name) in [(file.display().to_string(), "one"), (format!("{}:app", file.display()), "two")] {
        let application = Application::load(Settings { name: name.into(), ..settings(&app) }).unwrap();
        let answer =
            read(call(&application, Request::get("/").body(TestBody::default()).unwrap()).await.unwrap())
                .await;
        assert_eq!(answer.text(), format!("wsgi_{name}"));
    }
}

#[tokio::test]
async fn handlers_of_signals_are_refused_and_told() {
    let text = get("processes:handlers").await.text().to_owned();
    assert!(!text.contains("default_int_handler") && !text.contains("lambda"), "{text}");
    // The second has no name.
    for (signal, line) in [("SIGTERM", 9), ("signal 35", 10)] {
        // Whichever of them was imported first.
        let application = "\"application\":\"processes:";
        let place = format!("processes.py:{line})");
        wait_for_log(&["WARN", &format!("a handler of {signal} was refused"), application, &place]);
    }
}

#[tokio::test]
async fn a_forked_child_that_comes_back_leaves() {
    assert_eq!(get("processes:forks").await.text(), "the child left with 1");
}

#[tokio::test]
async fn a_forked_child_that_streams_leaves_at_its_first_chunk() {
    assert_eq!(get("processes:forks_a_stream").await.text(), "the child left with 1");
}

#[tokio::test]
async fn a_forked_child_leaves_at_the_end_of_its_stream() {
    assert_eq!(get("processes:forks_and_ends_a_stream").await.text(), "the child left with 1");
}

/// Nobody else can write to the log meanwhile.
#[test]
fn a_forked_child_waits_for_nothing_of_its_parents() {
    in_its_own_process("process::a_forked_child_waits_for_nothing_of_its_parents", async {
        let application = load("processes:forks_and_prints");
        // Threads of the gateway write to the log whether or not an application forks at that moment.
        let _held = hold_log();
        // More than is read before the application is called.
        let request = Request::post("/").header("content-length", 140_000);
        let request = request.body(TestBody::of(&["x".repeat(70_000).as_str(); 2])).unwrap();
        let answer = read(call(&application, request).await.unwrap()).await;
        assert_eq!(answer.text(), "the child left with 7");
    });
}

#[test]
fn an_application_that_waits_for_the_log_holds_no_other() {
    in_its_own_process("process::an_application_that_waits_for_the_log_holds_no_other", async {
        let application = load("processes:prints");
        let ask = async |query: &str| {
            let request = Request::get(format!("/?{query}")).body(TestBody::default()).unwrap();
            read(call(&application, request).await.unwrap()).await.text().to_owned()
        };
        let held = hold_log();
        let others = async {
            while ask("asks").await != "printing" {}
            drop(held);
        };
        let (printed, others) = tokio::join!(ask(""), tokio::time::timeout(PATIENCE / 2, others));
        others.expect("others are served meanwhile");
        assert_eq!(printed, "printed");
    });
}

#[tokio::test]
async fn requests_do_not_run_on_the_main_thread() {
    assert_eq!(get("processes:names_thread").await.text(), "False");
}

#[test]
fn another_version_of_python_is_refused_with_both_names() {
    load("answers:hello");
    let running = discover(settings("").python.as_deref()).unwrap();
    let (_folder, other) = other_interpreter(&running.prefix);
    let refused = Settings { name: "p-other".into(), python: Some(other), ..settings("answers:hello") };
    let error = Application::load(refused).unwrap_err();
    let LoadError::OtherVersion { other: first, .. } = &error else { panic!("{error}") };
    let text = error.to_string();
    for words in [
        "the application p-other wants Python 3.99.0 (",
        &format!("this process runs Python {} (", running.version_text()),
        &format!("which {first} wants"),
        "Give one of the two `isolation: process`",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // It would have to be of the same version.
    assert!(!text.contains("`isolation: interpreter`"), "{text}");
}

#[tokio::test]
async fn the_packages_of_a_second_virtualenv_can_be_imported() {
    let (folder, second) = second_virtualenv();
    let module =
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'second']\n";
    std::fs::write(second.packages[0].join("only_in_second.py"), module).unwrap();
    let wanted = settings("only_in_second:app");
    let application = Application::load(Settings { python: Some(folder.path().into()), ..wanted }).unwrap();
    let answer = call(&application, Request::get("/").body(TestBody::default()).unwrap()).await.unwrap();
    assert_eq!(read(answer).await.text(), "second");
}

#[test]
fn a_virtualenv_that_has_another_version_of_a_package_is_refused() {
    let (first, its) = second_virtualenv();
    install(&its, "some_package", "1.0");
    let named = |name: &str, venv: &TempDir| Settings {
        name: name.into(),
        python: Some(venv.path().into()),
        ..settings("answers:hello")
    };
    Application::load(named("p-first", &first)).unwrap();
    let (second, its) = second_virtualenv();
    install(&its, "Some.Package", "2.0");
    let told = refusal(named("p-second", &second), "p-first");
    assert!(
        told.contains("some-package 2.0 is there for p-second, and some-package 1.0 for p-first"),
        "{told}"
    );
}

/// A virtualenv of the interpreter that runs.
pub(crate) fn second_virtualenv() -> (TempDir, Discovered) {
    load("answers:hello");
    let running = discover(settings("").python.as_deref()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(&running.executable)
        .args(["-m", "venv", "--without-pip"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{} -m venv: {}",
        running.executable.display(),
        String::from_utf8_lossy(&made.stderr)
    );
    let second = discover(Some(folder.path())).unwrap();
    assert_eq!(second.prefix, std::fs::canonicalize(folder.path()).unwrap());
    (folder, second)
}

/// Leaves what an installer leaves of a distribution.
pub(crate) fn install(python: &Discovered, name: &str, version: &str) {
    let folder = python.packages[0].join(format!("{name}-{version}.dist-info"));
    std::fs::create_dir(&folder).unwrap();
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    std::fs::write(folder.join("METADATA"), metadata).unwrap();
}

/// Something that says that it is another Python, with a library that is there. Another process writes it: a script that
/// this process has open for writing while another test forks cannot be started ("text file busy").
fn other_interpreter(prefix: &Path) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("libpython3.99.so.1.0"), "").unwrap();
    let python = folder.path().join("python3");
    let answers = format!(
        "#!/bin/sh\ncat <<END\nimplementation=cpython\nversion=3.99.0\nexecutable={}\nprefix={}\nfolder={}\n\
         library=libpython3.99.so.1.0\nEND\n",
        python.display(),
        prefix.join("other").display(),
        folder.path().display()
    );
    let mut install = Command::new("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(&python).stdin(Stdio::piped());
    let mut writer = install.spawn().expect("coreutils are there");
    writer.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
    (folder, python)
}
