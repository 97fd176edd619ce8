//! HTTP/2 from the front and to upstreams: gRPC, nginx's `grpc_pass`, curl.

mod front;
mod health;

use crate::harness::{Grpc, Nginx, TestGateway, grpc_calls};

/// A gateway in front of a server of gRPC, listening so.
fn before(server: &Grpc, listen: &str) -> TestGateway {
    TestGateway::from_yaml(&format!(
        "listen: {listen}
layers: [ access_log, {{ response_headers: {{ set: {{ X-Layer: passed }} }} }} ]
routes: [ {{ http: {{ servers: [\"{}\"], http2: true }} }} ]",
        server.address()
    ))
}

#[test]
fn calls_of_all_kinds_pass() {
    let server = Grpc::start();
    for listen in ["\"127.0.0.1:0\"", "{ address: \"127.0.0.1:0\", protocol: h2c }"] {
        grpc_calls(&before(&server, listen).address());
    }
}

#[test]
fn calls_of_all_kinds_pass_behind_nginx() {
    let server = Grpc::start();
    let gateway = before(&server, "\"127.0.0.1:0\"");
    let nginx = Nginx::with_site(|listen| {
        format!(
            "server {{
        listen {listen} http2;
        client_max_body_size 8m;
        location / {{ grpc_pass grpc://{}; }}
    }}",
            gateway.address()
        )
    });
    grpc_calls(&nginx.address());
}
