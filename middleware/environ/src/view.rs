//! A request and its environ, seen as one list of variables.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::environ::{Environ, Scheme};
use crate::variable::{Variable, has_variable};

/// A request and its environ, read as variables.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
    environ: &'a Environ,
}

/// The variables that [`View::for_each`] passes before the headers.
const LISTED: [(&str, Variable); 14] = [
    ("REQUEST_METHOD", Variable::RequestMethod),
    ("SCRIPT_NAME", Variable::ScriptName),
    ("PATH_INFO", Variable::PathInfo),
    ("QUERY_STRING", Variable::QueryString),
    ("REQUEST_URI", Variable::RequestUri),
    ("CONTENT_TYPE", Variable::ContentType),
    ("CONTENT_LENGTH", Variable::ContentLength),
    ("SERVER_NAME", Variable::ServerName),
    ("SERVER_PORT", Variable::ServerPort),
    ("SERVER_PROTOCOL", Variable::ServerProtocol),
    ("REMOTE_ADDR", Variable::RemoteAddr),
    ("REMOTE_PORT", Variable::RemotePort),
    ("REQUEST_SCHEME", Variable::RequestScheme),
    ("HTTPS", Variable::Https),
];

impl<'a> View<'a> {
    /// The view of a request whose extensions hold its [`Environ`].
    ///
    /// # Panics
    /// Without an environ: whoever accepts requests gives each one first.
    pub fn of<B>(request: &'a Request<B>) -> Self {
        let environ = request.extensions().get().expect("the front gives every request its environ");
        Self::new(request.method(), request.uri(), request.version(), request.headers(), environ)
    }

    /// The view of the parts of a request whose extensions hold its [`Environ`].
    ///
    /// # Panics
    /// Without an environ, as [`View::of`].
    pub fn of_parts(parts: &'a http::request::Parts) -> Self {
        let environ = parts.extensions.get().expect("the front gives every request its environ");
        Self::new(&parts.method, &parts.uri, parts.version, &parts.headers, environ)
    }

    /// The view of a request beside an environ.
    pub fn new(
        method: &'a Method,
        uri: &'a Uri,
        version: Version,
        headers: &'a HeaderMap,
        environ: &'a Environ,
    ) -> Self {
        Self { method, uri, version, headers, environ }
    }

