//! What a program is told, and what it answers.

use std::process::Command;

use super::{PROGRAMS, before};
use crate::harness::{Client, TestGateway, get, request};

/// A gateway before `tests/apps/program.c`, compiled.
fn program(settings: &str) -> TestGateway {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("programs");
    std::fs::create_dir(&root).unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/program.c");
    let compiled = Command::new("cc").arg(source).arg("-o").arg(root.join("program")).status();
    assert!(compiled.expect("gcc is missing (tests/run installs it)").success());
    let yaml = format!(
        "env: {{ DEPLOY: test }}\nroutes: [ {{ mount: /cgi, cgi: {{ root: programs, {settings} }} }} ]"
    );
    TestGateway::in_folder(folder, &yaml, &[])
}

#[test]
fn a_program_has_the_variables_of_its_request_and_no_others() {
    let gateway = program("");
    let headers = ["X-Odd: 1", "Cookie: a=1", "Cookie: b=2", "Proxy: evil"];
    let text = gateway.connect().request("GET", "/cgi/program/a%20b?c=%20d", &headers, "").unwrap().text();
    let root = gateway.path("programs").display().to_string();
    let mut told: Vec<_> = text.lines().filter_map(|line| line.split_once('=')).collect();
    told.retain(|(name, _)| !matches!(*name, "REMOTE_PORT" | "SERVER_PORT" | "SERVER_SOFTWARE" | "PATH"));
    told.sort_unstable();
    let (filename, translated) = (format!("{root}/program"), format!("{root}/a b"));
    let mut expected = vec![
        ("DEPLOY", "test"),
        ("DOCUMENT_ROOT", &root),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("HTTP_COOKIE", "a=1; b=2"),
        ("HTTP_HOST", "test"),
        ("HTTP_X_ODD", "1"),
        ("PATH_INFO", "/a b"),
        ("PATH_TRANSLATED", &translated),
        ("QUERY_STRING", "c=%20d"),
        ("REDIRECT_STATUS", "200"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_SCHEME", "http"),
        ("REQUEST_URI", "/cgi/program/a%20b?c=%20d"),
        ("SCRIPT_FILENAME", &filename),
        ("SCRIPT_NAME", "/cgi/program"),
        ("SERVER_NAME", "test"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("argc", "1"),
        ("argv0", &filename),
        ("folder", &root),
        ("leads its group", "1"),
        ("length", "0"),
        ("open", "0"),
        ("open", "1"),
        ("open", "2"),
        ("sum", "0"),
    ];
    let inherited = inherited();
    expected.extend(inherited.iter().map(|descriptor| ("open", descriptor.as_str())));
    expected.sort_unstable();
    assert_eq!(told, expected);
}

/// The descriptors that this process hands on to whatever it starts, as whoever started it wanted.
fn inherited() -> Vec<String> {
    const O_CLOEXEC: u32 = 0o2_000_000;
    let handed_on = |name: &String| {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{name}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        flags
            .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
            .is_some_and(|flags| flags & O_CLOEXEC == 0)
    };
    let open = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().file_name());
    let open = open.filter_map(|name| name.into_string().ok());
    open.filter(|name| !matches!(name.as_str(), "0" | "1" | "2")).filter(handed_on).collect()
}

#[test]
fn pass_env_lists_what_else_a_program_gets() {
    let path = std::env::var("PATH").unwrap();
    let has_path = |gateway: &TestGateway| {
        get(&gateway.address(), "/cgi/program").text().lines().any(|line| line == format!("PATH={path}"))
    };
    assert!(has_path(&program("")));
    assert!(!has_path(&program("pass_env: []")));
    let text = get(&program("pass_env: [VESTIBULE_LOG, NO_SUCH_VARIABLE]").address(), "/cgi/program").text();
    assert!(text.contains("VESTIBULE_LOG=debug\n") && !text.contains("NO_SUCH"), "{text}");
}

/// Sends a body in chunks.
fn post_chunks(client: &mut Client, path: &str, body: &str) -> String {
    let mut chunked = request("POST", path, &["Transfer-Encoding: chunked"], "");
    for piece in body.as_bytes().chunks(50_000) {
        let size = format!("{:x}\r\n", piece.len());
        chunked.extend([size.as_str(), &String::from_utf8_lossy(piece), "\r\n"]);
    }
    client.send(chunked + "0\r\n\r\n").unwrap();
    client.answer().unwrap().text()
}

#[test]
fn bodies_arrive_whole_with_a_length_or_in_chunks() {
    let gateway = program("");
    let mut client = gateway.connect();
    for size in [1, 20_000, 70_000, 3_000_000] {
        let body = "0123456789".repeat(size / 10) + &"x".repeat(size % 10);
        let sum = body.bytes().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let sized = client.request("POST", "/cgi/program", &[], &body).unwrap().text();
        let chunked = post_chunks(&mut client, "/cgi/program", &body);
        for text in [sized, chunked] {
            for line in [format!("CONTENT_LENGTH={size}"), format!("length={size}"), format!("sum={sum}")] {
                assert!(text.lines().any(|told| told == line), "{line}: {text}");
            }
        }
    }
}

#[test]
fn the_parts_of_an_answer_come_as_they_are_written() {
    let gateway = before("");
    let mut client = gateway.connect();
    client.send(request("POST", "/cgi/does/reads", &["Content-Length: 4"], "")).unwrap();
    // Its head is here before the body is sent.
    assert_eq!(client.head().unwrap().status, 200);
    client.send("body").unwrap();
    assert_eq!(client.chunk().unwrap().trim_ascii(), b"4");
}

#[test]
fn statuses_headers_and_redirects_come_through() {
    let gateway = before("");
    let mut client = gateway.connect();
    let mut answer =
        |method: &str, path: &str| client.request(method, &format!("/cgi/{path}"), &[], "").unwrap();
    let found = answer("GET", "does/not-found");
    assert_eq!((found.status, found.header("x-a"), found.text().as_str()), (404, Some("b"), "not here"));
    let away = answer("GET", "does/away");
    assert_eq!((away.status, away.header("location")), (302, Some("https://example.com/")));
    assert_eq!(answer("GET", "does/local").text(), "well\n");
    assert_eq!(answer("POST", "does/local").text(), "well\n");
    assert_eq!(answer("GET", "does/nothing-more").status, 204);
    assert_eq!(answer("GET", "does/well").text(), "well\n", "no body came between");
}

#[test]
fn a_whole_http_answer_comes_from_a_program_that_says_so_by_its_name() {
    let gateway = before("");
    let answer = get(&gateway.address(), "/cgi/nph-does/well");
    assert_eq!((answer.status, answer.header("x-a"), answer.text().as_str()), (418, Some("b"), "teas"));
    for (path, reason) in [("parsed", "is not understood"), ("chunked", "Transfer-Encoding")] {
        assert_eq!(get(&gateway.address(), &format!("/cgi/nph-does/{path}")).status, 502);
        gateway.log().wait_for_texts(&["V-UPSTREAM", reason]);
    }
}

#[test]
fn an_ending_may_have_an_interpreter() {
    let gateway = before("interpreters: { .pl: /usr/bin/perl }");
    let text = get(&gateway.address(), "/cgi/hello.pl/a/b").text();
    assert_eq!(text, format!("hello from Perl: {PROGRAMS}/hello.pl /a/b\n"));
    assert_eq!(get(&before("").address(), "/cgi/hello.pl").status, 403);
}

#[test]
fn a_folder_has_an_index() {
    let gateway = before("index: index.cgi");
    assert_eq!(get(&gateway.address(), "/cgi/sub/").text(), format!("{PROGRAMS}/sub\n"));
    let redirected = get(&gateway.address(), "/cgi/sub?a=b");
    assert_eq!((redirected.status, redirected.header("location")), (301, Some("/cgi/sub/?a=b")));
}

#[test]
fn nothing_outside_of_the_root_is_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("root")).unwrap();
    std::os::unix::fs::symlink(PROGRAMS, folder.path().join("root/link")).unwrap();
    let gateway = TestGateway::in_folder(folder, "routes: [ { mount: /cgi, cgi: { root: root } } ]", &[]);
    for path in
        ["link/does/well", "../../bin/true", "%2e%2e/%2e%2e/bin/true", "..%2f..%2fbin/true", "//bin/true"]
    {
        let status = get(&gateway.address(), &format!("/cgi/{path}")).status;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
}
