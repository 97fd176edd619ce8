//! Routes: which one a request takes, and what it brings along.

mod paths;
mod predicates;
mod tree;

use crate::harness::{Answer, TestGateway};

/// Sends a request with further headers.
fn asked(gateway: &TestGateway, line: &str, headers: &[&str]) -> Answer {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    gateway.connect().request(method, target, headers, "").expect("an answer")
}
