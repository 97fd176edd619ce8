//! The PROXY protocol, versions 1 and 2: a header before everything else, in which whoever hands a connection on (HAProxy, a
//! load balancer) says from whom it is.
//!
//! ```yaml
//! listen: { address: "0.0.0.0:8000", proxy_protocol: true }
//! trust: { peers: [10.0.0.5] }
//! ```
//!
//! Only trusted peers may send it, and those have to. The connection is then as if the client itself had made it. What
//! follows the addresses (TLVs) is skipped.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::RecvFlags;

use crate::identity::Peer;
use crate::runtime::socket::{Socket, discard};

/// What each header of version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// And each of version 1.
const WORD: &[u8; 6] = b"PROXY ";

/// The longest header of version 1.
const LONGEST_LINE: usize = 107;

/// The size of a header of version 2 before its addresses.
const START: usize = 16;

/// How long a header may be. The addresses take 232 bytes at most; TLVs are as long as somebody makes them.
pub const LONGEST: usize = 4 << 10;

/// From whom a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// From whoever has sent the header, on its own account: a health check.
    Itself,
    /// From this client.
    Client(SocketAddr),
    /// From a client whose address is not known, or is none of TCP.
    Unknown,
}

/// What is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It begins with something else.
    #[error("it is missing")]
    Missing,
    /// A header of version 1 that cannot be read
    #[error("its line is malformed")]
    Line,
    /// A header of version 2 that cannot be read
    #[error("its {0} is unknown or wrong")]
    Binary(&'static str),
    /// Nobody needs so much
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
}

/// Why a connection does not begin as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("the connection ended in the middle of it")]
    CutShort,
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

/// Takes the header from a connection with `peer`: who has really connected, or `None` where nothing comes.
pub(crate) async fn receive(io: &impl Socket, peer: Peer) -> Result<Option<Peer>, Refused> {
    let mut looked_at = vec![0; LONGEST];
    loop {
        let ready = io.readable().await?;
        // Only looked at: what follows the header is for others.
        let seen = io.try_read(|| {
            let here = rustix::net::recv(io, &mut looked_at[..], RecvFlags::PEEK)?.1;
            match read(&looked_at[..here]) {
                Ok(None) if here > 0 => Err(io::ErrorKind::WouldBlock.into()),
                read => Ok((here, read)),
            }
        });
        match seen {
            Ok((0, _)) => return Ok(None),
            Ok((_, read)) => {
                let Some((length, source)) = read? else { return Err(Refused::CutShort) };
                discard(io, length).await?;
                return Ok(Some(source.of(peer)));
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
            Err(_) if ready.is_read_closed() => return Err(Refused::CutShort),
            Err(_) => {}
        }
    }
}

impl Source {
    fn of(self, peer: Peer) -> Peer {
        match self {
            Self::Itself => peer,
            Self::Client(address) => Peer::Behind { address: Some(address.ip()), port: Some(address.port()) },
            Self::Unknown => Peer::Behind { address: None, port: None },
        }
    }
}

/// Reads a header and its length; `None` until more has come.
pub fn read(received: &[u8]) -> Result<Option<(usize, Source)>, HeaderError> {
    let begins = |with: &[u8]| received.iter().zip(with).all(|(one, other)| one == other);
    if begins(WORD) {
        read_line(received)
    } else if begins(SIGNATURE) {
        read_binary(received)
    } else {
        Err(HeaderError::Missing)
    }
}

fn read_line(received: &[u8]) -> Result<Option<(usize, Source)>, HeaderError> {
    let longest = &received[..received.len().min(LONGEST_LINE)];
    let Some(end) = longest.windows(2).position(|pair| pair == b"\r\n") else {
        return if longest.len() < LONGEST_LINE { Ok(None) } else { Err(HeaderError::Line) };
    };
    let source = source(&received[WORD.len()..end]).ok_or(HeaderError::Line)?;
    Ok(Some((end + 2, source)))
}

/// `TCP4 192.0.2.1 192.0.2.2 4711 80`
fn source(line: &[u8]) -> Option<Source> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let family = words.next()?;
    // Whatever else stands there.
    if family == "UNKNOWN" {
        return Some(Source::Unknown);
    }
    let [source, destination, source_port, destination_port] = [(); 4].map(|()| words.next());
    if words.next().is_some() {
        return None;
    }
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let port = |text: &str| -> Option<u16> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    let socket = |text: Option<&str>, number: Option<&str>| -> Option<SocketAddr> {
        Some(SocketAddr::new(address(text?)?, port(number?)?))
    };
    let client = socket(source, source_port)?;
    socket(destination, destination_port).map(|_| Source::Client(client))
}

fn read_binary(received: &[u8]) -> Result<Option<(usize, Source)>, HeaderError> {
    let Some(start) = received.first_chunk::<START>() else { return Ok(None) };
    let [.., command, family, high, low] = *start;
    let length = START + usize::from(u16::from_be_bytes([high, low]));
    if !matches!(command, 0x20 | 0x21) {
        return Err(HeaderError::Binary("version or command"));
    }
    if length > LONGEST {
        return Err(HeaderError::TooLong);
    }
    let Some(rest) = received.get(START..length) else { return Ok(None) };
    let source = if command == 0x20 { Source::Itself } else { source_of(family, rest)? };
    Ok(Some((length, source)))
}

