//! From variables to a request: what an application's side of FastCGI, SCGI or uwsgi does with what a web server sends.
//!
//! The [`View`] of such a request has the variables that it was made of.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::encode::{push_decoded, push_encoded};
use crate::environ::{Environ, RequestId, Scheme, Server};
use crate::path::RequestPath;
use crate::variable::Variable;
use crate::view::View;

/// Variables that make no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariablesError {
    /// There is no method, or none that can be.
    #[error("REQUEST_METHOD is missing or malformed")]
    Method,
    /// The target cannot be one.
    #[error("REQUEST_URI is malformed")]
    Target,
    /// A name or a value that no variable may have.
    #[error("the variable {0:?} is malformed")]
    Malformed(String),
}

/// Makes a request of its variables; its extensions hold its [`Environ`]. `server` is whoever gets it.
pub fn request<'a>(
    variables: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    server: &Arc<Server>,
) -> Result<Parts, VariablesError> {
    let mut reading = Reading::new(server);
    for (name, value) in variables {
        reading.add(name, value)?;
    }
    reading.finish()
}

/// What is known so far.
struct Reading<'a> {
    parts: Parts,
    environ: Environ,
    method: Option<&'a [u8]>,
    target: Option<&'a [u8]>,
    path_info: &'a [u8],
    query: &'a [u8],
    server_name: &'a [u8],
}

impl<'a> Reading<'a> {
    fn new(server: &Arc<Server>) -> Self {
        let (parts, ()) = Request::new(()).into_parts();
        let mut environ = Environ::default();
        environ.server = Arc::clone(server);
        Self { parts, environ, method: None, target: None, path_info: b"", query: b"", server_name: b"" }
    }

    fn add(&mut self, name: &'a [u8], value: &'a [u8]) -> Result<(), VariablesError> {
        let malformed = || VariablesError::Malformed(name.escape_ascii().to_string());
        let text = || std::str::from_utf8(value).map_err(|_| malformed());
        let name = std::str::from_utf8(name).map_err(|_| malformed())?;
        let Ok(variable) = name.parse::<Variable>();
        match variable {
            Variable::RequestMethod => self.method = Some(value),
            Variable::RequestUri => self.target = Some(value),
            Variable::ScriptName => self.environ.prefix = value.into(),
            Variable::PathInfo => self.path_info = value,
            Variable::QueryString => self.query = value,
            Variable::ServerName => self.server_name = value,
            Variable::ServerPort => self.environ.server_port = text()?.parse().ok(),
            Variable::ServerProtocol => self.parts.version = version(value),
            Variable::RemoteAddr => self.environ.remote_addr = text()?.parse().ok(),
            Variable::RemotePort => self.environ.remote_port = text()?.parse().ok(),
            Variable::RequestId => self.environ.request_id = RequestId::Given(text()?.into()),
            Variable::RequestScheme | Variable::Https => {
                if matches!(value, b"https" | b"on" | b"1") {
                    self.environ.scheme = Scheme::Https;
                }
            }
            // The receiver's own.
            Variable::GatewayInterface | Variable::ServerSoftware => {}
            // Empty for "none": many send it so.
            Variable::ContentLength | Variable::ContentType if value.is_empty() => {}
            Variable::ContentLength => self.header(CONTENT_LENGTH, value).ok_or_else(malformed)?,
            Variable::ContentType => self.header(CONTENT_TYPE, value).ok_or_else(malformed)?,
            Variable::Header(header) => self.header(header, value).ok_or_else(malformed)?,
            // What the environ refuses from a client's headers, it refuses from here: `HTTP_PROXY` and the like.
            Variable::Other(name) if name.starts_with("HTTP_") => {}
            Variable::Other(name) => self.environ.set(&name, value),
        }
        Ok(())
    }

    fn header(&mut self, name: HeaderName, value: &[u8]) -> Option<()> {
        self.parts.headers.append(name, HeaderValue::from_bytes(value).ok()?);
        Some(())
    }

    fn finish(mut self) -> Result<Parts, VariablesError> {
        let method = self.method.and_then(|method| Method::from_bytes(method).ok());
        self.parts.method = method.ok_or(VariablesError::Method)?;
        self.parts.uri = self.uri()?;
        self.environ.path = RequestPath::from_decoded(self.path_info);
        let query = String::from_utf8_lossy(self.query);
        if self.parts.uri.query().unwrap_or("") != query {
            self.environ.set_query(&query);
        }
        self.name_server();
        self.parts.extensions.insert(self.environ);
        Ok(self.parts)
    }

    /// The target as it was sent, or else as it may have been.
    fn uri(&self) -> Result<Uri, VariablesError> {
        if let Some(target) = self.target {
            return Uri::try_from(target).map_err(|_| VariablesError::Target);
        }
        let mut target = Vec::new();
        push_decoded(&mut target, &self.environ.prefix);
        push_decoded(&mut target, self.path_info);
        if !self.query.is_empty() {
            target.push(b'?');
            push_encoded(&mut target, self.query);
        }
        Uri::try_from(target).map_err(|_| VariablesError::Target)
    }

