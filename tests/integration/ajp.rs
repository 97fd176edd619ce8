//! The `ajp` backend: a real Tomcat, and containers that speak nonsense.

mod failing;
mod real;

use crate::harness::TestGateway;

/// A gateway before a container, with further settings of the backend.
fn before(address: &str, settings: &str) -> TestGateway {
    TestGateway::from_yaml(&format!(
        "layers: [ access_log ]\nroutes: [ {{ ajp: {{ address: \"{address}\", {settings} }} }} ]"
    ))
}
