//! What a container is told of a request before its body.

use ajp::request::{Attribute, Line, put_head};
use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_environ::answer::is_hop_by_hop;
use http_environ::{Scheme, Variable, View};
use vestibule_config::{Diagnostic, Spanned};

use super::path::{Parameters, path};
use crate::backend::upstream::failure::{Failure, Unsendable};

/// What every request tells a container.
pub(super) struct Told {
    secret: Option<String>,
    /// Names of attributes, and the variables that they have the values of.
    attributes: Vec<(String, Variable)>,
    parameters: Parameters,
    packet_bytes: usize,
}

impl Told {
    pub(super) fn new(
        secret: Option<&str>,
        attributes: &[Spanned<String>],
        parameters: Parameters,
        packet_bytes: usize,
    ) -> Result<Self, Diagnostic> {
        let variable = |name: &Spanned<String>| match name.parse() {
            Ok(variable) => Ok((name.value.clone(), variable)),
            Err(_) => Err(Diagnostic::error(format!("`{}` is no variable", **name)).at(&name.place)),
        };
        let attributes = attributes.iter().map(variable).collect::<Result<_, _>>()?;
        Ok(Self { secret: secret.map(str::to_owned), attributes, parameters, packet_bytes })
    }

    /// The size of packets.
    pub(super) fn packet_bytes(&self) -> usize {
        self.packet_bytes
    }

    /// The packet of a request, whose headers are prepared.
    pub(super) fn head(&self, view: &View<'_>) -> Result<BytesMut, Failure> {
        let path = path(view, self.parameters)?;
        let remote_addr = view.environ().remote_addr.map_or_else(String::new, |addr| addr.to_string());
        let (server_name, server_port) = view.server();
        let protocol = view.get(&Variable::ServerProtocol).unwrap_or_default();
        let line = Line {
            method: view.method(),
            protocol: &String::from_utf8_lossy(&protocol),
            path: &path,
            remote_addr: &remote_addr,
            server_name,
            server_port,
            is_ssl: view.environ().scheme == Scheme::Https,
        };
        let mut out = BytesMut::with_capacity(2 << 10);
        put_head(&mut out, &line, view.headers(), |add| self.attributes(view, add), self.packet_bytes)
            .map_err(Unsendable::Packet)?;
        Ok(out)
    }

    fn attributes<'a>(&self, view: &View<'a>, add: &mut dyn FnMut(Attribute<'_>)) {
        let variable = |name: &str| view.environ().variable(name);
        if let Some(secret) = &self.secret {
            add(Attribute::Secret(secret.as_bytes()));
        }
        if !view.query().is_empty() {
            add(Attribute::QueryString(view.query().as_bytes()));
        }
        let mut tell = |name: &str, attribute: fn(&'a [u8]) -> Attribute<'a>| {
            if let Some(value) = variable(name) {
                add(attribute(value));
            }
        };
        tell("REMOTE_USER", Attribute::RemoteUser);
        tell("AUTH_TYPE", Attribute::AuthType);
        tell("SSL_CLIENT_CERT", Attribute::SslCert);
        tell("SSL_CIPHER", Attribute::SslCipher);
        tell("SSL_SESSION_ID", Attribute::SslSession);
        let bits =
            variable("SSL_CIPHER_USEKEYSIZE").and_then(|bits| std::str::from_utf8(bits).ok()?.parse().ok());
        if let Some(bits) = bits {
            add(Attribute::SslKeySize(bits));
        }
        // Tomcat knows these names without being told to.
        if let Some(port) = view.environ().remote_port {
            add(Attribute::Named("AJP_REMOTE_PORT", port.to_string().as_bytes()));
        }
        if let Some(protocol) = variable("SSL_PROTOCOL") {
            add(Attribute::Named("AJP_SSL_PROTOCOL", protocol));
        }
        for (name, variable) in &self.attributes {
            if let Some(value) = view.get(variable) {
                add(Attribute::Named(name, &value));
            }
        }
    }
}

/// Leaves the headers that are for the container: what the client's `Connection` names, the front has removed. A body of unknown
/// length is announced as one that comes in chunks.
pub(super) fn prepare(headers: &mut HeaderMap, length: Option<u64>) {
    let of_connection = |name: &&HeaderName| is_hop_by_hop(name.as_str()) || **name == EXPECT;
    let removed: Vec<_> = headers.keys().filter(of_connection).cloned().collect();
    for name in removed {
        headers.remove(name);
    }
    match length {
        Some(0) if !headers.contains_key(CONTENT_LENGTH) => {}
        Some(length) => drop(headers.insert(CONTENT_LENGTH, HeaderValue::from(length))),
        None => {
            headers.remove(CONTENT_LENGTH);
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}
