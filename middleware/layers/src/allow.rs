//! Lets clients in by their address; the others get 403.
//!
//! ```yaml
//! layers: [ { allow: { from: [10.0.0.0/8, "2001:db8::/32", unix], except: 10.6.6.6 } } ]
//! ```
//!
//! The address is the real client's: what the trusted front servers say (`trust`) is known before any layer. `unix` stands
//! for clients of which no address is known: those of a unix socket whose front server says nothing.
//!
//! Place it outside of everything that costs, and inside of `access_log`, which then sees the 403.

use std::net::IpAddr;
use std::str::FromStr;

use http_environ::View;
use vestibule_config::{
    Diagnostic, Kind, Network, NetworkError, Patterns, Reader, Settings as Checked, sets_nothing,
};

use crate::{BoxLayer, Cause, LayerKind, rescue};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "allow",
        summary: "lets clients in by their address; the others get 403",
        example: "allow: { from: [10.0.0.0/8, unix] }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings| build(settings.get()),
};

#[derive(Clone)]
struct Settings {
    /// Who is let in: addresses, networks in CIDR notation, `unix`.
    from: Vec<Client>,
    /// Who of them is not.
    except: Vec<Client>,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let from: Patterns = reader.required("from");
        let except: Patterns = reader.optional("except").unwrap_or_default();
        Self { from: clients(reader, from), except: clients(reader, except) }
    }

    fn lets_in(&self, address: Option<IpAddr>) -> bool {
        let among = |clients: &[Client]| clients.iter().any(|client| client.is(address));
        among(&self.from) && !among(&self.except)
    }
}

fn clients(reader: &mut Reader<'_>, texts: Patterns) -> Vec<Client> {
    texts.0.iter().filter_map(|text| reader.parse(text)).collect()
}

fn build(settings: &Settings) -> Result<BoxLayer, Diagnostic> {
    let settings = std::sync::Arc::new(settings.clone());
    Ok(BoxLayer::from_fn(move |request, inner| {
        let view = View::of(&request);
        let environ = view.environ();
        if settings.lets_in(environ.remote_addr) {
            return inner.answer(request);
        }
        let answer = rescue(&environ.request_id, Cause::Forbidden, &NotAllowed(environ.remote_addr));
        Box::pin(std::future::ready(answer))
    }))
}

#[derive(Clone, Copy)]
enum Client {
    Unix,
    Net(Network),
}

impl Client {
    fn is(self, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::Unix, None) => true,
            (Self::Net(network), Some(address)) => network.contains(address),
            _ => false,
        }
    }
}

impl FromStr for Client {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if text == "unix" { Ok(Self::Unix) } else { text.parse().map(Self::Net) }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("client {} is not allowed (layer allow)", .0.map_or("of a unix socket".to_owned(), |address| address.to_string()))]
struct NotAllowed(Option<IpAddr>);

#[cfg(test)]
mod tests {
    use crate::Response;
    use crate::testing::{around, get};
    use http_environ::Environ;

    async fn status(settings: &str, client: Option<&str>) -> u16 {
        let service = around(&format!("allow: {settings}"), async |_| Response::default());
        let mut request = get("/");
        request.extensions_mut().get_mut::<Environ>().unwrap().remote_addr =
            client.map(|address| address.parse().unwrap());
        service.answer(request).await.status().as_u16()
    }

    #[tokio::test]
    async fn clients_of_the_networks_are_let_in() {
        let settings = "{ from: [10.0.0.0/8, \"2001:db8::/32\"], except: 10.6.6.6 }";
        for (client, expected) in [
            (Some("10.1.2.3"), 200),
            (Some("::ffff:10.1.2.3"), 200),
            (Some("2001:db8::1"), 200),
            (Some("10.6.6.6"), 403),
            (Some("11.0.0.1"), 403),
            (None, 403),
        ] {
            assert_eq!(status(settings, client).await, expected, "{client:?}");
        }
    }

    #[tokio::test]
    async fn a_client_without_an_address_is_a_unix_socket() {
        assert_eq!(status("{ from: unix }", None).await, 200);
        assert_eq!(status("{ from: unix }", Some("127.0.0.1")).await, 403);
    }

    #[test]
    fn wrong_networks_are_told_all_at_once() {
        let mistakes =
            crate::testing::mistakes("allow: { from: [10.0.0.1/8, localhost], except: [\"::/200\"] }");
        for part in ["the network is 10.0.0.0/8", "`localhost` is not understood", "from 0 to 128"] {
            assert!(mistakes.contains(part), "{part} in {mistakes}");
        }
        assert!(crate::testing::mistakes("allow: { from: [] }").contains("an empty list"));
    }
}
