//! nginx with `uwsgi_pass`, `scgi_pass` and `fastcgi_pass`, and the parameters that Debian has for them.

use fastcgi::request::KeepConnection;

use super::speaking::{self, variables};
use super::{PROTOCOLS, listening, listening_to};
use crate::harness::{Client, Nginx, TestGateway, get};

/// nginx in front of an address.
fn nginx(protocol: &str, address: &str, further: &str) -> Nginx {
    Nginx::with_site(|front| {
        format!(
            "upstream vestibule {{ server {address}; keepalive 4; }}
    server {{
        listen {front};
        location / {{
            include /etc/nginx/{protocol}_params;
            {protocol}_pass vestibule;
            {further}
        }}
    }}"
        )
    })
}

/// Each protocol, on a unix socket and on a port.
fn each(yaml: &str, files: &[(&str, &str)], test: impl Fn(&TestGateway, &Nginx, &str)) {
    for protocol in PROTOCOLS {
        let gateway = listening(protocol, yaml, files);
        for address in &gateway.addresses()[..2] {
            test(&gateway, &nginx(protocol, address, ""), protocol);
        }
    }
}

/// What is done is what the path says.
const APP: (&str, &str) = (
    "app.py",
    "import hashlib
def app(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/hash':
        body = environ['wsgi.input'].read()
        start_response('201 Made', [('Set-Cookie', 'a=1'), ('Set-Cookie', 'b=2')])
        return [f\"{len(body)} {hashlib.sha256(body).hexdigest()}\".encode()]
    start_response('200 OK', [])
    return large(path)

def large(path):
    for number in range(200):
        yield b'%09d\\n' % number * 1000
        if path == '/breaks' and number == 100:
            raise OSError('the disk is full')
",
);

const APPLICATION: &str = "routes: [ { wsgi: { app: \"app:app\" } } ]";

#[test]
fn bodies_of_every_size_arrive_whole_and_so_do_answers() {
    each(APPLICATION, &[APP], |_, nginx, protocol| {
        let mut client = Client::connect(&nginx.address()).unwrap();
        for size in [0, 1, 2, 16_385, 70_000, 3_000_000] {
            let body = "0123456789".repeat(size / 10) + &"x".repeat(size % 10);
            let answer = client.request("POST", "/hash", &[], &body).unwrap();
            let cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie").count();
            assert_eq!((answer.status, cookies), (201, 2), "{protocol}");
            assert!(answer.text().starts_with(&format!("{size} ")), "{protocol} {size}: {}", answer.text());
        }
        let chunked =
            "POST /hash HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        client.send(chunked).unwrap();
        assert!(client.answer().unwrap().text().starts_with("3 ba7816bf"));
        let large: String = (0..200).map(|number| format!("{number:09}\n").repeat(1000)).collect();
        assert!(get(&nginx.address(), "/large").body == large.as_bytes(), "{protocol}");
        assert!(nginx.errors().lines().all(|line| !line.contains("[error]")), "{}", nginx.errors());
    });
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole_to_nginx_s_client() {
    each(APPLICATION, &[APP], |gateway, nginx, protocol| {
        let mut client = Client::connect(&nginx.address()).unwrap();
        let answer = client.request("GET", "/breaks", &[], "");
        assert!(answer.is_err(), "{protocol}: {:?}", answer.map(|answer| answer.body.len()));
        gateway.log().wait_for_texts(&["V-APPLICATION", "an answer was broken off"]);
        assert_eq!(get(&nginx.address(), "/hash").status, 201);
    });
}

#[test]
fn a_header_named_status_is_no_second_status() {
    let yaml = "layers: [ { response_headers: { set: { Status: 500 Oops, X-End: 1 } } } ]
routes: [ { respond: { status: 201, text: made } } ]";
    each(yaml, &[], |_, nginx, protocol| {
        let answer = get(&nginx.address(), "/");
        let end = answer.header("x-end");
        assert_eq!((answer.status, answer.header("status"), end), (201, None, Some("1")), "{protocol}");
    });
}

#[test]
fn answers_without_a_body_have_none() {
    let yaml = "routes:
  - { path: /hall, respond: { text: the hall } }
  - { path: /none, respond: { status: 204 } }
  - static: { root: www }";
    each(yaml, &[("www/page", "a page")], |_, nginx, protocol| {
        let mut client = Client::connect(&nginx.address()).unwrap();
        client.send("HEAD /hall HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        assert_eq!(client.head().unwrap().header("content-length"), Some("8"), "{protocol}");
        assert_eq!(client.request("GET", "/none", &[], "").unwrap().status, 204);
        let page = client.request("GET", "/page", &[], "").unwrap();
        assert_eq!((page.text().as_str(), page.header("content-length")), ("a page", Some("6")));
        let unchanged = format!("If-None-Match: {}", page.header("etag").unwrap());
        assert_eq!(client.request("GET", "/page", &[&unchanged], "").unwrap().status, 304, "{protocol}");
        assert_eq!(client.request("GET", "/nowhere", &[], "").unwrap().status, 404);
    });
}

#[test]
fn a_fastcgi_connection_is_kept_when_nginx_asks_for_it() {
    let gateway = listening("fastcgi", "routes: [ { respond: { text: hello } } ]", &[]);
    let nginx = nginx("fastcgi", &gateway.address(), "fastcgi_keep_conn on;");
    let mut client = Client::connect(&nginx.address()).unwrap();
    for _ in 0..20 {
        assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "hello");
    }
    assert!(nginx.errors().lines().all(|line| !line.contains("[error]")), "{}", nginx.errors());
    // And by hand, so that the connection is known to be the same.
    let mut front = gateway.connect();
    let request = speaking::fastcgi(&variables("GET", "/", "", &[]), b"", KeepConnection::Yes);
    for _ in 0..3 {
        front.send(&request).unwrap();
        let answer = front.until(b"hello").unwrap();
        assert!(!answer.is_empty());
    }
    front.send(speaking::get("fastcgi", "/")).unwrap();
    front.rest().expect("the last one does not ask for it");
}

#[test]
fn a_kept_fastcgi_connection_ends_with_its_next_answer_when_the_worker_retires() {
    let yaml = "routes: [ { respond: { text: hello } } ]";
    let mut gateway = listening("fastcgi", yaml, &[]);
    let mut front = gateway.connect();
    let request = speaking::fastcgi(&variables("GET", "/", "", &[]), b"", KeepConnection::Yes);
    front.send(&request).unwrap();
    front.until(b"hello").unwrap();
    gateway.signal("HUP");
    gateway.wait_ready(2);
    front.send(&request).unwrap();
    let last = front.rest().unwrap();
    assert!(last.windows(5).any(|text| text == b"hello"));
}

#[test]
fn a_second_request_on_a_busy_fastcgi_connection_is_refused() {
    let gateway = listening("fastcgi", APPLICATION, &[APP]);
    let mut out = bytes::BytesMut::new();
    fastcgi::request::put_head(&mut out, KeepConnection::No, |add| {
        for (name, value) in variables("POST", "/hash", "3", &[]) {
            add(name.as_bytes(), value.as_bytes());
        }
    });
    // Before the body of the first, without which that is not answered.
    fastcgi::record::put_begin(&mut out, 2, true);
    fastcgi::request::put_body(&mut out, b"abc");
    fastcgi::request::put_end_of_body(&mut out);
    let mut front = gateway.connect();
    front.send(&out).unwrap();
    let answers = front.rest().unwrap();
    assert!(answers.windows(10).any(|text| text == b"3 ba7816bf"), "{answers:?}");
    // END_REQUEST of request 2, with CANT_MPX_CONN.
    let refusal = [1, 3, 0, 2, 0, 8, 0, 0, 0, 0, 0, 0, 1];
    assert!(answers.windows(refusal.len()).any(|record| record == refusal), "{answers:?}");
}

#[test]
fn nginx_says_who_the_client_is_and_a_prefix() {
    let yaml = "layers:
  - response_headers: { set: { X-Who: \"[{SCRIPT_NAME} {PATH_INFO} {REMOTE_ADDR} {REQUEST_SCHEME} {HTTP_X_FORWARDED_FOR}]\" } }
routes: [ { respond: { text: hello } } ]";
    for protocol in PROTOCOLS {
        let gateway = listening(protocol, yaml, &[]);
        let further =
            format!("set_real_ip_from unix:; real_ip_header X-Client; {protocol}_param SCRIPT_NAME /shop;");
        // FastCGI's parameters have a SCRIPT_NAME already; the last one counts.
        let nginx = nginx(protocol, &gateway.address(), &further);
        let mut client = Client::connect(&nginx.address()).unwrap();
        let headers = ["X-Client: 2001:db8::9", "X-Forwarded-For: 6.6.6.6"];
        let answer = client.request("GET", "/shop/a%20b", &headers, "").unwrap();
        assert_eq!(answer.header("x-who"), Some("[/shop /a b 2001:db8::9 http ]"), "{protocol}");
    }
}

#[test]
fn nginx_says_who_has_logged_in_where_it_is_asked_to() {
    const WHO: (&str, &str) = (
        "who.py",
        "def app(environ, start_response):
    start_response('200 OK', [])
    return [f\"{environ.get('REMOTE_USER')} {environ.get('AUTH_TYPE')}\".encode()]
",
    );
    let yaml = "routes: [ { wsgi: { app: \"who:app\" } } ]";
    for protocol in PROTOCOLS {
        let believing = listening_to("peers: [unix, 127.0.0.1], user: true", protocol, yaml, &[WHO]);
        // Whom nginx's own fastcgi_params name has perhaps not shown any password.
        let doubting = listening(protocol, yaml, &[WHO]);
        for (gateway, named) in [(believing, "ada Basic"), (doubting, "None None")] {
            let further =
                format!("{protocol}_param REMOTE_USER $remote_user; {protocol}_param AUTH_TYPE $auth;");
            let nginx = nginx(protocol, &gateway.address(), &format!("set $auth Basic; {further}"));
            let mut client = Client::connect(&nginx.address()).unwrap();
            let answer = client.request("GET", "/", &["Authorization: Basic YWRhOng="], "").unwrap();
            assert_eq!(answer.text(), named, "{protocol}");
        }
    }
}

#[test]
fn nobody_else_says_who_has_logged_in() {
    let yaml = "routes:
  - { match: { env: { REMOTE_USER: present } }, respond: { text: somebody } }
  - respond: { text: nobody }";
    let gateway = listening_to("peers: [unix, 127.0.0.1], user: true", "uwsgi", yaml, &[]);
    // By HTTP there are no variables, and a header is none.
    let mut client = Client::connect(&gateway.addresses()[2]).unwrap();
    let headers = ["REMOTE_USER: ada", "Remote-User: ada", "Authorization: Basic YWRhOng="];
    assert_eq!(client.request("GET", "/", &headers, "").unwrap().text(), "nobody");
    for (user, expected) in [("ada", "somebody"), ("", "nobody")] {
        let variables = variables("GET", "/", "0", &[("REMOTE_USER", user)]);
        let request = speaking::encoded("uwsgi", &variables, b"");
        let answer = speaking::ask("uwsgi", &gateway.address(), &request).unwrap();
        assert!(answer.ends_with(expected), "{answer}");
    }
}
