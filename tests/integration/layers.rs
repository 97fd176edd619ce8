//! Every layer once, through sockets, in the company of others.

mod bodies;
mod heads;
mod logs;
mod outside;
mod refusing;

use std::process::Command;

use crate::harness::TestGateway;

/// What curl prints: a client that is not ours.
fn curl(gateway: &TestGateway, arguments: &[&str], path: &str) -> Vec<u8> {
    let url = format!("http://{}{path}", gateway.address());
    let output = Command::new("curl").args(["--silent", "--show-error"]).args(arguments).arg(url).output();
    let output = output.expect("curl is missing: apt-get install curl (tests/run does it)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
