//! Debian's Tomcat, by AJP and by HTTP.

use super::before;
use crate::harness::{Answer, Client, TestGateway, Tomcat, eventually, get, request};

/// Gateways before one Tomcat, by each protocol.
fn both(tomcat: &Tomcat) -> [TestGateway; 2] {
    // Tomcat marks an answer that it breaks off by silence alone.
    let ajp = before(tomcat.ajp(), &format!("timeout: 10s, secret: \"{}\"", Tomcat::SECRET));
    let http =
        format!("layers: [ access_log ]\nroutes: [ {{ http: {{ servers: [\"{}\"] }} }} ]", tomcat.http());
    [ajp, TestGateway::from_yaml(&http)]
}

/// Sends a body in chunks.
fn post_chunks(client: &mut Client, path: &str, body: &str) -> Answer {
    let mut chunked = request("POST", path, &["Transfer-Encoding: chunked"], "");
    for piece in body.as_bytes().chunks(50_000) {
        let size = format!("{:x}\r\n", piece.len());
        chunked.extend([size.as_str(), &String::from_utf8_lossy(piece), "\r\n"]);
    }
    client.send(chunked + "0\r\n\r\n").unwrap();
    client.answer().unwrap()
}

/// CRC-32, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let byte = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, byte)
}

#[test]
fn a_container_learns_of_the_request_what_ajp_can_tell() {
    let tomcat = Tomcat::start();
    let gateway = TestGateway::from_yaml(&format!(
        "trust: {{ peers: [127.0.0.1] }}
env: {{ DEPLOY: test }}
routes:
  - mount: /site
    layers: [ {{ set_env: {{ REMOTE_USER: ada, AUTH_TYPE: Basic }} }} ]
    ajp: {{ address: \"{}\", secret: \"{}\", attributes: [DEPLOY], path_parameters: all }}",
        tomcat.ajp(),
        Tomcat::SECRET
    ));
    let headers =
        ["X-Odd: 1", "X-Odd: 2", "Cookie: a=1", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https"];
    let path = "/site/does/a%20b;p=1/c?d=%20e";
    let mut client = gateway.connect();
    for method in ["GET", "POST"] {
        let text = client.request(method, path, &headers, "").unwrap().text();
        for line in [
            format!("method={method}").as_str(),
            "uri=/site/does/a%20b;p=1/c",
            "query=d=%20e",
            "context=/site",
            "path=/a b/c",
            "protocol=HTTP/1.1",
            "remote=1.2.3.4",
            "user=ada",
            "auth=Basic",
            "scheme=https",
            "secure=true",
            "server=test:443",
            "deploy=test",
            "host: test",
            "x-odd: 1",
            "x-odd: 2",
            "cookie: a=1",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
    }
    // A method without a number of its own is understood, too: by name, it is refused.
    let refused = client.request("PATCH", path, &headers, "").unwrap();
    assert!(refused.status == 405 && refused.text().contains("JSPs only permit"), "{refused:?}");
    assert_eq!(client.request("GET", "/site/does/..;/does", &[], "").unwrap().status, 400);
}

#[test]
fn parameters_lead_past_no_guard() {
    let tomcat = Tomcat::start();
    let (ajp, secret) = (tomcat.ajp(), Tomcat::SECRET);
    let gateway = TestGateway::from_yaml(&format!(
        "apps: {{ site: {{ ajp: {{ address: \"{ajp}\", secret: \"{secret}\" }} }} }}
routes:
  - {{ path: \"/site/does/{{*rest}}\", respond: {{ status: 403 }} }}
  - {{ path: /site/does, respond: {{ status: 403 }} }}
  - app: site"
    ));
    let status = |path: &str| get(&gateway.address(), path).status;
    for (path, expected) in [
        ("/site/does/teapot", 403),
        ("/site/does;x/teapot", 400),
        ("/site;x/does/teapot", 400),
        ("/site;jsessionid=1/does/teapot", 400),
        ("/site/does;jsessionid=1", 403),
        ("/site/does/teapot;jsessionid=1", 403),
        // It is routed and answered as without it.
        ("/site/nowhere", 404),
        ("/site/nowhere;jsessionid=1", 404),
    ] {
        assert_eq!(status(path), expected, "{path}");
    }
    // By HTTP, with the route that the README has.
    let by_http = TestGateway::from_yaml(&format!(
        "routes:
  - {{ match: {{ path: \"~;\" }}, respond: {{ status: 400 }} }}
  - {{ mount: /site/does, respond: {{ status: 403 }} }}
  - {{ http: {{ servers: [\"{}\"] }} }}",
        tomcat.http()
    ));
    for (path, expected) in [
        ("/site/does;x/teapot", 400),
        // The page itself, and a line break, which `.` is not.
        ("/site/does;x", 400),
        ("/site/does;x%0A/teapot", 400),
        ("/site/does/teapot;jsessionid=1", 403),
        ("/site/nowhere;jsessionid=1", 404),
    ] {
        assert_eq!(get(&by_http.address(), path).status, expected, "{path}");
    }
}

#[test]
fn statuses_bodies_and_failures_come_through_by_both_protocols() {
    let tomcat = Tomcat::start();
    for gateway in both(&tomcat) {
        let mut client = gateway.connect();
        let teapot = client.request("GET", "/site/does/teapot", &[], "").unwrap();
        let cookies = teapot.headers.iter().filter(|(name, _)| name == "set-cookie").count();
        assert_eq!((teapot.status, cookies, teapot.text().as_str()), (418, 2, "teas"));
        for size in [1, 8_186, 8_187, 20_000, 1_000_000] {
            let body = "0123456789".repeat(size / 10) + &"x".repeat(size % 10);
            let told = format!("{size} {}", crc32(body.as_bytes()));
            assert_eq!(client.request("POST", "/site/does/read", &[], &body).unwrap().text().trim(), told);
            assert_eq!(post_chunks(&mut client, "/site/does/read", &body).text().trim(), told);
        }
        assert_eq!(client.request("GET", "/site/does/read", &[], "").unwrap().text().trim(), "0 0");
        let large = client.request("GET", "/site/does/large", &[], "").unwrap().body;
        assert!(large.len() >= 10_000_000 && large.starts_with(b"000000000\n"), "{}", large.len());
        assert_eq!(client.request("GET", "/site/does/told", &[], "").unwrap().body.len(), 1_000_000);
        client.send(request("HEAD", "/site/does/told", &[], "")).unwrap();
        assert_eq!(client.head().unwrap().header("content-length"), Some("1000000"));
        assert_eq!(client.request("GET", "/site/does/nothing", &[], "").unwrap().status, 204);
        assert_eq!(client.request("GET", "/site/does/raises", &[], "").unwrap().status, 500);
        let broken = gateway.connect().request("GET", "/site/does/raises-within", &[], "");
        assert!(broken.is_err(), "{broken:?}");
        assert_eq!(get(&gateway.address(), "/site/does/teapot").status, 418);
    }
}

#[test]
fn a_body_that_nobody_reads_spoils_no_other_request() {
    let tomcat = Tomcat::start();
    let [gateway, _] = both(&tomcat);
    for size in [10, 8_186, 8_187, 500_000] {
        let body = "x".repeat(size);
        for _ in 0..3 {
            let answer = gateway.connect().request("POST", "/site/does/unread", &[], &body).unwrap();
            assert_eq!(answer.text().trim(), "unread", "{size}");
            assert_eq!(get(&gateway.address(), "/site/does/teapot").text(), "teas", "after {size}");
        }
    }
}

#[test]
fn connections_are_kept() {
    let tomcat = Tomcat::start();
    let [gateway, _] = both(&tomcat);
    let mut client = gateway.connect();
    let mut requests = 0;
    // The next request may come before the end of the last one. The system remembers connections that were closed.
    eventually("connections that carry several requests", || {
        for path in ["x", "teapot", "told"] {
            client.request("GET", &format!("/site/does/{path}"), &[], "").unwrap();
            requests += 1;
        }
        let connections = connections_to(tomcat.ajp());
        assert!(connections > 0, "those are counted that there are");
        (connections + 10 <= requests).then_some(())
    });
}

/// How many connections to an address of this machine are open or were a moment ago, on the side of those who opened them.
fn connections_to(address: &str) -> usize {
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let peer = format!("0100007F:{port:04X}");
    let all = std::fs::read_to_string("/proc/net/tcp").unwrap();
    all.lines().filter(|line| line.split_whitespace().nth(2) == Some(&peer)).count()
}

#[test]
fn a_wrong_secret_is_refused_and_a_head_that_is_too_large_is_431() {
    let tomcat = Tomcat::start();
    let [gateway, _] = both(&tomcat);
    for wrong in ["", "secret: wrong"] {
        assert_eq!(get(&before(tomcat.ajp(), wrong).address(), "/site/does/teapot").status, 403, "{wrong}");
    }
    let with_cookie = |length: usize| {
        let cookie = format!("Cookie: {}", "c".repeat(length));
        gateway.connect().request("GET", "/site/does/teapot", &[&cookie], "").unwrap()
    };
    assert_eq!(with_cookie(7_500).status, 418);
    let refused = with_cookie(8_192);
    assert!(refused.status == 431 && refused.text().contains("V-HEAD-TOO-LARGE"), "{refused:?}");
    assert_eq!(get(&gateway.address(), "/site/does/teapot").status, 418);
}

#[test]
fn the_gateway_may_start_the_container_itself() {
    let folder = tempfile::tempdir().unwrap();
    let command = Tomcat::on_a_unix_socket(&folder.path().join("tomcat"));
    let yaml = format!("routes: [ {{ ajp: {{ command: {command:?}, secret: \"{}\" }} }} ]", Tomcat::SECRET);
    let gateway = TestGateway::in_folder(folder, &yaml, &[]);
    let answer = get(&gateway.address(), "/site/does/teapot");
    assert_eq!((answer.status, answer.text().as_str()), (418, "teas"));
}
