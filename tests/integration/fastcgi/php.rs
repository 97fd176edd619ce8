//! php-fpm, as Debian has it.

use std::fs;
use std::process::Command;
use std::thread;

use super::{SCRIPTS, before};
use crate::harness::{Answer, Client, Php, PhpListens, TestGateway, get, request};

fn php(settings: &str) -> (Php, TestGateway) {
    let php = Php::start(PhpListens::Unix, 2);
    let gateway = before(php.address(), &format!("root: \"{SCRIPTS}\", {settings}"));
    (php, gateway)
}

/// A variable in what `echo.php` answers.
#[track_caller]
fn variable(answer: &Answer, name: &str) -> String {
    let text = answer.text();
    let start = format!("\"{name}\": \"");
    let line = text.lines().find_map(|line| line.trim().strip_prefix(start.as_str()));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.trim_end_matches(',').trim_end_matches('"').to_owned()
}

#[test]
fn a_script_sees_the_request_as_cgi_has_it() {
    for listens in [PhpListens::Unix, PhpListens::Tcp] {
        let php = Php::start(listens, 2);
        let gateway = TestGateway::from_yaml(&format!(
            "routes: [ {{ mount: /site, fastcgi: {{ address: \"{}\", root: \"{SCRIPTS}\" }} }} ]",
            php.address()
        ));
        let mut client = gateway.connect();
        let headers = ["X-Shop: caf\u{e9}", "Cookie: a=1", "Cookie: b=2", "Proxy: evil"];
        let answer = client.request("GET", "/site/echo.php/a%20b?c=%20d", &headers, "").unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        for (name, value) in [
            ("REQUEST_METHOD", "GET"),
            ("SCRIPT_NAME", "/site/echo.php"),
            ("PATH_INFO", "/a b"),
            ("QUERY_STRING", "c=%20d"),
            ("REQUEST_URI", "/site/echo.php/a%20b?c=%20d"),
            ("SCRIPT_FILENAME", &format!("{SCRIPTS}/echo.php")),
            ("DOCUMENT_ROOT", SCRIPTS),
            ("PATH_TRANSLATED", &format!("{SCRIPTS}/a b")),
            ("PHP_SELF", "/site/echo.php/a b"),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("HTTP_HOST", "test"),
            ("HTTP_COOKIE", "a=1; b=2"),
        ] {
            assert_eq!(variable(&answer, name), value, "{name}");
        }
        let twice = answer.headers.iter().filter(|(name, _)| name == "x-twice").count();
        assert!(twice == 2 && !answer.text().contains("evil"), "{answer:?}");
    }
}

#[test]
fn only_scripts_that_exist_are_run() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("avatar.jpg"), "<?php echo 'uploaded';").unwrap();
    fs::write(folder.path().join("index.php"), "<?php echo 'index';").unwrap();
    let php = Php::start(PhpListens::Unix, 1);
    let gateway = before(php.address(), &format!("root: \"{}\"", folder.path().display()));
    for path in ["/avatar.jpg/x.php", "/avatar.jpg", "/none.php", "/../index.php/../avatar.jpg/a.php"] {
        let answer = get(&gateway.address(), path);
        assert!(answer.status == 404 && answer.text().contains("V-NOT-FOUND"), "{path}: {answer:?}");
    }
    assert_eq!(get(&gateway.address(), "/").text(), "index");
}

#[test]
fn a_folder_without_its_slash_redirects_to_its_index() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("admin")).unwrap();
    fs::write(folder.path().join("admin/index.php"), "<?php echo 'admin';").unwrap();
    let php = Php::start(PhpListens::Unix, 1);
    let gateway = before(php.address(), &format!("root: \"{}\"", folder.path().display()));
    let answer = get(&gateway.address(), "/admin?a=1");
    assert_eq!((answer.status, answer.header("location")), (301, Some("/admin/?a=1")));
    assert_eq!(get(&gateway.address(), "/admin/").text(), "admin");
}