/// The first of two addresses, behind which are two ports.
fn source_of(family: u8, rest: &[u8]) -> Result<Source, HeaderError> {
    const SHORT: HeaderError = HeaderError::Binary("length");
    let client = |address: IpAddr, port: &[u8]| match *port {
        [high, low, ..] => Ok(Source::Client(SocketAddr::new(address, u16::from_be_bytes([high, low])))),
        _ => Err(SHORT),
    };
    match family {
        0x11 => {
            let addresses = rest.first_chunk::<12>().ok_or(SHORT)?;
            let [a, b, c, d, ..] = *addresses;
            client(Ipv4Addr::new(a, b, c, d).into(), &addresses[8..])
        }
        0x21 => {
            let addresses = rest.first_chunk::<36>().ok_or(SHORT)?;
            let source = addresses.first_chunk::<16>().ok_or(SHORT)?;
            client(Ipv6Addr::from(*source).into(), &addresses[32..])
        }
        // Unspecified, datagrams, unix sockets.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => Ok(Source::Unknown),
        _ => Err(HeaderError::Binary("address family")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Source {
        Source::Client(text.parse().unwrap())
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[command, family], &length, rest].concat()
    }

    /// It is read when it is whole, whatever follows, and not before.
    fn read_whole(header: &[u8]) -> Source {
        for end in 0..header.len() {
            assert_eq!(read(&header[..end]), Ok(None), "{end} of {header:?}");
        }
        let (length, source) = read(&[header, b"GET / HTTP/1.1\r\n"].concat()).unwrap().unwrap();
        assert_eq!(length, header.len());
        source
    }

    #[test]
    fn a_line_says_who_the_client_is() {
        for (line, source) in [
            ("TCP4 192.0.2.1 192.0.2.2 4711 80", client("192.0.2.1:4711")),
            ("TCP6 2001:db8::1 ::1 65535 0", client("[2001:db8::1]:65535")),
            ("UNKNOWN", Source::Unknown),
            ("UNKNOWN ffff:f...f:ffff whatever", Source::Unknown),
        ] {
            assert_eq!(read_whole(format!("PROXY {line}\r\n").as_bytes()), source, "{line}");
        }
    }

    #[test]
    fn bytes_say_who_the_client_is() {
        let v4 = [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x67, 0, 80];
        let v6: Vec<u8> = [[0x20; 16].as_slice(), &[0; 16], &[0x12, 0x67, 0, 80], b"\x04\0\x02tl"].concat();
        for (header, source) in [
            (binary(0x21, 0x11, &v4), client("192.0.2.1:4711")),
            (binary(0x21, 0x21, &v6), client("[2020:2020:2020:2020:2020:2020:2020:2020]:4711")),
            (binary(0x21, 0x31, &[0; 216]), Source::Unknown),
            (binary(0x21, 0x00, &[]), Source::Unknown),
            (binary(0x20, 0x11, &v4), Source::Itself),
            (binary(0x20, 0xFF, &[]), Source::Itself),
        ] {
            assert_eq!(read_whole(&header), source);
        }
    }

    #[test]
    fn what_is_no_header_is_refused_as_soon_as_that_is_known() {
        for text in ["G", "PROXZ", "\r\nG"] {
            assert_eq!(read(text.as_bytes()), Err(HeaderError::Missing), "{text:?}");
        }
        for line in [
            "",
            "UDP4 192.0.2.1 192.0.2.2 1 2",
            "TCP4 192.0.2.1 192.0.2.2 1",
            "TCP4 192.0.2.1 192.0.2.2 1 2 3",
            "TCP4  192.0.2.1 192.0.2.2 1 2",
            "TCP4 192.0.2.256 192.0.2.2 1 2",
            "TCP4 ::1 ::1 1 2",
            "TCP6 192.0.2.1 192.0.2.2 1 2",
            "TCP4 192.0.2.1 192.0.2.2 +1 2",
            "TCP4 192.0.2.1 192.0.2.2 1 65536",
        ] {
            assert_eq!(read(format!("PROXY {line}\r\n").as_bytes()), Err(HeaderError::Line), "{line}");
        }
        assert_eq!(read(format!("PROXY UNKNOWN {}", "x".repeat(200)).as_bytes()), Err(HeaderError::Line));
        assert_eq!(read(&binary(0x11, 0x11, &[0; 12])), Err(HeaderError::Binary("version or command")));
        assert_eq!(read(&binary(0x22, 0x11, &[0; 12])), Err(HeaderError::Binary("version or command")));
        assert_eq!(read(&binary(0x21, 0x13, &[0; 12])), Err(HeaderError::Binary("address family")));
        assert_eq!(read(&binary(0x21, 0x11, &[0; 11])), Err(HeaderError::Binary("length")));
        assert_eq!(read(&binary(0x21, 0x21, &[0; 35])), Err(HeaderError::Binary("length")));
        let long = binary(0x20, 0, &vec![0; LONGEST]);
        assert_eq!(read(&long[..START]), Err(HeaderError::TooLong));
    }
}
