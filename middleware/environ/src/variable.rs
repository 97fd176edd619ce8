//! The names of an environ: RFC 3875 section 4.1, PEP 3333, and what servers add by custom.

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;

use http::HeaderName;

/// The name of a variable, recognised once, when the configuration is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Variable {
    /// `CONTENT_LENGTH`
    ContentLength,
    /// `CONTENT_TYPE`
    ContentType,
    /// `GATEWAY_INTERFACE`: `CGI/1.1`
    GatewayInterface,
    /// `HTTPS`: `on`, or absent
    Https,
    /// `PATH_INFO`
    PathInfo,
    /// `QUERY_STRING`
    QueryString,
    /// `REMOTE_ADDR`
    RemoteAddr,
    /// `REMOTE_PORT`
    RemotePort,
    /// `REQUEST_ID`: a number of the gateway's, or what a `request_id` layer chose
    RequestId,
    /// `REQUEST_METHOD`
    RequestMethod,
    /// `REQUEST_SCHEME`: `http` or `https`; PEP 3333's `wsgi.url_scheme`
    RequestScheme,
    /// `REQUEST_URI`, `RAW_URI`: the request target as it was sent
    RequestUri,
    /// `SCRIPT_NAME`
    ScriptName,
    /// `SERVER_NAME`
    ServerName,
    /// `SERVER_PORT`
    ServerPort,
    /// `SERVER_PROTOCOL`
    ServerProtocol,
    /// `SERVER_SOFTWARE`
    ServerSoftware,
    /// `HTTP_*`: a header of the request
    Header(HeaderName),
    /// Any other: a capture, or set by `env:`, a layer or the front server
    Other(Arc<str>),
}

/// The standard names that are always there to be asked for, beside `HTTP_*`.
pub(crate) const STANDARD: [(&str, Variable); 19] = [
    ("CONTENT_LENGTH", Variable::ContentLength),
    ("CONTENT_TYPE", Variable::ContentType),
    ("GATEWAY_INTERFACE", Variable::GatewayInterface),
    ("HTTPS", Variable::Https),
    ("PATH_INFO", Variable::PathInfo),
    ("QUERY_STRING", Variable::QueryString),
    ("RAW_URI", Variable::RequestUri),
    ("REMOTE_ADDR", Variable::RemoteAddr),
    ("REMOTE_PORT", Variable::RemotePort),
    ("REQUEST_ID", Variable::RequestId),
    ("REQUEST_METHOD", Variable::RequestMethod),
    ("REQUEST_SCHEME", Variable::RequestScheme),
    ("REQUEST_URI", Variable::RequestUri),
    ("SCRIPT_NAME", Variable::ScriptName),
    ("SERVER_NAME", Variable::ServerName),
    ("SERVER_PORT", Variable::ServerPort),
    ("SERVER_PROTOCOL", Variable::ServerProtocol),
    ("SERVER_SOFTWARE", Variable::ServerSoftware),
    ("wsgi.url_scheme", Variable::RequestScheme),
];

/// Stands in the environ of requests that the gateway makes of itself, and says how deep they are nested: `1` to `3`.
pub const SUBREQUEST: &str = "SUBREQUEST";

/// Whether a name can be asked for without anybody having set it.
pub fn is_standard(name: &str) -> bool {
    name == SUBREQUEST || !matches!(name.parse(), Ok(Variable::Other(_)))
}

impl FromStr for Variable {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        if let Some((_, variable)) = STANDARD.iter().find(|(standard, _)| *standard == name) {
            return Ok(variable.clone());
        }
        Ok(header_of(name).map_or_else(|| Self::Other(name.into()), Self::Header))
    }
}

/// The header that a `HTTP_*` name stands for. `HTTP_CONTENT_TYPE` and the like stand for none: their value is
/// `CONTENT_TYPE`. Nor does `HTTP_PROXY`, which programs take for the address of a proxy.
fn header_of(name: &str) -> Option<HeaderName> {
    let header = name.strip_prefix("HTTP_")?;
    if header.bytes().any(|byte| byte.is_ascii_lowercase() || byte == b'-') {
        return None;
    }
    let header: HeaderName = header.replace('_', "-").parse().ok()?;
    has_variable(&header).then_some(header)
}

/// Whether a header becomes a `HTTP_*` variable.
pub(crate) fn has_variable(header: &HeaderName) -> bool {
    use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
    let name = header.as_str();
    !([CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING].contains(header)
        || name == "proxy"
        || name.contains('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_recognised() {
        let variable = |name: &str| name.parse::<Variable>().unwrap();
        assert_eq!(variable("HTTP_HOST"), Variable::Header(http::header::HOST));
        assert_eq!(variable("HTTP_X_REAL_IP"), Variable::Header(HeaderName::from_static("x-real-ip")));
    }

    #[test]
    fn names_that_no_header_may_take_are_plain() {
        for name in [
            "HTTP_PROXY",
            "HTTP_CONTENT_TYPE",
            "HTTP_CONTENT_LENGTH",
            "HTTP_TRANSFER_ENCODING",
            "HTTP_a",
            "HTTP_",
            "SHOP",
        ] {
            assert_eq!(name.parse(), Ok(Variable::Other(name.into())));
            assert!(!is_standard(name));
        }
    }

    #[test]
    fn standard_names_are_known() {
        assert!(STANDARD.iter().all(|(name, _)| is_standard(name)));
        assert!(is_standard("HTTP_ANYTHING"));
    }
}
