//! WSGI applications through the gateway: the files in `tests/apps`, with what PyPI has for them.

mod changes;
mod django;
mod doctor;
mod failures;
mod files;
mod flask;
mod frameworks;
mod imports;
mod interpreters;
pub(crate) mod isolation;
mod lxml;
mod numpy;
mod other_user;
mod processes;
mod side_by_side;
mod streaming;
mod stuck;
mod times;
mod uploads;
mod validate;
mod virtualenvs;

use std::env;
use std::path::Path;

use crate::harness::{Answer, Client, TestGateway};

/// The applications under test.
const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps");

/// The virtualenv with `tests/requirements.txt`.
pub(crate) fn venv() -> String {
    env::var("VESTIBULE_TEST_VENV").expect("VESTIBULE_TEST_VENV is not set: start tests/run")
}

/// The versions of Python that `tests/run` has found, such as 3.10; it names the others itself. By hand, none is promised.
fn promised() -> Vec<String> {
    let minors = env::var("VESTIBULE_TEST_MINORS").unwrap_or_default();
    minors.split(':').filter(|minor| !minor.is_empty()).map(str::to_owned).collect()
}

fn start(yaml: &str) -> TestGateway {
    start_with(yaml, &[], &[])
}

/// Starts a gateway with the virtualenv; `${APPS}` in the YAML is the folder of the applications.
pub(crate) fn start_with(yaml: &str, files: &[(&str, &str)], variables: &[(&str, &Path)]) -> TestGateway {
    let venv = venv();
    let mut all = vec![
        ("APPS", Path::new(APPS)),
        ("VENV", Path::new(&venv)),
        ("PYTHONDONTWRITEBYTECODE", Path::new("1")),
    ];
    all.extend(variables);
    TestGateway::with_environment(&format!("python: \"${{VENV}}\"\n{yaml}"), files, &all)
}

/// The YAML of one application in `tests/apps`, mounted at `/`.
fn only(app: &str) -> String {
    format!("routes: [ {{ wsgi: {{ app: \"{app}\", path: \"${{APPS}}\" }} }} ]")
}

/// Sends a request with a body of any bytes.
fn send(client: &mut Client, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n");
    for header in headers {
        request.extend([header, "\r\n"]);
    }
    if !headers.iter().any(|header| header.starts_with("Transfer-Encoding")) {
        request.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
    }
    client.send(request + "\r\n").expect("the head is taken");
    client.send(body).expect("the body is taken");
    client.answer().expect("an answer")
}

/// A body as one field and one file of a form, with the header that says so.
fn multipart(field: (&str, &str), file: (&str, &str), content: &[u8]) -> (&'static str, Vec<u8>) {
    let mut body = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n--edge\r\n\
         Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n",
        field.0, field.1, file.0, file.1
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    ("Content-Type: multipart/form-data; boundary=edge", body)
}

/// A body in chunks of `size`.
fn chunked(content: &[u8], size: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in content.chunks(size) {
        body.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

/// So many bytes, of which no two pieces are alike.
fn bytes(count: usize) -> Vec<u8> {
    (0..count)
        .map(|number| u8::try_from((number / 3 + number % 251) % 256).expect("it is below 256"))
        .collect()
}

/// The value of a `name=value` line.
fn told<'a>(text: &'a str, name: &str) -> &'a str {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name} in {text}"))
}
