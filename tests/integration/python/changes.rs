//! What applications change for all of their process, and the handlers of signals that they are refused.

use super::{start, start_with};
use crate::harness::{get, request};

#[test]
fn a_signal_whose_handler_was_refused_ends_nobody() {
    for isolation in ["shared", "process"] {
        let gateway = start(&format!(
            "routes: [ {{ wsgi: {{ app: \"alarms:application\", path: \"${{APPS}}\", isolation: {isolation} }} }} ]"
        ));
        let before = get(&gateway.address(), "/").text();
        assert!(before.ends_with(" SIGUSR1"), "{isolation}: {before}");
        // The same process; and the programs that it starts can be ended as ever.
        for path in ["/rings", "/rings", "/"] {
            assert_eq!(get(&gateway.address(), path).text(), before, "{isolation}: {path}");
        }
        for signal in ["SIGALRM", "SIGUSR1"] {
            let told = gateway.log().wait_for_text(&format!("a handler of {signal} was refused"));
            let line = told.lines().find(|line| line.contains(signal)).unwrap();
            assert!(line.contains("alarms.py:"), "{line}");
        }
    }
}

/// Where there are no others to be told for, only who looks for it reads of it.
#[test]
fn a_change_of_the_environment_is_told_with_application_file_and_line() {
    for (isolation, level) in [("shared", "INFO"), ("process", "DEBUG")] {
        let gateway = start_with(
            &format!(
                "apps: {{ setting: {{ wsgi: {{ app: \"setting:application\", isolation: {isolation} }} }} }}
routes: [ {{ app: setting }} ]"
            ),
            &[
                (
                    "setting.py",
                    "import os\n\nos.environ['SETTING'] = 'secret'\nfrom who import application\n",
                ),
                ("who.py", include_str!("../../apps/who.py")),
            ],
            &[],
        );
        let what = "os.environ['SETTING'] was changed, for all applications of this process (";
        let told = gateway.log().wait_for_texts(&[what, "\"application\":\"setting\""]);
        let line = told.lines().find(|line| line.contains(what)).unwrap();
        for part in ["setting.py:3)", &format!("\"level\":\"{level}\""), "\"stream\":\"change\""] {
            assert!(line.contains(part), "{isolation}: {part} in {line}");
        }
        assert!(!line.contains("secret"), "{line}");
    }
}

/// Leaves without a word to anybody but stdout.
const LEAVES: &str = "import os

def application(environ, start_response):
    if environ['PATH_INFO'] == '/leave':
        if os.fork() == 0:
            os._exit(4)
        print('last words', flush=True)
        os._exit(3)
    start_response('200 OK', [])
    return [b'here']
";

#[test]
fn what_was_logged_before_os_exit_is_written_and_the_log_says_who_left() {
    for isolation in ["shared", "process"] {
        let gateway = start_with(
            &format!(
                "layers: [ {{ request_id: {{ trust: true }} }} ]
apps: {{ leaving: {{ wsgi: {{ app: \"leaves:application\", isolation: {isolation} }} }} }}
routes: [ {{ app: leaving }} ]"
            ),
            &[("leaves.py", LEAVES)],
            &[],
        );
        let mut client = gateway.connect();
        client.send(request("GET", "/leave", &["X-Request-Id: the-last"], "")).unwrap();
        gateway.log().wait_for_texts(&["a worker has crashed", "exit status: 3"]);
        gateway.log().wait_for_texts(&["\"last words\"", "the-last"]);
        let why =
            ["os._exit(3) ends the process (", "leaves.py:8)", "\"application\":\"leaving\"", "the-last"];
        gateway.log().wait_for_texts(&why);
        assert_eq!(gateway.log().count("os._exit(4)"), 0, "a child's end is its own");
    }
}
