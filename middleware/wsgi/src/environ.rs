//! The environ dictionary: a copy of a template, then what differs from request to request.

use http::Version;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue};
use http_environ::{Environ, View};

use crate::clients::Clients;
use crate::names::Names;
use crate::python::{Kept, Object, PyResult, Python};
use crate::usual::{Varying, is_same, only_host};

/// What is the same in every environ of an application.
pub(crate) struct Template {
    dict: Kept,
    keys: Keys,
    /// The names of the application's own variables, which come before the listener's.
    own: Vec<String>,
}

macro_rules! keys {
    ($($field:ident = $name:literal,)*) => {
        /// The interned keys of what differs.
        struct Keys { $($field: Kept,)* }

        impl Keys {
            fn new(py: Python<'_>) -> PyResult<'_, Self> {
                Ok(Self { $($field: py.interned($name)?.keep(),)* })
            }
        }
    };
}

keys! {
    content_length = "CONTENT_LENGTH",
    content_type = "CONTENT_TYPE",
    disconnected = "vestibule.disconnected",
    http_host = "HTTP_HOST",
    https = "HTTPS",
    input = "wsgi.input",
    path_info = "PATH_INFO",
    query_string = "QUERY_STRING",
    raw_uri = "RAW_URI",
    remote_addr = "REMOTE_ADDR",
    remote_port = "REMOTE_PORT",
    request_method = "REQUEST_METHOD",
    request_scheme = "REQUEST_SCHEME",
    request_uri = "REQUEST_URI",
    script_name = "SCRIPT_NAME",
    server_name = "SERVER_NAME",
    server_port = "SERVER_PORT",
    server_protocol = "SERVER_PROTOCOL",
    server_software = "SERVER_SOFTWARE",
    url_scheme = "wsgi.url_scheme",
}

/// What an application's settings say to it through the environ.
pub(crate) struct Facts<'a, 'py> {
    /// `wsgi.input` of requests without a body
    pub(crate) no_input: &'a Object<'py>,
    pub(crate) errors: &'a Object<'py>,
    pub(crate) file_wrapper: &'a Object<'py>,
    pub(crate) multithread: bool,
    pub(crate) multiprocess: bool,
    pub(crate) variables: &'a [(String, String)],
}

/// What a request brings beside its [`View`].
pub(crate) struct Given<'a, 'py> {
    /// `wsgi.input`, where there is a body
    pub(crate) input: Option<&'a Object<'py>>,
    /// `CONTENT_LENGTH`
    pub(crate) length: Option<u64>,
    /// `vestibule.disconnected`, which tells whether the client has left
    pub(crate) disconnected: &'a Object<'py>,
}

impl Template {
    pub(crate) fn new<'py>(py: Python<'py>, facts: Facts<'_, 'py>) -> PyResult<'py, Self> {
        let keys = Keys::new(py)?;
        let dict = py.dict()?;
        // Places for what is always set: the copy then has room for it.
        let empty = py.latin1(b"")?;
        for key in [
            &keys.request_method,
            &keys.script_name,
            &keys.path_info,
            &keys.query_string,
            &keys.request_uri,
            &keys.raw_uri,
            &keys.server_name,
            &keys.server_port,
            &keys.server_protocol,
            &keys.server_software,
            &keys.remote_addr,
            &keys.request_scheme,
            &keys.url_scheme,
            &keys.disconnected,
        ] {
            dict.set(key.get(py), &empty)?;
        }
        let version = py.list()?;
        version.append(&py.int(1)?)?;
        version.append(&py.int(0)?)?;
        let version = py.import(c"builtins")?.method("tuple")?.call([&version])?;
        for (name, value) in [
            ("GATEWAY_INTERFACE", py.str("CGI/1.1")?),
            ("wsgi.version", version),
            ("wsgi.input", facts.no_input.clone()),
            ("wsgi.errors", facts.errors.clone()),
            ("wsgi.file_wrapper", facts.file_wrapper.clone()),
            ("wsgi.input_terminated", py.bool(true)?),
            ("wsgi.multithread", py.bool(facts.multithread)?),
            ("wsgi.multiprocess", py.bool(facts.multiprocess)?),
            ("wsgi.run_once", py.bool(false)?),
        ] {
            dict.set(&py.interned(name)?, &value)?;
        }
        for (name, value) in facts.variables {
            dict.set(&py.interned(name)?, &py.latin1(value.as_bytes())?)?;
        }
        let own = facts.variables.iter().map(|(name, _)| name.clone()).collect();
        Ok(Self { dict: dict.keep(), keys, own })
    }

    /// A new environ.
    pub(crate) fn environ<'py>(
        &self,
        py: Python<'py>,
        names: &mut Names,
        view: &View<'_>,
        given: Given<'_, 'py>,
    ) -> PyResult<'py, Object<'py>> {
        let dict = names.usual.begun(py, self, &mut names.clients, view)?;
        let keys = &self.keys;
        let set = |key: &Kept, value: &Object<'py>| dict.set(key.get(py), value);
        let known = view.environ();
        if let Some(input) = given.input {
            set(&keys.input, input)?;
        }
        set(&keys.disconnected, given.disconnected)?;
        if let Some(length) = given.length {
            set(&keys.content_length, &py.latin1(length.to_string().as_bytes())?)?;
        }
        self.set_headers(py, names, view, &dict)?;
        for (name, value) in known.variables().filter(|(name, value)| !is_of_listener(known, name, value)) {
            dict.set(&py.str(name)?, &py.latin1(value)?)?;
        }
        Ok(dict)
    }

    /// Sets what differs from the `last` request whose environ this dictionary was.
    pub(super) fn vary<'py>(
        &self,
        py: Python<'py>,
        clients: &mut Clients,
        view: &View<'_>,
        dict: &Object<'py>,
        last: &mut Varying,
    ) -> PyResult<'py, ()> {
        let keys = &self.keys;
        let set = |key: &Kept, value: &Object<'py>| dict.set(key.get(py), value);
        let known = view.environ();
        let path = known.path().path_info();
        if !is_same(&last.path_info, path) {
            set(&keys.path_info, &py.latin1(path)?)?;
            last.path_info = path.into();
        }
        let query = view.query().as_bytes();
        if !is_same(&last.query, query) {
            set(&keys.query_string, &py.latin1(query)?)?;
            last.query = query.into();
        }
        let target = target(view).as_bytes();
        if !is_same(&last.target, target) {
            let text = py.latin1(target)?;
            set(&keys.request_uri, &text)?;
            set(&keys.raw_uri, &text)?;
            last.target = target.into();
        }
        if last.remote_addr != known.remote_addr {
            let address = known.remote_addr.map_or_else(|| py.latin1(b""), |it| clients.address(py, it))?;
            set(&keys.remote_addr, &address)?;
            last.remote_addr = known.remote_addr;
        }
        if last.remote_port != known.remote_port
            && let Some(port) = known.remote_port
        {
            set(&keys.remote_port, &clients.port(py, port)?)?;
            last.remote_port = Some(port);
        }
        Ok(())
    }

    /// Begins an environ with what many requests have in common: all that [`Usual`] looks at, and nothing else.
    pub(super) fn begun<'py>(&self, py: Python<'py>, view: &View<'_>) -> PyResult<'py, Object<'py>> {
        let dict = self.dict.get(py).copied()?;
        let keys = &self.keys;
        let set = |key: &Kept, value: &[u8]| dict.set(key.get(py), &py.latin1(value)?);
        let known = view.environ();
        let (server_name, server_port) = view.server();
        let scheme = known.scheme.as_str().as_bytes();
        set(&keys.request_method, view.method().as_str().as_bytes())?;
        set(&keys.script_name, &known.script_name())?;
        set(&keys.server_name, server_name.as_bytes())?;
        set(&keys.server_port, server_port.to_string().as_bytes())?;
        set(&keys.server_protocol, protocol(view.version()).as_bytes())?;
        set(&keys.server_software, known.server.software.as_bytes())?;
        set(&keys.request_scheme, scheme)?;
        set(&keys.url_scheme, scheme)?;
        if known.scheme == http_environ::Scheme::Https {
            set(&keys.https, b"on")?;
        }
        if let Some(host) = only_host(view) {
            set(&keys.http_host, host.as_bytes())?;
        }
        for (name, value) in &known.server.env {
            if !self.own.iter().any(|own| **own == **name) {
                dict.set(&py.str(name)?, &py.latin1(value)?)?;
            }
        }
        Ok(dict)
    }

    fn set_headers<'py>(
        &self,
        py: Python<'py>,
        names: &mut Names,
        view: &View<'_>,
        dict: &Object<'py>,
    ) -> PyResult<'py, ()> {
        let mut fields = view.headers().iter().peekable();
        while let Some((name, value)) = fields.next() {
            // The values of one name follow each other.
            let mut other = || fields.next_if(|(next, _)| std::ptr::eq(*next, name)).map(|(_, value)| value);
            let second = other();
            if *name == CONTENT_LENGTH {
                while other().is_some() {}
                continue;
            }
            // It is there from the beginning.
            if *name == HOST && second.is_none() {
                continue;
            }
            let value = match second {
                None => py.latin1(value.as_bytes())?,
                Some(second) => {
                    let others = std::iter::once(second).chain(std::iter::from_fn(other));
                    py.latin1(&joined(name, value, others))?
                }
            };
            if *name == CONTENT_TYPE {
                dict.set(self.keys.content_type.get(py), &value)?;
            } else if let Some(key) = names.header(py, name)? {
                dict.set(&key, &value)?;
            }
        }
        Ok(())
    }
}

/// `REQUEST_URI`
pub(crate) fn target<'a>(view: &View<'a>) -> &'a str {
    view.uri().path_and_query().map_or("/", |target| target.as_str())
}

/// Whether a variable is the same for all requests, and not set on the way of this one.
fn is_of_listener(environ: &Environ, name: &str, value: &[u8]) -> bool {
    environ.server.env.iter().any(|(listed, its)| **listed == *name && std::ptr::eq(its.as_ref(), value))
}

/// RFC 3875 section 4.1.18; RFC 6265 section 5.4 for cookies.
fn joined<'a>(
    name: &HeaderName,
    first: &HeaderValue,
    others: impl Iterator<Item = &'a HeaderValue>,
) -> Vec<u8> {
    let separator: &[u8] = if *name == COOKIE { b"; " } else { b"," };
    let mut whole = first.as_bytes().to_vec();
    for value in others {
        whole.extend_from_slice(separator);
        whole.extend_from_slice(value.as_bytes());
    }
    whole
}

/// `SERVER_PROTOCOL`
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}
