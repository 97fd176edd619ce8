//! What the file may say.

use vestibule_config::{Source, load_source};

use crate::gateway::kinds;

fn mistakes(settings: &str) -> String {
    let yaml = format!("listen: \"127.0.0.1:0\"\nroutes: [ {{ http: {{ {settings} }} }} ]\n");
    match load_source(&Source::from_text("test.yaml", yaml), &kinds(), &|_| None) {
        Ok(_) => String::new(),
        Err(mistakes) => mistakes.to_string(),
    }
}

#[test]
fn every_setting_is_understood() {
    let all = "servers: [\"a:1\", \"unix:b.sock\"], connect_timeout: 1s, timeout: 2s, idle_timeout: 3s, \
               idle_connections: 4, header_bytes: 8KiB, host: upstream";
    assert_eq!(mistakes(all), "");
    assert_eq!(mistakes("servers: \"a:1\""), "");
}

#[test]
fn every_mistake_is_told() {
    for (settings, told) in [
        ("timeout: 1s", "`servers` is missing"),
        ("servers: []", "at least one server is needed"),
        ("servers: [\"http://a:80/\"]", "HOST:PORT or unix:PATH is expected"),
        ("servers: [\"a:99999\"]", "the port must be a number from 1 to 65535"),
        ("servers: [\"a:1\"], timeout: 0", "`timeout` must be longer than 0"),
        ("servers: [\"a:1\"], header_bytes: 1", "must be between 1KiB and 16MiB"),
        ("servers: [\"a:1\"], host: \"a\\nb\"", "is not understood"),
        ("servers: [\"a:1\"], idle: 1s", "unknown key `idle`"),
    ] {
        let mistakes = mistakes(settings);
        assert!(mistakes.contains(told), "{settings}: {mistakes}");
    }
}
