//! Listening sockets.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;

use tempfile::tempdir;

use crate::harness::{TestGateway, check, get};

const UNIX: &str = "listen: unix:http.sock\nroutes: [ { respond: { text: hello } } ]";

#[test]
fn a_unix_socket_serves_and_goes_with_the_gateway() {
    let mut gateway = TestGateway::from_yaml(UNIX);
    let path = gateway.path("http.sock");
    assert_eq!(get(&format!("unix:{}", path.display()), "/").text(), "hello");
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    assert!(!path.exists());
}

#[test]
fn mode_and_owner_are_applied() {
    let folder = tempdir().unwrap();
    let user = fs::metadata(folder.path()).unwrap().uid();
    let listen = format!("listen: {{ address: \"unix:http.sock\", mode: \"0622\", owner: \"{user}\" }}");
    let gateway = TestGateway::in_folder(
        folder,
        &format!("{listen}\nroutes: [ {{ respond: {{ status: 204 }} }} ]"),
        &[],
    );
    let file = fs::metadata(gateway.path("http.sock")).unwrap();
    assert_eq!((file.permissions().mode() & 0o777, file.uid()), (0o622, user));
}

#[test]
fn without_a_mode_the_umask_decides_and_never_lets_everybody_in() {
    for (umask, expected) in [("000", 0o770), ("022", 0o755), ("077", 0o700)] {
        let gateway = TestGateway::with_umask(UNIX, umask);
        let file = fs::metadata(gateway.path("http.sock")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, expected, "{umask}");
    }
}

#[test]
fn a_stale_socket_file_is_replaced() {
    let folder = tempdir().unwrap();
    drop(UnixListener::bind(folder.path().join("http.sock")).unwrap());
    let gateway = TestGateway::in_folder(folder, UNIX, &[]);
    assert_eq!(get(&format!("unix:{}", gateway.path("http.sock").display()), "/").text(), "hello");
}

/// What is said of an address that is not to be had.
fn refused(folder: &std::path::Path, yaml: &str) -> String {
    refused_with(2, folder, yaml)
}

/// Runs a file that cannot be started; answers with what it says.
fn refused_with(code: i32, folder: &std::path::Path, yaml: &str) -> String {
    fs::write(folder.join("vestibule.yaml"), yaml).unwrap();
    let output = check(folder, &["run"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{told}");
    told
}

#[test]
fn a_live_socket_is_refused_and_stays() {
    let folder = tempdir().unwrap();
    let _live = UnixListener::bind(folder.path().join("http.sock")).unwrap();
    let told = refused(folder.path(), UNIX);
    assert!(told.contains("another program serves it") && told.contains("vestibule.yaml:1:9"), "{told}");
    assert!(folder.path().join("http.sock").exists());
}

#[test]
fn a_file_that_is_no_socket_is_refused_and_stays() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("http.sock"), "precious").unwrap();
    let told = refused(folder.path(), UNIX);
    assert!(told.contains("something that is no socket stands there"), "{told}");
    assert_eq!(fs::read_to_string(folder.path().join("http.sock")).unwrap(), "precious");
}

#[test]
fn a_missing_folder_is_told() {
    let folder = tempdir().unwrap();
    let told = refused(folder.path(), "listen: unix:run/http.sock\nroutes: [ { respond: { status: 204 } } ]");
    assert!(told.contains("no such folder") && told.contains("RuntimeDirectory="), "{told}");
}

#[test]
fn addresses_in_use_are_told_all_at_once() {
    let folder = tempdir().unwrap();
    let taken = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let [one, other] = taken.each_ref().map(|taken| taken.local_addr().unwrap());
    let yaml = format!("listen: [\"{one}\", \"{other}\"]\nroutes: [ {{ respond: {{ status: 204 }} }} ]");
    let told = refused(folder.path(), &yaml);
    for address in [one, other] {
        assert!(told.contains(&format!("failed to listen on {address}: the address is in use")), "{told}");
    }
    assert!(told.contains("vestibule.yaml:1:10") && told.contains("ss -ltnp"), "{told}");
}

#[test]
fn an_unknown_owner_is_told() {
    let folder = tempdir().unwrap();
    let listen = "listen: { address: \"unix:http.sock\", owner: nobody-has-this }";
    // A mistake of the file, which `check` finds, too.
    let told =
        refused_with(1, folder.path(), &format!("{listen}\nroutes: [ {{ respond: {{ status: 204 }} }} ]"));
    assert!(told.contains("no user has the name `nobody-has-this`"), "{told}");
    assert!(!folder.path().join("http.sock").exists());
}