    /// The environ under this view.
    pub fn environ(&self) -> &'a Environ {
        self.environ
    }

    /// The headers under this view.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The cookies of the request, as RFC 6265 section 4.2 has them; a value may stand in quotes.
    pub fn cookies(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let headers = self.headers.get_all(COOKIE).iter();
        headers.flat_map(|header| header.as_bytes().split(|&byte| byte == b';')).filter_map(|pair| {
            let pair = pair.trim_ascii();
            let equals = pair.iter().position(|&byte| byte == b'=')?;
            let value = &pair[equals + 1..];
            let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            Some((&pair[..equals], unquoted.unwrap_or(value)))
        })
    }

    /// The method under this view.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The version of HTTP under this view.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The request target as it was sent.
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// `QUERY_STRING`: raw, "" where there is none.
    pub fn query(&self) -> &'a str {
        self.environ.query.as_deref().unwrap_or_else(|| self.uri.query().unwrap_or(""))
    }

    /// `SERVER_NAME` and `SERVER_PORT`, for whoever needs both.
    pub fn server(&self) -> (&'a str, u16) {
        let environ = self.environ;
        let (host, port) = self.host();
        let listener = environ.server.port.filter(|_| environ.scheme == Scheme::Http);
        let port = environ.server_port.or(port).or(listener).unwrap_or(environ.scheme.default_port());
        (if host.is_empty() { &environ.server.name } else { host }, port)
    }

    /// `SERVER_NAME`: the host that was asked for, else the listener's name; never empty.
    pub fn server_name(&self) -> &'a str {
        self.server().0
    }

    /// `SERVER_PORT`: what the front server said, else the port in Host, else the listener's, else the scheme's.
    pub fn server_port(&self) -> u16 {
        self.server().1
    }

    /// The host and the port that the request names: in its target (absolute form, which RFC 9112 section 3.2.2 prefers) or Host.
    fn host(&self) -> (&'a str, Option<u16>) {
        let header = || self.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
        let authority = self.uri.authority().map_or_else(header, http::uri::Authority::as_str);
        match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (authority, None),
        }
    }

    /// The value of a variable; `None` where the request does not have it.
    pub fn get(&self, variable: &Variable) -> Option<Cow<'a, [u8]>> {
        let text = |text: &'a str| Some(Cow::Borrowed(text.as_bytes()));
        let owned = |text: String| Some(Cow::Owned(text.into_bytes()));
        match variable {
            Variable::ContentLength => self.header(&http::header::CONTENT_LENGTH),
            Variable::ContentType => self.header(&http::header::CONTENT_TYPE),
            Variable::GatewayInterface => text("CGI/1.1"),
            Variable::Https => (self.environ.scheme == Scheme::Https).then_some(Cow::Borrowed(b"on")),
            Variable::PathInfo => Some(Cow::Borrowed(self.environ.path.path_info())),
            Variable::QueryString => text(self.query()),
            Variable::RemoteAddr => owned(self.environ.remote_addr.map_or_else(String::new, text_of)),
            Variable::RemotePort => self.environ.remote_port.and_then(|port| owned(port.to_string())),
            Variable::RequestId => owned(self.environ.request_id.to_string()),
            Variable::RequestMethod => text(self.method.as_str()),
            Variable::RequestScheme => text(self.environ.scheme.as_str()),
            Variable::RequestUri => text(self.uri.path_and_query().map_or("/", |target| target.as_str())),
            Variable::ScriptName => Some(self.environ.script_name()),
            Variable::ServerName => text(self.server_name()),
            Variable::ServerPort => owned(self.server_port().to_string()),
            Variable::ServerProtocol => text(protocol(self.version)),
            Variable::ServerSoftware => text(self.environ.server.software),
            Variable::Header(name) => self.header(name),
            Variable::Other(name) => self.environ.variable(name).map(Cow::Borrowed),
        }
    }

    /// Passes every variable that an application gets, once. `REQUEST_ID` is for templates, predicates and the log:
    /// applications get the header of whoever numbers requests.
    pub fn for_each(&self, mut each: impl FnMut(&str, &[u8])) {
        each("GATEWAY_INTERFACE", b"CGI/1.1");
        each("SERVER_SOFTWARE", self.environ.server.software.as_bytes());
        for (name, variable) in &LISTED {
            if let Some(value) = self.get(variable) {
                each(name, &value);
            }
        }
        let mut variable = String::new();
        for name in self.headers.keys().filter(|name| has_variable(name)) {
            variable.clear();
            variable.push_str("HTTP_");
            variable
                .extend(name.as_str().chars().map(|c| if c == '-' { '_' } else { c.to_ascii_uppercase() }));
            each(&variable, &self.header(name).unwrap_or_default());
        }
        self.environ.variables().for_each(|(name, value)| each(name, value));
    }

    /// A header's value; several are joined by a comma, cookies by a semicolon (RFC 3875 section 4.1.18, RFC 6265 section 5.4).
    fn header(&self, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
        let mut values = self.headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let first = values.next()?;
        let Some(second) = values.next() else { return Some(Cow::Borrowed(first)) };
        let separator: &[u8] = if *name == COOKIE { b"; " } else { b"," };
        let mut joined = first.to_vec();
        for value in std::iter::once(second).chain(values) {
            joined.extend_from_slice(separator);
            joined.extend_from_slice(value);
        }
        Some(Cow::Owned(joined))
    }
}

