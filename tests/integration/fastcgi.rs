//! The `fastcgi` backend: php-fpm, a program of libfcgi's, and applications that speak nonsense.

mod failing;
mod libfcgi;
mod local_redirects;
mod php;

use crate::harness::TestGateway;

pub(crate) use libfcgi::Responder;

/// The scripts.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/php");

/// A gateway before an application, with further settings of the backend.
fn before(address: &str, settings: &str) -> TestGateway {
    TestGateway::from_yaml(&format!(
        "layers: [ access_log ]\nroutes: [ {{ fastcgi: {{ address: \"{address}\", {settings} }} }} ]"
    ))
}
