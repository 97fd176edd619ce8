//! The environ dictionary: a copy of a template, then what differs from request to request.

use std::collections::HashMap;
use std::net::IpAddr;

use http::Version;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue};
use http_environ::{Environ, Variable, View};

use crate::python::{Kept, Object, PyResult, Python};
use crate::usual::{Usual, only_host};

/// How many names of headers a thread remembers; clients choose them.
const REMEMBERED: usize = 256;

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
    pub(crate) errors: &'a Object<'py>,
    pub(crate) file_wrapper: &'a Object<'py>,
    pub(crate) multithread: bool,
    pub(crate) multiprocess: bool,
    pub(crate) variables: &'a [(String, String)],
}

/// What a request brings beside its [`View`].
pub(crate) struct Given<'a, 'py> {
    pub(crate) input: &'a Object<'py>,
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
            &keys.input,
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
        let dict = names.usual.begun(py, self, view)?;
        let keys = &self.keys;
        let set = |key: &Kept, value: &Object<'py>| dict.set(key.get(py), value);
        let known = view.environ();
        set(&keys.input, given.input)?;
        set(&keys.disconnected, given.disconnected)?;
        set(&keys.path_info, &py.latin1(known.path().path_info())?)?;
        if !view.query().is_empty() {
            set(&keys.query_string, &py.latin1(view.query().as_bytes())?)?;
        }
        let target = view.uri().path_and_query().map_or("/", |target| target.as_str());
        let target = py.latin1(target.as_bytes())?;
        set(&keys.request_uri, &target)?;
        set(&keys.raw_uri, &target)?;
        if let Some(address) = known.remote_addr {
            set(&keys.remote_addr, &names.address(py, address)?)?;
        }
        if let Some(port) = known.remote_port {
            set(&keys.remote_port, &py.latin1(port.to_string().as_bytes())?)?;
        }
        if let Some(length) = given.length {
            set(&keys.content_length, &py.latin1(length.to_string().as_bytes())?)?;
        }
        self.set_headers(py, names, view, &dict)?;
        for (name, value) in known.variables().filter(|(name, value)| !is_of_listener(known, name, value)) {
            dict.set(&py.str(name)?, &py.latin1(value)?)?;
        }
        Ok(dict)
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
        let mut last: Option<&HeaderName> = None;
        for (name, value) in view.headers() {
            // The values of one name follow each other.
            if last.is_some_and(|last| std::ptr::eq(last, name)) {
                continue;
            }
            last = Some(name);
            let key = if *name == CONTENT_TYPE {
                self.keys.content_type.get(py).clone()
            } else if *name == CONTENT_LENGTH {
                continue;
            } else {
                match names.header(py, name)? {
                    Some(key) => key,
                    None => continue,
                }
            };
            let mut others = view.headers().get_all(name).iter().skip(1).peekable();
            let value = match others.peek() {
                // It is there from the beginning.
                None if *name == HOST => continue,
                None => py.latin1(value.as_bytes())?,
                Some(_) => py.latin1(&joined(name, value, others))?,
            };
            dict.set(&key, &value)?;
        }
        Ok(())
    }
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

/// Objects that one thread has made before and is likely to need again.
#[derive(Default)]
pub(crate) struct Names {
    usual: Usual,
    headers: HashMap<HeaderName, Option<Kept>>,
    address: Option<(IpAddr, Kept)>,
}

impl Names {
    /// The key of a header; `None` where it has no variable.
    fn header<'py>(&mut self, py: Python<'py>, name: &HeaderName) -> PyResult<'py, Option<Object<'py>>> {
        if let Some(known) = self.headers.get(name) {
            return Ok(known.as_ref().map(|key| key.get(py).clone()));
        }
        let key = variable(name);
        if self.headers.len() >= REMEMBERED {
            return key.map(|key| py.latin1(key.as_bytes())).transpose();
        }
        let key = key.map(|key| py.interned(&key)).transpose()?;
        self.headers.insert(name.clone(), key.clone().map(Object::keep));
        Ok(key)
    }

    fn address<'py>(&mut self, py: Python<'py>, address: IpAddr) -> PyResult<'py, Object<'py>> {
        if let Some((known, object)) = &self.address
            && *known == address
        {
            return Ok(object.get(py).clone());
        }
        let object = py.latin1(address.to_string().as_bytes())?;
        if let Some((_, last)) = self.address.replace((address, object.clone().keep())) {
            drop(last.into_object(py));
        }
        Ok(object)
    }
}

/// `HTTP_*`, where the header has such a variable.
fn variable(header: &HeaderName) -> Option<String> {
    let name = format!("HTTP_{}", header.as_str().to_ascii_uppercase().replace('-', "_"));
    // A name with an underscore would be taken for another header's.
    let Ok(variable) = name.parse::<Variable>();
    (variable == Variable::Header(header.clone())).then_some(name)
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