    /// Has the server the name that it was given: it is that of Host, unless the target named another, or there was none.
    fn name_server(&mut self) {
        let Ok(name) = std::str::from_utf8(self.server_name) else { return };
        let Parts { method, uri, version, headers, .. } = &self.parts;
        if name.is_empty() || View::new(method, uri, *version, headers, &self.environ).server_name() == name {
            return;
        }
        let server = Server { name: name.to_owned(), ..Server::clone(&self.environ.server) };
        self.environ.server = Arc::new(server);
        if headers.contains_key(http::header::HOST) {
            let target = self.parts.uri.path_and_query().map_or("/", |target| target.as_str());
            let absolute = format!("{}://{name}{target}", self.environ.scheme.as_str());
            // A name that no URI may have stays that of Host.
            if let Ok(uri) = absolute.parse() {
                self.parts.uri = uri;
            }
        }
    }
}

fn version(protocol: &[u8]) -> Version {
    match protocol {
        b"HTTP/0.9" => Version::HTTP_09,
        b"HTTP/1.0" => Version::HTTP_10,
        b"HTTP/2.0" => Version::HTTP_2,
        b"HTTP/3.0" => Version::HTTP_3,
        _ => Version::HTTP_11,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn variables(view: &View<'_>) -> BTreeMap<String, Vec<u8>> {
        let mut all = BTreeMap::new();
        view.for_each(|name, value| drop(all.insert(name.to_owned(), value.to_vec())));
        all
    }

    /// The same request again, by way of its variables.
    fn again(variables: &BTreeMap<String, Vec<u8>>) -> Result<Parts, VariablesError> {
        let pairs = variables.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
        request(pairs, &Arc::new(Server::default()))
    }

    #[test]
    fn a_request_has_the_variables_that_it_was_made_of() {
        for (target, headers) in [
            ("/", vec![]),
            ("/shop/caf%C3%A9/a%2Fb?a=%20b&c", vec![("host", "example.com:8080"), ("cookie", "a=1")]),
            ("/shop", vec![("host", "[::1]"), ("content-type", "text/plain"), ("content-length", "3")]),
            ("/shop/%FF//x", vec![("x-a", "1"), ("x-a", "2"), ("cookie", "a=1"), ("cookie", "b=2")]),
            ("http://other.example/shop/", vec![("host", "example.com")]),
            ("/odd/%25%3F%23?", vec![]),
        ] {
            let mut request = Request::post(target).body(()).unwrap();
            for (name, value) in headers {
                request.headers_mut().append(name, HeaderValue::from_static(value));
            }
            let mut environ = Environ::for_target(request.uri()).unwrap();
            environ.path_mut().mount("/shop");
            environ.scheme = Scheme::Https;
            environ.remote_addr = Some("2001:db8::7".parse().unwrap());
            environ.remote_port = Some(4711);
            environ.prefix = b"/outer \xff".as_slice().into();
            environ.set(&"SHOP_YEAR".into(), b"\xfe".as_slice());
            request.extensions_mut().insert(environ);
            let sent = variables(&View::of(&request));
            let parts = again(&sent).unwrap();
            assert_eq!(variables(&View::of_parts(&parts)), sent, "{target}");
        }
    }

    #[test]
    fn a_plain_web_server_is_understood() {
        let pairs: [(&[u8], &[u8]); 6] = [
            (b"REQUEST_METHOD", b"GET"),
            (b"SCRIPT_NAME", b"/app"),
            (b"PATH_INFO", b"/a b"),
            (b"QUERY_STRING", b"c=d"),
            (b"CONTENT_LENGTH", b""),
            (b"HTTP_PROXY", b"evil"),
        ];
        let parts = request(pairs, &Arc::new(Server::default())).unwrap();
        assert_eq!(parts.uri, "/app/a%20b?c=d");
        assert!(parts.headers.is_empty() && View::of_parts(&parts).environ().variables().next().is_none());
    }

    #[test]
    fn what_makes_no_request_is_refused() {
        let refused = |pairs: &[(&'static str, &'static [u8])]| {
            let pairs = pairs.iter().map(|(name, value)| (name.as_bytes(), *value));
            request(pairs, &Arc::new(Server::default())).unwrap_err()
        };
        let method = ("REQUEST_METHOD", b"GET".as_slice());
        assert_eq!(refused(&[]), VariablesError::Method);
        assert_eq!(refused(&[("REQUEST_METHOD", b"G T")]), VariablesError::Method);
        assert_eq!(refused(&[method, ("REQUEST_URI", b"no\nt a target")]), VariablesError::Target);
        let malformed = VariablesError::Malformed("HTTP_X_A".into());
        assert_eq!(refused(&[method, ("HTTP_X_A", b"a\r\nb: c")]), malformed);
    }
}
