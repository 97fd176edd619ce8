//! What an application is told about its request.

use std::collections::HashMap;
use std::sync::Arc;

use http::{Method, Request, Version};
use http_environ::{Environ, RequestId, Scheme, Server};
use tower_wsgi::Settings;

use crate::harness::{Answer, TestBody, call, load, read, settings, wait_for_log};

/// The environ as the application sees it: names and values as JSON writes them.
struct Told(HashMap<String, String>);

impl Told {
    fn of(answer: &Answer) -> Self {
        // A flat object of strings, numbers and lists, as `environs:everything` makes it.
        let text = answer.text().trim_matches(['{', '}']);
        let mut told = HashMap::new();
        for pair in text.split(", \"") {
            if let Some((name, value)) = pair.trim_start_matches('"').split_once("\": ") {
                told.insert(name.to_owned(), value.trim_matches('"').to_owned());
            }
        }
        Self(told)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

fn request(target: &str, headers: &[(&str, &str)], environ: impl FnOnce(&mut Environ)) -> Request<TestBody> {
    let mut request = Request::get(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(TestBody::default()).unwrap();
    let mut known = Environ::for_target(request.uri()).unwrap();
    environ(&mut known);
    request.extensions_mut().insert(known);
    request
}

async fn told(request: Request<TestBody>) -> Told {
    Told::of(&read(call(&load("environs:everything"), request).await.unwrap()).await)
}

#[tokio::test]
async fn the_variables_of_cgi_and_wsgi_are_there() {
    let told = told(request("/caf%C3%A9//x;y?a=%20", &[("host", "example.com:8000")], |_| {})).await;
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", "/caf\\u00c3\\u00a9//x;y"),
        ("QUERY_STRING", "a=%20"),
        ("REQUEST_URI", "/caf%C3%A9//x;y?a=%20"),
        ("RAW_URI", "/caf%C3%A9//x;y?a=%20"),
        ("SERVER_NAME", "example.com"),
        ("SERVER_PORT", "8000"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("REMOTE_ADDR", ""),
        ("HTTP_HOST", "example.com:8000"),
        ("wsgi.url_scheme", "http"),
        ("wsgi.version", "[1, 0]"),
        ("wsgi.input_terminated", "true"),
        ("wsgi.multithread", "true"),
        ("wsgi.multiprocess", "false"),
        ("wsgi.run_once", "false"),
        ("type", "dict"),
        ("leaked", "[]"),
    ] {
        assert_eq!(told.get(name), Some(value), "{name}");
    }
    for name in ["CONTENT_LENGTH", "CONTENT_TYPE", "HTTPS", "HTTP_CONTENT_TYPE"] {
        assert_eq!(told.get(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_mount_and_the_front_servers_prefix_are_the_script_name() {
    let told = told(request("/shop/a", &[], |environ| {
        environ.prefix = b"/outer".as_slice().into();
        assert!(environ.path_mut().mount("/shop"));
    }))
    .await;
    assert_eq!((told.get("SCRIPT_NAME"), told.get("PATH_INFO")), (Some("/outer/shop"), Some("/a")));
}

#[tokio::test]
async fn who_asks_and_how_is_told_as_the_front_knows_it() {
    let told = told(request("/", &[], |environ| {
        environ.scheme = Scheme::Https;
        environ.remote_addr = Some("2001:db8::1".parse().unwrap());
        environ.remote_port = Some(5);
        environ.server = Arc::new(Server { name: "inside".into(), software: "test/1", ..Server::default() });
        environ.set(&"DEPLOY".into(), b"live \xe9".as_slice());
    }))
    .await;
    for (name, value) in [
        ("wsgi.url_scheme", "https"),
        ("REQUEST_SCHEME", "https"),
        ("HTTPS", "on"),
        ("REMOTE_ADDR", "2001:db8::1"),
        ("REMOTE_PORT", "5"),
        ("SERVER_NAME", "inside"),
        ("SERVER_PORT", "443"),
        ("SERVER_SOFTWARE", "test/1"),
        ("DEPLOY", "live \\u00e9"),
    ] {
        assert_eq!(told.get(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn headers_that_come_twice_are_joined_and_those_that_lie_are_dropped() {
    let headers = [
        ("x-a", "1"),
        ("cookie", "a=1"),
        ("x-a", "2"),
        ("cookie", "b=2"),
        ("content-type", "text/plain"),
        ("proxy", "evil"),
        ("x_b", "evil"),
        ("x-b", "good"),
    ];
    let told = told(request("/", &headers, |_| {})).await;
    for (name, value) in [
        ("HTTP_X_A", Some("1,2")),
        ("HTTP_COOKIE", Some("a=1; b=2")),
        ("CONTENT_TYPE", Some("text/plain")),
        ("HTTP_X_B", Some("good")),
        ("HTTP_PROXY", None),
        ("HTTP_CONTENT_TYPE", None),
    ] {
        assert_eq!(told.get(name), value, "{name}");
    }
}

#[tokio::test]
async fn an_environ_outlives_its_request_unchanged() {
    let application = load("environs:everything");
    read(call(&application, request("/first", &[], |_| {})).await.unwrap()).await;
    let second = read(call(&application, request("/second", &[], |_| {})).await.unwrap()).await;
    let told = Told::of(&second);
    // Other tests use the same module: what stood there before is some path, and never this one's.
    assert_ne!(told.get("before"), Some("/second"));
    assert_eq!(told.get("PATH_INFO"), Some("/second"));
}

#[tokio::test]
async fn environs_have_in_common_what_their_requests_have_and_nothing_else() {
    let settings = Settings { threads: 1, ..settings("environs:changes") };
    let application = tower_wsgi::Application::load(settings).unwrap();
    let servers = ["test/0", "test/1"].map(|software| {
        let env = vec![("DEPLOY".into(), b"live".as_slice().into())];
        Arc::new(Server { software, env, ..Server::default() })
    });
    // By what its number says in binary. One thing at a time, so often that all of these kinds are remembered and copied; then
    // more kinds than are remembered.
    for number in [0_usize, 1, 2, 4, 8, 16, 32, 64].repeat(4).into_iter().chain(0..128).chain([5, 0, 0, 0]) {
        let is = |bit: usize| number & bit != 0;
        let host = if is(64) { "one.example" } else { "two.example" };
        let hosts = [("host", host), ("host", "other")];
        let hosts = &hosts[..if number == 127 { 2 } else { 1 }];
        let mut request = request("/shop/a", hosts, |environ| {
            environ.server = Arc::clone(&servers[number & 1]);
            environ.scheme = if is(2) { Scheme::Https } else { Scheme::Http };
            environ.server_port = is(4).then_some(1);
            assert!(!is(8) || environ.path_mut().mount("/shop"));
            if number == 5 {
                environ.set(&"DEPLOY".into(), b"test".as_slice());
            }
        });
        *request.method_mut() = if is(16) { Method::POST } else { Method::GET };
        *request.version_mut() = if is(32) { Version::HTTP_10 } else { Version::HTTP_11 };
        let told = Told::of(&read(call(&application, request).await.unwrap()).await);
        let host_header = if number == 127 { "one.example,other" } else { host };
        let scheme = if is(2) { "https" } else { "http" };
        let port = ["80", "443", "1", "1"][number >> 1 & 3];
        for (name, value) in [
            ("REQUEST_METHOD", if is(16) { "POST" } else { "GET" }),
            ("SERVER_PROTOCOL", if is(32) { "HTTP/1.0" } else { "HTTP/1.1" }),
            ("SCRIPT_NAME", if is(8) { "/shop" } else { "" }),
            ("PATH_INFO", if is(8) { "/a" } else { "/shop/a" }),
            ("SERVER_NAME", host),
            ("SERVER_PORT", port),
            ("SERVER_SOFTWARE", ["test/0", "test/1"][number & 1]),
            ("HTTP_HOST", host_header),
            ("REQUEST_SCHEME", scheme),
            ("wsgi.url_scheme", scheme),
            ("DEPLOY", if number == 5 { "test" } else { "live" }),
        ] {
            assert_eq!(told.get(name), Some(value), "{name} of {number}");
        }
        assert_eq!(told.get("HTTPS").is_some(), is(2), "HTTPS of {number}");
        assert_eq!(told.get("LEFT"), None, "what the one before has left, in {number}");
    }
}

#[tokio::test]
async fn nothing_of_the_last_request_of_its_kind_is_left_in_an_environ() {
    let settings = Settings { threads: 1, ..settings("environs:changes") };
    let application = tower_wsgi::Application::load(settings).unwrap();
    let server = Arc::new(Server::default());
    let long = format!("/{}", "x".repeat(1000));
    let requests = [
        ("/a?x=1", Some("192.0.2.1"), Some(40_000)),
        ("/a?x=1", Some("192.0.2.1"), Some(40_000)),
        ("/a?x=1", Some("192.0.2.1"), Some(40_512)),
        ("/a", Some("192.0.2.2"), Some(40_000)),
        ("/caf%C3%A9", Some("192.0.2.2"), None),
        (&long, None, None),
        ("/a?y", None, Some(1)),
        (&long, Some("2001:db8::1"), Some(40_000)),
        ("/a?y", Some("2001:db8::1"), Some(40_000)),
    ];
    for (target, address, port) in requests.into_iter().chain(requests) {
        let request = request(target, &[("host", "example.com")], |environ| {
            environ.server = Arc::clone(&server);
            environ.remote_addr = address.map(|address| address.parse().unwrap());
            environ.remote_port = port;
        });
        let told = Told::of(&read(call(&application, request).await.unwrap()).await);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let port = port.map(|port: u16| port.to_string());
        for (name, value) in [
            ("PATH_INFO", Some(if path.contains('%') { "/caf\\u00c3\\u00a9" } else { path })),
            ("QUERY_STRING", Some(query)),
            ("REQUEST_URI", Some(target)),
            ("RAW_URI", Some(target)),
            ("REMOTE_ADDR", address.or(Some(""))),
            ("REMOTE_PORT", port.as_deref()),
            ("LEFT", None),
        ] {
            assert_eq!(told.get(name), value, "{name} of {target} by {address:?}, {port:?}");
        }
    }
}

#[tokio::test]
async fn one_thread_and_other_processes_are_told_truly() {
    let mut settings = settings("environs:everything");
    (settings.threads, settings.multiprocess) = (1, true);
    settings.variables = vec![("SITE".into(), "one".into())];
    let application = tower_wsgi::Application::load(settings).unwrap();
    let told = Told::of(&read(call(&application, request("/", &[], |_| {})).await.unwrap()).await);
    assert_eq!(
        (told.get("wsgi.multithread"), told.get("wsgi.multiprocess"), told.get("SITE")),
        (Some("false"), Some("true"), Some("one"))
    );
}

#[tokio::test]
async fn what_an_application_prints_reaches_the_log_with_its_request() {
    let request = request("/", &[], |environ| environ.request_id = RequestId::Given("req-prints".into()));
    call(&load("environs:logs"), request).await.unwrap();
    for words in [
        ["req-prints", "environs:logs", "half a line"],
        ["req-prints", "any text \\\\udce9 \u{20ac}", "wsgi.errors"],
        ["req-prints", "printed", "stdout"],
        ["req-prints", "without an end", "wsgi.errors"],
        ["from a thread of its own", "stdout", "-"],
    ] {
        wait_for_log(&words);
    }
}

#[tokio::test]
async fn a_line_that_does_not_end_reaches_the_log_before_it_fills_the_memory() {
    call(&load("environs:prints_a_line_without_end"), request("/", &[], |_| {})).await.unwrap();
    wait_for_log(&["environs:prints_a_line_without_end", &".".repeat(64 * 1024)]);
}
