//! The client's address, behind the proxies that are trusted: `client: [10.0.0.0/8, "::1"]`.

use http_environ::View;
use vestibule_config::{Kind, Network, Patterns};

use super::{Captures, Predicate};

pub(super) static KIND: Kind = Kind {
    name: "client",
    summary: "the client's address, as a network",
    example: "client: [10.0.0.0/8, \"::1\"]",
    read: |reader| {
        let texts: Patterns = reader.whole();
        super::settings(Client(texts.0.iter().filter_map(|text| reader.parse(text)).collect()))
    },
    sets: super::captures,
};

struct Client(Vec<Network>);

impl Predicate for Client {
    fn holds(&self, view: &View<'_>, _: &mut Captures) -> bool {
        view.environ()
            .remote_addr
            .is_some_and(|address| self.0.iter().any(|network| network.contains(address)))
    }
}

#[cfg(test)]
mod tests {
    use crate::route::predicate::testing::{holds_from, read_error};

    #[test]
    fn addresses_match_by_network() {
        assert!(holds_from("client: [192.0.2.1, 10.0.0.0/8]", Some("10.1.2.3")));
        assert!(!holds_from("client: 10.0.0.0/8", Some("11.0.0.1")));
        assert!(holds_from("client: '2001:db8::/32'", Some("2001:db8::1")));
    }

    #[test]
    fn an_unknown_client_is_in_no_network() {
        assert!(!holds_from("client: '0.0.0.0/0'", None));
    }

    #[test]
    fn what_is_no_network_is_a_mistake() {
        assert!(read_error("client: 10.0.0.0/99").contains("10.0.0.0/99"));
    }
}