#[test]
fn a_front_controller_answers_for_everything_else() {
    let (_php, gateway) = php("fallback: echo.php");
    let answer = get(&gateway.address(), "/articles/7?page=2");
    assert_eq!(variable(&answer, "SCRIPT_NAME"), "/echo.php");
    assert_eq!(variable(&answer, "REQUEST_URI"), "/articles/7?page=2");
}

#[test]
fn bodies_arrive_whole_with_a_length_or_in_chunks() {
    let (_php, gateway) = php("");
    let mut client = gateway.connect();
    for size in [0, 1, 1000, 20_000, 70_000, 3_000_000] {
        let body = "0123456789".repeat(size / 10) + &"x".repeat(size % 10);
        let hash = sha256(&body);
        let sized = client.request("POST", "/echo.php", &["Content-Type: text/plain"], &body).unwrap();
        let mut chunked = request("POST", "/echo.php", &["Transfer-Encoding: chunked"], "");
        for piece in body.as_bytes().chunks(50_000) {
            let size = format!("{:x}\r\n", piece.len());
            chunked.extend([size.as_str(), &String::from_utf8_lossy(piece), "\r\n"]);
        }
        client.send(chunked + "0\r\n\r\n").unwrap();
        for answer in [sized, client.answer().unwrap()] {
            assert!(answer.text().contains(&format!("\"length\": {size},")), "{size}: {}", answer.text());
            assert_eq!(variable(&answer, "hash"), hash, "{size}");
            if size > 0 {
                assert_eq!(variable(&answer, "CONTENT_LENGTH"), size.to_string());
            }
        }
    }
}

#[test]
fn sessions_and_uploads_work() {
    let (_php, gateway) = php("");
    let mut client = gateway.connect();
    let first = client.request("GET", "/does.php/count", &[], "").unwrap();
    let cookie = first.header("set-cookie").expect("a session begins").split(';').next().unwrap().to_owned();
    let again = client.request("GET", "/does.php/count", &[&format!("Cookie: {cookie}")], "").unwrap();
    assert_eq!((first.text().as_str(), again.text().as_str()), ("1", "2"));
    let content = "some content\n".repeat(100_000);
    let body = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA title\r\n--edge\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
         Content-Type: text/plain\r\n\r\n{content}\r\n--edge--\r\n"
    );
    let kind = "Content-Type: multipart/form-data; boundary=edge";
    let uploaded = client.request("POST", "/does.php/upload", &[kind], &body).unwrap();
    let expected = format!("A title\na.txt\n{}\n{}", content.len(), sha256(&content));
    assert_eq!(uploaded.text(), expected);
}

fn sha256(text: &str) -> String {
    use std::io::Write as _;
    let mut sum = Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("coreutils are there");
    sum.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(sum.wait_with_output().unwrap().stdout).unwrap()[..64].to_owned()
}

#[test]
fn a_large_answer_arrives_whole_and_pieces_at_once() {
    let (_php, gateway) = php("");
    let mut client = gateway.connect();
    let large = client.request("GET", "/does.php/large", &[], "").unwrap();
    let expected: Vec<u8> =
        (0..2048u32).flat_map(|i| vec![b'a' + u8::try_from(i % 26).unwrap(); 4096]).collect();
    assert!(large.body == expected, "{} bytes", large.body.len());
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go").display().to_string();
    client.send(request("GET", &format!("/does.php/pieces?go={go}"), &[], "")).unwrap();
    client.head().unwrap();
    for (number, piece) in ["one", "two", "three"].into_iter().enumerate() {
        assert_eq!(client.chunk().unwrap(), piece.as_bytes());
        fs::write(format!("{go}{number}"), "").unwrap();
    }
    assert_eq!(client.chunk().unwrap(), b"");
}

