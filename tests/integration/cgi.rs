//! The `cgi` backend: programs that behave, and programs that do not (`tests/apps/cgi`).

mod failing;
mod lifecycle;
mod programs;

use std::fs;
use std::path::Path;

use crate::harness::{TestGateway, eventually};

/// The programs.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/cgi");

/// A gateway before the programs, with further settings of the backend. They find its folder as `SCRATCH`.
fn before(settings: &str) -> TestGateway {
    before_with("", settings)
}

/// The same, with further keys of the file.
fn before_with(keys: &str, settings: &str) -> TestGateway {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let yaml = format!(
        "{keys}layers: [ access_log ]
env: {{ SCRATCH: \"{}\" }}
routes: [ {{ mount: /cgi, cgi: {{ root: \"{PROGRAMS}\", {settings} }} }} ]",
        folder.path().display()
    );
    TestGateway::in_folder(folder, &yaml, &[])
}

/// Waits for a number that a program writes into a file of the folder.
fn number(gateway: &TestGateway, name: &str) -> u32 {
    eventually(&format!("a number in {name}"), || {
        fs::read_to_string(gateway.path(name)).ok()?.trim().parse().ok()
    })
}

/// Waits until a process has ended, and is no zombie either.
fn wait_gone(pid: u32) {
    eventually(&format!("process {pid} to be gone"), || {
        (!Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
}

/// Waits until a worker has no child, not even a zombie, and no more descriptors than before.
fn wait_clean(gateway: &TestGateway, descriptors: usize) {
    let worker = gateway.workers()[0];
    eventually("nothing to be left over", || {
        let threads = fs::read_dir(format!("/proc/{worker}/task")).ok()?;
        let has_child = |thread: fs::DirEntry| {
            fs::read_to_string(thread.path().join("children")).is_ok_and(|children| !children.is_empty())
        };
        let is_alone = !threads.filter_map(Result::ok).any(has_child);
        (is_alone && open(gateway) <= descriptors).then_some(())
    });
}

/// How many descriptors the worker has open.
fn open(gateway: &TestGateway) -> usize {
    let worker = gateway.workers()[0];
    fs::read_dir(format!("/proc/{worker}/fd")).map_or(0, Iterator::count)
}
