//! Small builders around real processes.
//!
//! * [`TestGateway`]: the binary, started from YAML in a folder of its own
//! * [`Client`]: a connection that sends exactly what a test writes, malformed or not
//! * [`Nginx`], [`Apache`], [`Haproxy`]: Debian's, in front
//! * [`Dnsmasq`]: Debian's name server, beside
//! * [`Php`], [`Uwsgi`], [`Tomcat`]: Debian's php-fpm, uWSGI and Tomcat, behind
//! * [`Grpc`]: a server of gRPC behind, and a client in front
//! * [`Upstream`]: a server behind, as good or as bad as a test wants it
//! * [`Code`]: what of its code a process has in memory
//!
//! What a peer has to say is printed when its test fails.
//!
//! Nothing sleeps for a guessed time: [`eventually`] waits for a condition, with a deadline.

mod apache;
mod client;
mod dnsmasq;
mod gateway;
mod grpc;
mod haproxy;
mod memory;
mod nginx;
mod php;
mod tomcat;
mod upstream;
mod uwsgi;

pub(crate) use apache::Apache;
pub(crate) use client::{Answer, Client, get, request};
pub(crate) use dnsmasq::Dnsmasq;
pub(crate) use gateway::{BINARY, TestGateway, check, check_with, kill};
pub(crate) use grpc::{Grpc, grpc_calls};
pub(crate) use haproxy::Haproxy;
pub(crate) use memory::{Code, anonymous};
pub(crate) use nginx::Nginx;
pub(crate) use php::{Php, PhpListens};
pub(crate) use tomcat::Tomcat;
pub(crate) use upstream::{BlackHole, Peer, Refusing, Script, Upstream, with_length};
pub(crate) use uwsgi::{Uwsgi, UwsgiListens};

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take. Only a failing test waits for so long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Waits until `found` finds something.
///
/// # Panics
///
/// At the deadline, with `what` was waited for.
pub(crate) fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a process has ended: killed, it may still be there for a moment.
pub(crate) fn eventually_ended(pid: u32) {
    eventually(&format!("process {pid} to end"), || {
        // Without a parent that waits for it, it may stay as a zombie.
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        (state.is_empty() || state.contains(") Z ")).then_some(())
    });
}

/// Waits until a GET of `/` is answered with a text: just after a reload, an old worker may still answer.
pub(crate) fn eventually_says(address: &str, text: &str) {
    eventually(&format!("`{text}` from {address}"), || (get(address, "/").text() == text).then_some(()));
}
