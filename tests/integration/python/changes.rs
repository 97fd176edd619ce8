//! Signals that applications have handlers for, which are refused.

use super::start;
use crate::harness::get;

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
