//! The `http` backend before servers that behave and servers that do not.

mod balance;
mod continuing;
mod ejected;
mod failing;
mod forwarding;
mod health;
mod names;
mod real;
mod streaming;
mod switching;

use crate::harness::TestGateway;

/// A gateway before servers, with further settings of the backend.
fn before(servers: &[&str], settings: &str) -> TestGateway {
    let servers: Vec<_> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    let backend = format!("http: {{ servers: [{}], {settings} }}", servers.join(", "));
    TestGateway::from_yaml(&format!("layers: [ access_log ]\nroutes: [ {{ {backend} }} ]"))
}

/// The same where the settings tell the servers, too.
fn forwarding(settings: &str) -> TestGateway {
    TestGateway::from_yaml(&format!("routes: [ {{ http: {{ {settings} }} }} ]"))
}
