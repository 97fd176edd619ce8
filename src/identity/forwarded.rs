//! `Forwarded` (RFC 7239), read from the right past the proxies that are trusted.

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderValue};

use super::{Claims, host, scheme};

/// What the header says of the client. What stands left of its element is the client's own invention and goes.
pub(super) fn claims(headers: &mut HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> Claims {
    let lines = headers.get_all(FORWARDED).iter();
    let text: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    let text = text.join(", ");
    let mut claims = Claims::default();
    let mut believed = Vec::new();
    for element in elements(&text).into_iter().rev() {
        let parameters = parameters(element);
        let of = |name: &str| {
            parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let client = of("for").and_then(|client| address(client));
        claims.client = client.or(claims.client);
        claims.scheme = of("proto").and_then(|proto| scheme(proto)).or(claims.scheme);
        claims.host = of("host").and_then(|name| host(name)).or(claims.host);
        believed.push(element.trim());
        if !client.is_some_and(&trusts) {
            break;
        }
    }
    believed.reverse();
    match HeaderValue::try_from(believed.join(", ")) {
        Ok(chain) => headers.insert(FORWARDED, chain),
        Err(_) => headers.remove(FORWARDED),
    };
    claims
}

/// An address as proxies write it: bare, in brackets, or with a port.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// The elements of the list. Where a client opened a quote and left it open, quotes count for nothing: else all that proxies
/// have appended would be inside of it.
fn elements(text: &str) -> Vec<&str> {
    split(text, b',').unwrap_or_else(|| text.split(',').collect())
}

fn parameters(element: &str) -> Vec<(&str, String)> {
    let pair = |text: &'_ str| text.trim().split_once('=').map(|(name, value)| (name.len(), unquote(value)));
    let named = split(element, b';').unwrap_or_default().into_iter().filter_map(|text| {
        let (length, value) = pair(text)?;
        Some((&text.trim()[..length], value))
    });
    named.collect()
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.into();
    };
    let mut escaped = false;
    let mut keep = |c: &char| {
        escaped = *c == '\\' && !escaped;
        !escaped
    };
    inner.chars().filter(|c| keep(c)).collect()
}

/// Splits at a separator that does not stand in quotes; `None` where a quote is left open.
fn split(text: &str, separator: u8) -> Option<Vec<&str>> {
    let mut pieces = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                pieces.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    (!quoted).then_some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_environ::Scheme;

    fn claimed(header: &str) -> (Claims, String) {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED, HeaderValue::from_bytes(header.as_bytes()).unwrap());
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let claims = claims(&mut headers, |address| address == proxy);
        let left = headers[FORWARDED].to_str().unwrap().to_owned();
        (claims, left)
    }

    #[test]
    fn the_client_stands_left_of_the_trusted_proxies() {
        let (claims, left) = claimed("for=6.6.6.6, for=192.0.2.1;proto=https;host=a.example, for=10.0.0.1");
        assert_eq!(claims.client, Some("192.0.2.1".parse().unwrap()));
        assert_eq!((claims.scheme, claims.host), (Some(Scheme::Https), Some("a.example".parse().unwrap())));
        assert_eq!(left, "for=192.0.2.1;proto=https;host=a.example, for=10.0.0.1");
    }

    #[test]
    fn quotes_hold_addresses_with_ports() {
        let (claims, _) = claimed(r#"For="[2001:db8::1]:4711"; Proto=http;by="a,b;c\"""#);
        assert_eq!(claims.client, Some("2001:db8::1".parse().unwrap()));
        assert_eq!(claims.scheme, Some(Scheme::Http));
    }

    #[test]
    fn an_open_quote_and_bytes_that_are_no_text_hide_no_client() {
        for made_up in [r#"for=""#, r#"for="a\"#, "for=\u{fffd}"] {
            for appended in ["for=192.0.2.1", r#"for="192.0.2.1:80";proto=https"#] {
                let (claims, left) = claimed(&format!("{made_up}, {appended}"));
                assert_eq!(claims.client, Some("192.0.2.1".parse().unwrap()), "{made_up}");
                assert_eq!(left, appended);
            }
        }
    }

    #[test]
    fn an_obfuscated_client_ends_the_chain() {
        let (claims, left) = claimed("for=192.0.2.1, for=_hidden, for=10.0.0.1");
        assert_eq!(claims.client, Some("10.0.0.1".parse().unwrap()));
        assert_eq!(left, "for=_hidden, for=10.0.0.1");
    }
}
