//! Front servers that speak for their clients: uwsgi, SCGI and FastCGI, the PROXY protocol, and the sockets of systemd.

mod malformed;
mod nginx;
mod proxy_protocol;
pub(crate) mod speaking;
mod systemd;

use crate::harness::TestGateway;

/// The protocols that speak for clients.
pub(crate) const PROTOCOLS: [&str; 3] = ["uwsgi", "scgi", "fastcgi"];

/// A gateway that listens for a protocol on a unix socket and on a port, and then by HTTP. The addresses are those of the log.
fn listening(protocol: &str, yaml: &str, files: &[(&str, &str)]) -> TestGateway {
    listening_to("peers: [unix, 127.0.0.1]", protocol, yaml, files)
}

/// The same with what is trusted.
fn listening_to(trust: &str, protocol: &str, yaml: &str, files: &[(&str, &str)]) -> TestGateway {
    let yaml = format!(
        "listen:
  - {{ address: \"unix:front.sock\", protocol: {protocol} }}
  - {{ address: \"127.0.0.1:0\", protocol: {protocol} }}
  - \"127.0.0.1:0\"
trust: {{ {trust} }}
{yaml}"
    );
    TestGateway::with_files(&yaml, files)
}
