//! Good files that cannot be started: exit code 2, and what to do.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use tempfile::tempdir;

use crate::harness::check;

#[test]
fn a_folder_that_may_not_be_written_is_told() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&run, fs::Permissions::from_mode(0o500)).unwrap();
    let file = folder.path().join("vestibule.yaml");
    fs::write(&file, "listen: unix:run/http.sock\nroutes: [ { respond: { status: 204 } } ]").unwrap();
    // A copy, where everybody may get at it; by another program, so that no fork of another test holds it open for writing.
    let binary = folder.path().join("vestibule");
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_vestibule")).arg(&binary).status().unwrap();
    assert!(copied.success());
    let mut command = Command::new(&binary);
    command.args(["run", "vestibule.yaml"]).current_dir(&folder);
    if rustix::process::geteuid().is_root() {
        // Root may write everywhere; `nobody` may not.
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("run/http.sock") && told.contains("vestibule.yaml:1:9"), "{told}");
    assert!(told.to_lowercase().contains("permission") || told.contains("may not"), "{told}");
}

#[test]
fn an_address_in_use_is_told() {
    let folder = tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let yaml =
        format!("listen: \"{}\"\nroutes: [ {{ respond: {{ status: 204 }} }} ]", taken.local_addr().unwrap());
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    let run = check(folder.path(), &["run"]);
    let told = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{told}");
    assert!(told.contains("the address is in use") && told.contains("vestibule.yaml:1:9"), "{told}");
    // `check` binds nothing.
    assert_eq!(check(folder.path(), &["check", "vestibule.yaml"]).status.code(), Some(0));
}

#[test]
fn an_address_of_another_machine_is_told() {
    let folder = tempdir().unwrap();
    // 192.0.2.0/24 is kept for documents: nobody has it.
    let yaml = "listen: \"192.0.2.1:80\"\nroutes: [ { respond: { status: 204 } } ]";
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    let run = check(folder.path(), &["run"]);
    let told = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{told}");
    assert!(
        told.contains("failed to listen on 192.0.2.1:80") && told.contains("vestibule.yaml:1:9"),
        "{told}"
    );
}

#[test]
fn a_configuration_that_is_not_there_is_told() {
    let folder = tempdir().unwrap();
    for name in ["nowhere.yaml", "."] {
        for command in ["check", "run", "routes"] {
            let output = check(folder.path(), &[command, name]);
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{command} {name}: {told}");
            assert!(told.contains(name) && !told.contains("panicked"), "{command} {name}: {told}");
        }
    }
}
