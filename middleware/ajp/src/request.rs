//! A web server's request: one packet of all that comes before the body, then the body, in packets that the container asks for.

use bytes::{BufMut as _, BytesMut};
use http::{HeaderMap, HeaderName, Method};

use crate::packet::{FROM_SERVER, HEAD};

/// Asks a container whether it listens; the answer is [taken](crate::answer::take_pong) before a request is sent.
pub const PING: [u8; 5] = [0x12, 0x34, 0, 1, 10];

/// The end of a body.
pub const END_OF_BODY: [u8; 4] = [0x12, 0x34, 0, 0];

/// What a packet of a body has beside the piece of it: its head and a length.
pub const OVERHEAD: usize = HEAD + 2;

const FORWARD_REQUEST: u8 = 2;

/// Methods that have a number, from 1 on.
const METHODS: [&str; 27] = [
    "OPTIONS",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "TRACE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "ACL",
    "REPORT",
    "VERSION-CONTROL",
    "CHECKIN",
    "CHECKOUT",
    "UNCHECKOUT",
    "SEARCH",
    "MKWORKSPACE",
    "UPDATE",
    "LABEL",
    "MERGE",
    "BASELINE-CONTROL",
    "MKACTIVITY",
];

/// The number of a method that has none: its name is an attribute.
const STORED: u8 = 0xFF;

/// Names of headers that have a number, from 0xA001 on.
const NAMES: [&str; 14] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "connection",
    "content-type",
    "content-length",
    "cookie",
    "cookie2",
    "host",
    "pragma",
    "referer",
    "user-agent",
];

/// The end of the attributes.
const NO_MORE: u8 = 0xFF;

/// What is told of a request beside its headers and its attributes.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The method
    pub method: &'a Method,
    /// `HTTP/1.1`
    pub protocol: &'a str,
    /// The path, as it was sent
    pub path: &'a [u8],
    /// The client's address
    pub remote_addr: &'a str,
    /// The host that was asked
    pub server_name: &'a str,
    /// The port that was asked
    pub server_port: u16,
    /// Whether the client speaks HTTPS
    pub is_ssl: bool,
}

