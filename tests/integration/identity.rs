//! Who asks, behind the front servers that people use: what they say is believed as far as `trust` goes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Answer, Apache, Client, Nginx, TestGateway};

/// A gateway on a unix socket that shows what it believes. Everybody may connect: front servers have users of their own.
fn believing(trust: &str) -> TestGateway {
    let open = Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().permissions(open).tempdir().unwrap();
    let yaml = format!(
        "listen: {{ address: \"unix:http.sock\", mode: \"0666\" }}
{trust}
routes:
  - layers:
      - response_headers:
          set:
            X-Client: \"[{{REMOTE_ADDR}}]\"
            X-Scheme: \"{{REQUEST_SCHEME}} {{HTTPS}} {{SERVER_PORT}}\"
            X-Host: \"{{HTTP_HOST}} {{SERVER_NAME}}\"
            X-Mount: \"[{{SCRIPT_NAME}}]\"
            X-Told: \"{{HTTP_X_FORWARDED_FOR}}|{{HTTP_FORWARDED}}|{{HTTP_X_FORWARDED_HOST}}|{{HTTP_X_FORWARDED_PORT}}|{{HTTP_X_FORWARDED_PREFIX}}|{{HTTP_X_REAL_IP}}\"
    respond: {{ text: hello }}"
    );
    TestGateway::in_folder(folder, &yaml, &[])
}

const UNIX: &str = "trust: { peers: [unix], headers: [for, proto] }";

/// What a client may make up.
const MADE_UP: [&str; 7] = [
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Port: 666",
    "X-Forwarded-Prefix: /evil",
    "Forwarded: for=6.6.6.6;proto=https;host=evil.example",
    "X-Real-IP: 6.6.6.6",
];

/// nginx before the gateway. Clients tell it their address by the PROXY protocol, as a balancer does.
fn nginx(gateway: &TestGateway, headers: &str) -> Nginx {
    let upstream = gateway.path("http.sock");
    Nginx::with_site(|front| {
        format!(
            "server {{
    listen {front} proxy_protocol;
    set_real_ip_from unix:;
    real_ip_header proxy_protocol;
    location / {{
        proxy_pass http://unix:{}:;
        proxy_set_header Host $http_host;
        {headers}
    }}
}}",
            upstream.display()
        )
    })
}

/// A request of 192.0.2.1 through nginx.
fn asked(nginx: &Nginx, headers: &[&str]) -> Answer {
    let mut client = Client::connect(&nginx.address()).unwrap();
    client.send("PROXY TCP4 192.0.2.1 192.0.2.80 40000 80\r\n").unwrap();
    client.request("GET", "/", headers, "").unwrap()
}

fn shows(answer: &Answer, name: &str) -> String {
    answer.header(name).unwrap_or_else(|| panic!("no {name} in {answer:?}")).into()
}

#[test]
fn nginx_says_who_asks() {
    let gateway = believing(UNIX);
    let nginx = nginx(
        &gateway,
        "proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto https;",
    );
    let answer = asked(&nginx, &[]);
    assert_eq!(shows(&answer, "x-client"), "[192.0.2.1]");
    assert_eq!(shows(&answer, "x-scheme"), "https on 443");
    assert_eq!(shows(&answer, "x-host"), "test test");
    assert_eq!(shows(&answer, "x-told"), "192.0.2.1|||||");
}

#[test]
fn what_a_client_makes_up_is_gone_behind_nginx() {
    let gateway = believing(UNIX);
    let nginx = nginx(
        &gateway,
        "proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;",
    );
    let answer = asked(&nginx, &MADE_UP);
    assert_eq!(shows(&answer, "x-client"), "[192.0.2.1]");
    assert_eq!(shows(&answer, "x-scheme"), "http  80");
    assert_eq!(shows(&answer, "x-host"), "test test");
    assert_eq!(shows(&answer, "x-mount"), "[]");
    assert_eq!(shows(&answer, "x-told"), "192.0.2.1|||||192.0.2.1");
}

