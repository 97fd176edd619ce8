//! Failures: each has one answer and one line of log, with the same number; the client learns the code, never the reason.

use crate::harness::{Answer, Refusing, TestGateway, Upstream, get};

/// A gateway on which much can fail. The number of each request is its own.
fn fragile() -> (TestGateway, Refusing, Upstream) {
    let refusing = Refusing::new();
    let silent = Upstream::always(|peer| {
        peer.is_closed();
    });
    let yaml = format!(
        "layers: [ access_log, request_id ]
routes:
  - {{ path: /refused, http: {{ servers: \"{}\" }} }}
  - {{ path: /silent, http: {{ servers: \"{}\", timeout: 50ms }} }}
  - {{ path: /slow, layers: [ {{ timeout: {{ after: 50ms }} }} ], http: {{ servers: \"{1}\" }} }}
  - {{ path: /large, layers: [ {{ body_limit: {{ max: 1 }} }} ], respond: {{ text: x }} }}
  - {{ path: /coded, layers: [ decompress ], respond: {{ text: x }} }}
  - {{ path: /closed, layers: [ {{ allow: {{ from: 192.0.2.1 }} }} ], respond: {{ text: x }} }}
  - {{ path: /staff, layers: [ {{ basic_auth: {{ users: {{ ann: \"{HASH}\" }} }} }} ], respond: {{ text: x }} }}
  - {{ path: \"/rewritten/{{*rest}}\", layers: [ {{ rewrite: {{ match: \"^/rewritten/(?<rest>.*)$\", to: \"/x%2F.{{rest}}\" }} }} ], respond: {{ text: x }} }}
  - {{ mount: /files, static: {{ root: www }} }}",
        refusing.address(),
        silent.address(),
    );
    (TestGateway::with_files(&yaml, &[("www/a.txt", "letters")]), refusing, silent)
}

const HASH: &str = "$2y$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy";

/// The number of the request, where the answer tells nothing else but its status and its code.
fn number_of(answer: &Answer, code: &str) -> String {
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let text = answer.text();
    let [first, second] = text.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {text}") };
    assert!(first.starts_with(&answer.status.to_string()), "{text}");
    let number = second.strip_prefix(&format!("{code} request ")).unwrap_or_else(|| panic!("{code}: {text}"));
    number.to_owned()
}

#[test]
fn every_failure_has_its_status_its_code_and_its_line() {
    let (gateway, _refusing, _silent) = fragile();
    for (line, header, status, code, reason) in [
        ("GET /rewritten/.", "", 400, "V-BAD-REQUEST", "layer rewrite"),
        ("GET /staff", "", 401, "V-UNAUTHORIZED", "layer basic_auth"),
        ("GET /closed", "", 403, "V-FORBIDDEN", "layer allow"),
        ("GET /nowhere", "", 404, "V-NO-ROUTE", "no route"),
        ("GET /files/nothing", "", 404, "V-NOT-FOUND", ""),
        ("DELETE /files/a.txt", "", 405, "V-METHOD", ""),
        ("POST /large", "Content-Length: 2", 413, "V-TOO-LARGE", "layer body_limit"),
        ("POST /coded", "Content-Encoding: x", 415, "V-MEDIA-TYPE", "layer decompress"),
        ("GET /files/a.txt", "Range: bytes=9-", 416, "V-RANGE", ""),
        ("GET /refused", "", 502, "V-UPSTREAM", "refused"),
        ("GET /silent", "", 504, "V-TOO-SLOW", "nothing came for 50ms"),
        ("GET /slow", "", 504, "V-TOO-SLOW", "layer timeout"),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        let mut client = gateway.connect();
        let headers: &[&str] = if header.is_empty() { &[] } else { &[header] };
        let answer = client.request(method, path, headers, "").unwrap();
        assert_eq!(answer.status, status, "{line}");
        let number = number_of(&answer, code);
        assert_eq!(answer.header("x-request-id"), Some(&*number), "{line}");
        let logged = format!("\"status\":{status}");
        gateway.log().wait_for_texts(&[code, &number, &logged, reason]);
        gateway.log().wait_for_texts(&["duration_ms", path, &number, &logged]);
    }
}

#[test]
fn what_an_application_does_not_answer_is_told_with_its_name() {
    let refusing = Refusing::new();
    let address = refusing.address();
    let apps = [
        ("api", format!("http: {{ servers: \"{address}\" }}")),
        ("grpc", format!("http: {{ servers: \"{address}\", http2: true }}")),
        ("wiki", format!("fastcgi: {{ address: \"{address}\" }}")),
        ("search", format!("scgi: {{ address: \"{address}\" }}")),
        ("shop", format!("uwsgi: {{ address: \"{address}\" }}")),
        ("store", format!("ajp: {{ address: \"{address}\" }}")),
        ("forms", "cgi: { root: forms, interpreters: { .sh: /bin/sh } }".to_owned()),
    ];
    let named = apps.each_ref().map(|(name, backend)| format!("  {name}: {{ {backend} }}\n")).concat();
    let routes = apps.each_ref().map(|(name, _)| format!("  - {{ mount: /{name}, app: {name} }}\n")).concat();
    let gateway =
        TestGateway::with_files(&format!("apps:\n{named}routes:\n{routes}"), &[("forms/a.sh", "exit 1")]);
    for (name, _) in apps {
        assert_eq!(get(&gateway.address(), &format!("/{name}/a.sh")).status, 502, "{name}");
        let what = if name == "forms" { "run a program of" } else { "forward to" };
        gateway.log().wait_for_texts(&["V-UPSTREAM", &format!("failed to {what} {name}: ")]);
    }
}

#[test]
fn a_failure_before_the_layers_has_a_number_of_its_own() {
    let gateway = TestGateway::from_yaml("routes: [ { respond: { text: hello } } ]");
    let numbers = ["/%zz", "/a/..%2Fb"].map(|path| {
        let answer = get(&gateway.address(), path);
        assert_eq!(answer.status, 400);
        let number = number_of(&answer, "V-BAD-REQUEST");
        gateway.log().wait_for_texts(&["V-BAD-REQUEST", &number]);
        number
    });
    assert_ne!(numbers[0], numbers[1]);
}

#[test]
fn the_document_has_every_code() {
    use vestibule::rescue::Cause;
    let text = include_str!("../../docs/log.md");
    for (code, status) in Cause::ALL.map(Cause::row) {
        let row = format!("| `{code}` | {} |", status.as_u16());
        assert!(text.contains(&row), "{row} is missing in docs/log.md");
    }
}

#[test]
fn the_document_has_every_field_of_a_request() {
    let (gateway, ..) = fragile();
    get(&gateway.address(), "/files/a.txt?x=1");
    let line = gateway.log().wait_for_text("\"path\":\"/files/a.txt\"");
    let (_, fields) = line.split_once("\"method\"").expect("a request has one");
    let names = format!("\"method\"{fields}");
    for name in
        names.split(',').filter_map(|field| field.split_once("\":")).map(|(name, _)| name.trim_matches('"'))
    {
        assert!(include_str!("../../docs/log.md").contains(&format!("`{name}`")), "{name} of {line}");
    }
}