/// `SERVER_PROTOCOL`
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// An address as text. Those of four numbers, most of all, are written here: the standard library takes ten times as long for
/// them.
fn text_of(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (at, number) in address.octets().into_iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        for (unit, digit) in [(100, number / 100), (10, number / 10 % 10), (1, number % 10)] {
            if number >= unit || unit == 1 {
                text.push(char::from(b'0' + digit));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Server;
    use std::collections::HashMap;
    use std::sync::Arc;

    #[test]
    fn addresses_are_written_as_the_standard_library_writes_them() {
        let four = (0..=255_u8).map(|number| IpAddr::from([number, 255 - number, 7, number]));
        let six = ["::1", "2001:db8::7", "::ffff:192.0.2.1"].map(|text| text.parse().unwrap());
        for address in four.chain(six) {
            assert_eq!(text_of(address), address.to_string());
        }
    }

    fn request(target: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::get(target).body(()).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let environ = Environ::for_target(request.uri()).unwrap();
        request.extensions_mut().insert(environ);
        request
    }

    fn all(request: &Request<()>) -> HashMap<String, String> {
        let mut variables = HashMap::new();
        View::of(request).for_each(|name, value| {
            assert!(
                variables.insert(name.to_owned(), String::from_utf8(value.to_vec()).unwrap()).is_none(),
                "{name} twice"
            );
        });
        variables
    }

    #[test]
    fn the_standard_variables_are_there() {
        let variables =
            all(&request("/a%20b?c=%20d", &[("host", "example.com:8000"), ("content-type", "text/plain")]));
        for (name, value) in [
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("REQUEST_METHOD", "GET"),
            ("SCRIPT_NAME", ""),
            ("PATH_INFO", "/a b"),
            ("QUERY_STRING", "c=%20d"),
            ("REQUEST_URI", "/a%20b?c=%20d"),
            ("SERVER_NAME", "example.com"),
            ("SERVER_PORT", "8000"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("CONTENT_TYPE", "text/plain"),
            ("HTTP_HOST", "example.com:8000"),
            ("REMOTE_ADDR", ""),
            ("REQUEST_SCHEME", "http"),
        ] {
            assert_eq!(variables.get(name).map(String::as_str), Some(value), "{name}");
        }
        for name in ["HTTP_CONTENT_TYPE", "CONTENT_LENGTH", "HTTPS", "REMOTE_PORT"] {
            assert!(!variables.contains_key(name), "{name}");
        }
    }

    #[test]
    fn a_query_is_always_present() {
        assert_eq!(all(&request("/", &[]))["QUERY_STRING"], "");
    }

    #[test]
    fn repeated_headers_are_joined() {
        let variables =
            all(&request("/", &[("x-a", "1"), ("x-a", "2"), ("cookie", "a=1"), ("cookie", "b=2")]));
        assert_eq!((&*variables["HTTP_X_A"], &*variables["HTTP_COOKIE"]), ("1,2", "a=1; b=2"));
    }

    #[test]
    fn headers_that_would_lie_have_no_variable() {
        let variables =
            all(&request("/", &[("proxy", "evil"), ("x_y", "1"), ("transfer-encoding", "chunked")]));
        assert!(!variables.keys().any(|name| name.starts_with("HTTP_")), "{variables:?}");
    }

    #[test]
    fn the_server_has_a_name_and_a_port_without_a_host() {
        let variables = all(&request("/", &[]));
        assert_eq!((&*variables["SERVER_NAME"], &*variables["SERVER_PORT"]), ("localhost", "80"));
        let variables = all(&request("/", &[("host", "[::1]")]));
        assert_eq!((&*variables["SERVER_NAME"], &*variables["SERVER_PORT"]), ("[::1]", "80"));
    }

    #[test]
    fn a_variable_that_is_set_replaces_the_listeners() {
        let mut request = request("/", &[]);
        let environ = request.extensions_mut().get_mut::<Environ>().unwrap();
        let name: Arc<str> = "DEPLOY".into();
        let server =
            Server { env: vec![(Arc::clone(&name), b"live".as_slice().into())], ..Server::default() };
        environ.server = Arc::new(server);
        assert_eq!(environ.variable("DEPLOY"), Some(b"live".as_slice()));
        environ.set(&name, b"test".as_slice());
        assert_eq!(environ.variable("DEPLOY"), Some(b"test".as_slice()));
        assert_eq!(all(&request)["DEPLOY"], "test");
    }

    #[test]
    fn the_front_servers_prefix_begins_the_script_name() {
        let mut request = request("/shop/a", &[]);
        let environ = request.extensions_mut().get_mut::<Environ>().unwrap();
        environ.prefix = b"/outer".as_slice().into();
        environ.path_mut().mount("/shop");
        assert_eq!(all(&request)["SCRIPT_NAME"], "/outer/shop");
    }

    #[test]
    fn each_standard_variable_can_be_asked_for_by_its_name() {
        let request = request("/a", &[("host", "h"), ("accept", "*/*")]);
        View::of(&request).for_each(|name, value| {
            assert_eq!(View::of(&request).get(&name.parse().unwrap()).as_deref(), Some(value), "{name}");
        });
    }
}
