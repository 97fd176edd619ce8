//! The `uwsgi` and `scgi` backends: a real uWSGI, which speaks both, and applications that speak nonsense.

mod failing;
mod real;

use crate::harness::TestGateway;

/// Both protocols, by the names of their backends.
const PROTOCOLS: [&str; 2] = ["uwsgi", "scgi"];

/// A gateway before an application, with further settings of the backend.
fn before(protocol: &str, address: &str, settings: &str) -> TestGateway {
    TestGateway::from_yaml(&format!(
        "layers: [ access_log ]\nroutes: [ {{ {protocol}: {{ address: \"{address}\", {settings} }} }} ]"
    ))
}
