//! The host that was asked for, without its port: `host: "*.example.com"`.

use http_environ::View;
use vestibule_config::Kind;

use super::{Captures, Predicate};
use crate::route::{Value, host};

pub(super) static KIND: Kind = Kind {
    name: "host",
    summary: "the host that was asked for, in either case, without its port and a last dot",
    example: "host: \"*.example.com\"",
    read: |reader| {
        let patterns = reader.whole();
        super::settings(Host(Value::read_lowercase(reader, &patterns)))
    },
    sets: super::captures,
};

struct Host(Value);

impl Predicate for Host {
    fn holds(&self, view: &View<'_>, captures: &mut Captures) -> bool {
        self.0.matches(Some(host(view).as_bytes()), captures)
    }

    fn hosts(&self) -> Option<Vec<&str>> {
        self.0.only_exact()?.iter().map(|host| std::str::from_utf8(host).ok()).collect()
    }

    fn captures(&self) -> Vec<String> {
        self.0.captures().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::route::predicate::testing::holds;

    #[test]
    fn hosts_match_without_port_and_in_either_case() {
        for (pattern, host, expected) in [
            ("Example.com", "example.COM:8000", true),
            ("example.com", "www.example.com", false),
            ("'*.example.com'", "WWW.example.com", true),
            ("'~^(a|b)\\.example$'", "A.example", true),
            ("[a, b]", "b", true),
            ("'[::1]'", "[::1]:80", true),
            ("example.com", "example.com.:80", true),
            ("'*.example.com'", "www.example.com.", true),
            ("example.com", "example.com..", false),
        ] {
            assert_eq!(
                holds(&format!("host: {pattern}"), "/", &[("host", host)]),
                expected,
                "{pattern} {host}"
            );
        }
    }
}