/// An attribute that a container knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute<'a> {
    /// Who the client is
    RemoteUser(&'a [u8]),
    /// How that was found out
    AuthType(&'a [u8]),
    /// What follows the `?`
    QueryString(&'a [u8]),
    /// The certificate of the client, in PEM
    SslCert(&'a [u8]),
    /// The cipher of its connection
    SslCipher(&'a [u8]),
    /// The session of its connection
    SslSession(&'a [u8]),
    /// The length of its key, in bits
    SslKeySize(u16),
    /// What the container shares with those that may ask it
    Secret(&'a [u8]),
    /// Any other, by its name
    Named(&'a str, &'a [u8]),
}

/// Why a request fits into no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the head of the request is over {0} bytes, the size of a packet")]
pub struct TooLarge(usize);

/// Writes the packet of a request, of `most` bytes with its head. `attributes` calls the function that it is given for each.
pub fn put_head(
    out: &mut BytesMut,
    line: &Line<'_>,
    headers: &HeaderMap,
    attributes: impl FnOnce(&mut dyn FnMut(Attribute<'_>)),
    most: usize,
) -> Result<(), TooLarge> {
    let start = out.len();
    let mut packet = Packet { out, fits: true };
    packet.out.put_slice(&FROM_SERVER);
    packet.out.put_u16(0);
    packet.line(line);
    packet.headers(headers);
    if method_number(line.method) == STORED {
        packet.out.put_u8(0x0D);
        packet.string(line.method.as_str().as_bytes());
    }
    attributes(&mut |attribute| packet.attribute(attribute));
    packet.out.put_u8(NO_MORE);
    let fits = packet.fits;
    let size = out.len() - start;
    let length = u16::try_from(size - HEAD).ok().filter(|_| fits && size <= most).ok_or(TooLarge(most))?;
    out[start + 2..start + HEAD].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// The head of a packet with the next piece of the body, which the caller sends behind it. Of a piece at most `most` less
/// [`OVERHEAD`] bytes fit into a packet of `most` bytes: the second part of the answer says how many are meant.
pub fn body_head(piece: usize, most: usize) -> ([u8; OVERHEAD], usize) {
    let room = most.saturating_sub(OVERHEAD).min(usize::from(u16::MAX) - 2);
    let length = u16::try_from(piece.min(room)).unwrap_or(u16::MAX - 2);
    let ([one, two], [high, low], [upper, lower]) =
        (FROM_SERVER, (length + 2).to_be_bytes(), length.to_be_bytes());
    ([one, two, high, low, upper, lower], usize::from(length))
}

fn method_number(method: &Method) -> u8 {
    let known = METHODS.iter().position(|known| *known == method.as_str());
    known.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(STORED)
}

fn header_number(name: &HeaderName) -> Option<u16> {
    let at = NAMES.iter().position(|known| *known == name.as_str())?;
    Some(0xA001 + u16::try_from(at).ok()?)
}

/// A packet that is being written.
struct Packet<'a> {
    out: &'a mut BytesMut,
    /// Whether each string has a length that can be told.
    fits: bool,
}

impl Packet<'_> {
    fn line(&mut self, line: &Line<'_>) {
        self.out.put_u8(FORWARD_REQUEST);
        self.out.put_u8(method_number(line.method));
        self.string(line.protocol.as_bytes());
        self.string(line.path);
        self.string(line.remote_addr.as_bytes());
        // The client's name, which nobody has looked up.
        self.string(line.remote_addr.as_bytes());
        self.string(line.server_name.as_bytes());
        self.out.put_u16(line.server_port);
        self.out.put_u8(u8::from(line.is_ssl));
    }

    fn headers(&mut self, headers: &HeaderMap) {
        let count = u16::try_from(headers.len()).unwrap_or_else(|_| {
            self.fits = false;
            0
        });
        self.out.put_u16(count);
        for (name, value) in headers {
            match header_number(name) {
                Some(number) => self.out.put_u16(number),
                // Longer, it would begin as a number does.
                None if name.as_str().len() >= 0xA000 => self.fits = false,
                None => self.string(name.as_str().as_bytes()),
            }
            self.string(value.as_bytes());
        }
    }

    fn attribute(&mut self, attribute: Attribute<'_>) {
        let (number, value) = match attribute {
            Attribute::RemoteUser(value) => (0x03, value),
            Attribute::AuthType(value) => (0x04, value),
            Attribute::QueryString(value) => (0x05, value),
            Attribute::SslCert(value) => (0x07, value),
            Attribute::SslCipher(value) => (0x08, value),
            Attribute::SslSession(value) => (0x09, value),
            Attribute::Secret(value) => (0x0C, value),
            Attribute::SslKeySize(bits) => {
                self.out.put_u8(0x0B);
                return self.out.put_u16(bits);
            }
            Attribute::Named(name, value) => {
                self.out.put_u8(0x0A);
                self.string(name.as_bytes());
                return self.string(value);
            }
        };
        self.out.put_u8(number);
        self.string(value);
    }

    fn string(&mut self, text: &[u8]) {
        // The greatest length means that there is none.
        match u16::try_from(text.len()).ok().filter(|length| *length < u16::MAX) {
            Some(length) => self.out.put_u16(length),
            None => return self.fits = false,
        }
        self.out.put_slice(text);
        self.out.put_u8(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::LEAST;

    fn line(method: &Method) -> Line<'_> {
        Line {
            method,
            protocol: "HTTP/1.1",
            path: b"/a%20b",
            remote_addr: "1.2.3.4",
            server_name: "host",
            server_port: 443,
            is_ssl: true,
        }
    }

    fn packet(
        method: &Method,
        headers: &HeaderMap,
        attributes: &[Attribute<'_>],
    ) -> Result<Vec<u8>, TooLarge> {
        let mut out = BytesMut::from(&b"before"[..]);
        put_head(&mut out, &line(method), headers, |add| attributes.iter().copied().for_each(add), LEAST)?;
        Ok(out[6..].to_vec())
    }

    #[test]
    fn a_request_is_one_packet_with_numbers_for_what_is_common() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "host".parse().unwrap());
        headers.insert("x-a", "b".parse().unwrap());
        let attributes =
            [Attribute::QueryString(b"c"), Attribute::SslKeySize(128), Attribute::Named("n", b"v")];
        let told = packet(&Method::GET, &headers, &attributes).unwrap();
        let expected = [
            b"\x02\x02\0\x08HTTP/1.1\0\0\x06/a%20b\0\0\x071.2.3.4\0\0\x071.2.3.4\0\0\x04host\0\x01\xbb\x01"
                .as_slice(),
            b"\0\x02\xa0\x0b\0\x04host\0\0\x03x-a\0\0\x01b\0",
            b"\x05\0\x01c\0\x0b\0\x80\x0a\0\x01n\0\0\x01v\0\xff",
        ]
        .concat();
        assert_eq!(told[..2], FROM_SERVER);
        assert_eq!(usize::from(u16::from_be_bytes([told[2], told[3]])), expected.len());
        assert_eq!(told[HEAD..].escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    #[test]
    fn a_method_without_a_number_is_an_attribute() {
        let told = packet(&Method::PATCH, &HeaderMap::new(), &[]).unwrap();
        assert_eq!(told[5], 0xFF);
        assert!(told.ends_with(b"\x0d\0\x05PATCH\0\xff"), "{}", told.escape_ascii());
        let label = Method::from_bytes(b"LABEL").unwrap();
        assert_eq!(packet(&label, &HeaderMap::new(), &[]).unwrap()[5], 24);
    }

    #[test]
    fn what_fits_into_no_packet_is_refused() {
        let with = |length: usize| {
            let mut headers = HeaderMap::new();
            headers.insert("x", vec![b'v'; length].try_into().unwrap());
            packet(&Method::GET, &headers, &[]).map(|told| told.len())
        };
        let beside = with(0).unwrap();
        assert_eq!(with(LEAST - beside), Ok(LEAST));
        for length in [LEAST - beside + 1, 50_000, 100_000] {
            assert_eq!(with(length), Err(TooLarge(LEAST)));
        }
    }

    #[test]
    fn a_body_goes_in_pieces_that_fit() {
        assert_eq!(body_head(3, LEAST), ([0x12, 0x34, 0, 5, 0, 3], 3));
        assert_eq!(body_head(100_000, LEAST), ([0x12, 0x34, 0x1f, 0xfc, 0x1f, 0xfa], 8186));
        assert_eq!(body_head(100_000, 64 << 10).1, 65_530);
    }
}