#[test]
fn heads_are_passed_on_up_to_their_limit() {
    let (_php, gateway) = php("header_bytes: 16KiB");
    let mut client = gateway.connect();
    let many = client.request("GET", "/does.php/headers?count=10", &[], "").unwrap();
    assert_eq!(
        (many.status, many.headers.iter().filter(|(name, _)| name.starts_with("x-long")).count()),
        (200, 10)
    );
    let redirect = client.request("GET", "/does.php/redirect", &[], "").unwrap();
    assert_eq!((redirect.status, redirect.header("location")), (302, Some("/elsewhere")));
    assert_eq!(client.request("GET", "/does.php/status", &[], "").unwrap().status, 418);
    let none = client.request("GET", "/does.php/none", &[], "").unwrap();
    assert_eq!((none.status, none.body.len()), (204, 0));
    client.send(request("HEAD", "/does.php/large", &[], "")).unwrap();
    assert_eq!(client.head().unwrap().status, 200);
    assert_eq!(client.request("GET", "/does.php/headers?count=20", &[], "").unwrap().status, 502);
    gateway.log().wait_for_texts(&["V-UPSTREAM", "the head of the answer is over 16384 bytes"]);
    assert_eq!(client.request("GET", "/does.php/status", &[], "").unwrap().status, 418);
}

#[test]
fn complaints_go_to_the_log_with_the_number_of_the_request() {
    let php = Php::start(PhpListens::Unix, 1);
    let yaml = format!(
        "layers: [ request_id ]\napps: {{ site: {{ fastcgi: {{ address: \"{}\", root: \"{SCRIPTS}\" }} }} }}\n\
         routes: [ {{ app: site }} ]",
        php.address()
    );
    let gateway = TestGateway::from_yaml(&yaml);
    let answer = get(&gateway.address(), "/does.php/complain");
    let number = answer.header("x-request-id").expect("its number").to_owned();
    let line = gateway.log().wait_for_texts(&["something is odd", &number]);
    assert!(line.contains("\"application\":\"site\"") && line.contains("WARN"), "{line}");
}

#[test]
fn a_process_that_dies_before_its_answer_is_502_and_in_its_middle_aborts_it() {
    let (_php, gateway) = php("");
    let early = get(&gateway.address(), "/does.php/die-early");
    assert!(early.status == 502 && early.text().contains("V-UPSTREAM"), "{early:?}");
    let broken = gateway.connect().request("GET", "/does.php/die", &[], "");
    assert!(broken.is_err(), "{broken:?}");
    gateway.log().wait_for_texts(&["V-UPSTREAM", "an answer was broken off"]);
    assert_eq!(get(&gateway.address(), "/does.php/status").status, 418, "the next request is served");
}

#[test]
fn an_answer_that_does_not_come_is_504() {
    let (_php, gateway) = php("timeout: 200ms");
    let answer = get(&gateway.address(), "/does.php/hang");
    assert!(answer.status == 504 && answer.text().contains("V-TOO-SLOW"), "{answer:?}");
}

#[test]
fn a_connection_is_used_again() {
    let (_php, gateway) = php("idle_timeout: 60s");
    let mut client = gateway.connect();
    let mut pids: Vec<_> =
        (0..20).map(|_| client.request("GET", "/does.php/pid", &[], "").unwrap().text()).collect();
    pids.dedup();
    assert_eq!(pids.len(), 1, "a process serves one connection");
}

/// Each kept connection holds a process: those that wait for one must not wait for its timeout.
#[test]
fn kept_connections_starve_nobody() {
    let php = Php::start(PhpListens::Unix, 2);
    let gateway = before(php.address(), &format!("root: \"{SCRIPTS}\", idle_timeout: 600s, timeout: 30s"));
    thread::scope(|scope| {
        for _ in 0..16 {
            let address = gateway.address();
            scope.spawn(move || {
                let mut client = Client::connect(&address).unwrap();
                for _ in 0..50 {
                    assert_eq!(client.request("POST", "/does.php/status", &[], "x").unwrap().status, 418);
                }
            });
        }
    });
}