#[test]
fn a_chain_is_believed_from_its_trusted_end() {
    let gateway = believing(UNIX);
    let nginx = nginx(&gateway, "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;");
    let answer = asked(&nginx, &["X-Forwarded-For: 6.6.6.6, 7.7.7.7"]);
    assert_eq!(shows(&answer, "x-client"), "[192.0.2.1]");
    assert!(shows(&answer, "x-told").starts_with("192.0.2.1|"));
}

#[test]
fn trusted_proxies_in_the_chain_are_passed_over() {
    let gateway = believing("trust: { peers: [unix, 192.0.2.0/24], headers: [for] }");
    let nginx = nginx(&gateway, "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;");
    let answer = asked(&nginx, &["X-Forwarded-For: 6.6.6.6, 198.51.100.7"]);
    assert_eq!(shows(&answer, "x-client"), "[198.51.100.7]");
}

#[test]
fn host_port_and_prefix_are_believed_when_they_are_listed() {
    let gateway = believing("trust: { peers: unix, headers: [host, port, prefix] }");
    let nginx = nginx(
        &gateway,
        "proxy_set_header X-Forwarded-Host shop.example; proxy_set_header X-Forwarded-Port 8443;
         proxy_set_header X-Forwarded-Prefix /outer/;",
    );
    let answer = asked(&nginx, &[]);
    assert_eq!(shows(&answer, "x-host"), "shop.example shop.example");
    assert_eq!(shows(&answer, "x-scheme"), "http  8443");
    assert_eq!(shows(&answer, "x-mount"), "[/outer]");
    assert_eq!(shows(&answer, "x-client"), "[]");
}

#[test]
fn the_standard_header_is_believed_when_it_is_listed() {
    let gateway = believing("trust: { peers: unix, headers: [forwarded] }");
    let nginx = nginx(
        &gateway,
        "proxy_set_header Forwarded \"for=6.6.6.6, for=$remote_addr;proto=https;host=shop.example\";",
    );
    let answer = asked(&nginx, &["X-Forwarded-For: 7.7.7.7"]);
    assert_eq!(shows(&answer, "x-client"), "[192.0.2.1]");
    assert_eq!(shows(&answer, "x-scheme"), "https on 443");
    assert_eq!(shows(&answer, "x-host"), "shop.example shop.example");
}

#[test]
fn a_front_server_that_is_not_trusted_is_not_believed() {
    let gateway = believing("trust: { peers: [10.0.0.0/8], headers: [for, proto, host, port, prefix] }");
    let nginx = nginx(&gateway, "proxy_set_header X-Forwarded-For $remote_addr;");
    let answer = asked(&nginx, &MADE_UP);
    assert_eq!(shows(&answer, "x-client"), "[]");
    assert_eq!(shows(&answer, "x-told"), "|||||");
    assert_eq!(shows(&answer, "x-host"), "test test");
}

#[test]
fn apache_says_who_asks_and_what_a_client_makes_up_is_gone() {
    let gateway = believing(UNIX);
    let apache = Apache::in_front_of(&gateway.path("http.sock"));
    let mut client = Client::connect(apache.address()).unwrap();
    for headers in [&[][..], &MADE_UP] {
        let answer = client.request("GET", "/", headers, "").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
        assert_eq!(shows(&answer, "x-client"), "[127.0.0.1]");
        assert_eq!(shows(&answer, "x-scheme"), "http  80");
        assert_eq!(shows(&answer, "x-host"), "test test");
        assert_eq!(shows(&answer, "x-mount"), "[]");
        assert!(shows(&answer, "x-told").starts_with("127.0.0.1||||"));
    }
}

#[test]
fn a_client_that_comes_directly_is_who_it_is() {
    let gateway = TestGateway::from_yaml(
        "routes:
  - layers: [ { response_headers: { set: { X-Client: \"{REMOTE_ADDR} {REQUEST_SCHEME}\" } } } ]
    respond: { text: hello }",
    );
    let answer = gateway.connect().request("GET", "/", &MADE_UP, "").unwrap();
    assert_eq!(shows(&answer, "x-client"), "127.0.0.1 http");
}
