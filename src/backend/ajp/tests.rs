//! The settings as a user writes them, and what a container is told.

use std::path::Path;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};
use http_environ::Environ;

use super::*;
use crate::backend::from_yaml;
use crate::backend::upstream::failure::Unsendable;

fn read(yaml: &str) -> Result<Checked, String> {
    from_yaml::settings(&KIND, yaml, Path::new("/srv"))
}

#[test]
fn defaults_are_applied() {
    let read = read("{ address: \"unix:tomcat.sock\" }").unwrap();
    let settings: &Settings = read.get();
    let Some(Target::Address(address)) = &settings.target else { panic!("an address is given") };
    assert_eq!(address.to_string(), "unix:/srv/tomcat.sock");
    assert_eq!((settings.packet_bytes, settings.idle_connections), (8192, 64));
    assert_eq!((settings.timeout, settings.idle_timeout), (Duration::from_secs(60), Duration::from_secs(30)));
}

#[test]
fn every_mistake_is_told() {
    let mistakes = read("{ adress: x, packet_bytes: 4KiB, timeout: 0s }").map(drop).unwrap_err();
    for told in [
        "unknown key `adress`",
        "`address` is missing",
        "`packet_bytes` must be between 8KiB and 64KiB",
        "`timeout` must be longer than 0",
    ] {
        assert!(mistakes.contains(told), "{told}: {mistakes}");
    }
    assert!(read("{ address: \"a:1\", packet_bytes: 65KiB }").is_err());
    assert!(read("{ address: \"a:1\", packet_bytes: 64KiB }").is_ok());
}

fn told(path: &str, mount: &str) -> Result<String, Failure> {
    told_with(Parameters::All, path, mount)
}

fn told_with(parameters: Parameters, path: &str, mount: &str) -> Result<String, Failure> {
    let told = Told::new(Some("shared"), &[], parameters, packet::LEAST).unwrap();
    let mut request = http::Request::get(path).body(()).unwrap();
    let mut environ = Environ::for_target(request.uri()).unwrap();
    environ.path_mut().mount(mount);
    request.extensions_mut().insert(environ);
    told.head(&View::of(&request)).map(|head| head.escape_ascii().to_string())
}

#[test]
fn a_container_is_told_the_path_as_it_was_sent_with_its_mount() {
    let head = told("/shop/a%20b;jsessionid=1/c?d=%20", "/shop").unwrap();
    for text in ["/shop/a%20b;jsessionid=1/c\\x00", "\\x05\\x00\\x05d=%20\\x00", "\\x0c\\x00\\x06shared\\x00"]
    {
        assert!(head.contains(text), "{text}: {head}");
    }
}

#[test]
fn no_segment_becomes_dots_without_its_parameters() {
    for path in ["/a/..;/b", "/a/..;x=1/b", "/.;/b", "/%2e%2e;/b", "/a/..;", "/a/..%3B/b"] {
        assert!(matches!(told(path, "/"), Err(Failure::Unsendable(Unsendable::Dots))), "{path}");
    }
    for path in ["/a/...;/b", "/a;../b", "/a;/b", "/;a/b"] {
        assert!(told(path, "/").is_ok(), "{path}");
    }
}

#[test]
fn a_path_has_the_parameters_that_are_permitted() {
    let refused = |parameters, path| match told_with(parameters, path, "/shop") {
        Err(Failure::Unsendable(Unsendable::Parameters)) => true,
        told => told.map(|_| false).unwrap(),
    };
    for (path, is_session) in [
        ("/shop/a;jsessionid=1", true),
        ("/shop/;jsessionid=1.node", true),
        ("/shop;jsessionid=1", true),
        ("/shop;x/a", false),
        ("/shop/admin;x/a", false),
        ("/shop/admin;/a", false),
        ("/shop/admin;jsessionid=1/a", false),
        ("/shop/admin;jsessionid=1/", false),
        ("/shop/admin;x", false),
        ("/shop/admin;x;jsessionid=1", false),
        ("/shop/admin;jsessionid=1;x", false),
    ] {
        assert!(!refused(Parameters::All, path) && refused(Parameters::None, path), "{path}");
        assert_eq!(refused(Parameters::Session, path), !is_session, "{path}");
    }
    assert!(!refused(Parameters::None, "/shop/a"));
}

#[test]
fn headers_of_the_connection_stay_behind_and_a_length_is_told() {
    let headers = || {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
        headers.insert("x-end", HeaderValue::from_static("2"));
        headers
    };
    for (length, name, value) in [
        (Some(3), CONTENT_LENGTH, Some("3")),
        (None, TRANSFER_ENCODING, Some("chunked")),
        (Some(0), CONTENT_LENGTH, None),
    ] {
        let mut headers = headers();
        head::prepare(&mut headers, length);
        assert_eq!(headers.get(name).map(|value| value.to_str().unwrap()), value);
        assert_eq!((headers.get("x-end").is_some(), headers.len()), (true, 1 + usize::from(value.is_some())));
    }
}
