//! What an upstream is told about the client. What the client says of itself was removed when its identity was found.

use std::io::Write as _;
use std::net::IpAddr;

use http::{HeaderName, HeaderValue};
use http_environ::{Environ, encode};

use super::request_head::Fields;

/// What the headers of the client's request say already.
#[derive(Default)]
pub(super) struct Forwarded<'a> {
    /// The Host that the client has asked for.
    pub(super) client_host: Option<&'a HeaderValue>,
    /// A chain that is there was believed, and the client's address is in it.
    has_for: bool,
    has_host: bool,
    has_standard: bool,
}

impl Forwarded<'_> {
    /// Notes a header that is there; whether it is not to be passed on as it is.
    pub(super) fn replaces(&mut self, name: &HeaderName) -> bool {
        match name.as_str() {
            "x-forwarded-for" => self.has_for = true,
            "x-forwarded-host" => self.has_host = true,
            "forwarded" => self.has_standard = true,
            "x-forwarded-proto" | "x-forwarded-prefix" => return true,
            _ => {}
        }
        false
    }

    /// Writes what is missing; `is_both`: in RFC 7239's words, too.
    pub(super) fn put(self, head: &mut impl Fields, environ: &Environ, is_both: bool) {
        if is_both && !self.has_standard {
            head.put("forwarded", |head| self.put_forwarded(head, environ));
        }
        head.put("x-forwarded-proto", |head| head.extend_from_slice(environ.scheme.as_str().as_bytes()));
        if let Some(client) = environ.remote_addr.filter(|_| !self.has_for) {
            head.put("x-forwarded-for", |head| put_address(head, client));
        }
        if let Some(host) = self.client_host.filter(|_| !self.has_host) {
            head.put("x-forwarded-host", |head| head.extend_from_slice(host.as_bytes()));
        }
        let (front, mounts) = (&*environ.prefix, environ.path().raw_script_name());
        // What a layer has made of the path may be no text for a header.
        let is_text = mounts.iter().all(|byte| !byte.is_ascii_control());
        if is_text && !(front.is_empty() && mounts.is_empty()) {
            head.put("x-forwarded-prefix", |head| {
                // The front server's prefix is decoded, the mounts are as they were sent.
                encode::push_decoded(head, front);
                head.extend_from_slice(&mounts);
            });
        }
    }

    fn put_forwarded(&self, head: &mut Vec<u8>, environ: &Environ) {
        head.extend_from_slice(b"for=");
        match environ.remote_addr {
            None => head.extend_from_slice(b"unknown"),
            Some(address @ IpAddr::V4(_)) => put_address(head, address),
            Some(IpAddr::V6(address)) => {
                write!(head, "\"[{address}]\"").expect("memory takes all that is written");
            }
        }
        // What is no plain host was refused: it needs no more than quotes.
        for piece in self.client_host.iter().flat_map(|host| [b";host=\"", host.as_bytes(), b"\""]) {
            head.extend_from_slice(piece);
        }
        for piece in [b";proto=", environ.scheme.as_str().as_bytes()] {
            head.extend_from_slice(piece);
        }
    }
}

/// Writes an address. That of IPv4 by hand, as it comes with every request of a client without a front server: `fmt` takes
/// eight times as long.
fn put_address(head: &mut Vec<u8>, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        write!(head, "{address}").expect("memory takes all that is written");
        return;
    };
    for (number, octet) in address.octets().into_iter().enumerate() {
        if number > 0 {
            head.push(b'.');
        }
        if octet >= 100 {
            head.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            head.push(b'0' + octet / 10 % 10);
        }
        head.push(b'0' + octet % 10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_the_standard_library_does() {
        for text in ["0.0.0.0", "1.22.133.4", "9.10.99.100", "192.0.2.7", "255.255.255.255", "2001:db8::1"] {
            let mut head = Vec::new();
            put_address(&mut head, text.parse().unwrap());
            assert_eq!(head, text.as_bytes());
        }
    }
}
