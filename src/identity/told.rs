//! What a front server tells of a request beside its headers, where the protocol has words for it: the variables of uwsgi, SCGI
//! and FastCGI. Only trusted peers are listened to at all, so all of it is believed, but for what Host says already.
//!
//! Who has logged in is believed with `trust: { user: true }` only: nginx's own `fastcgi_params` have a `REMOTE_USER`, which is
//! whatever name a client sends to a location that asks for no password.

use std::sync::Arc;

use http::HeaderMap;
use http::header::HOST;
use http_environ::{Environ, Scheme};

/// What a front server has told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// `HTTPS`, `REQUEST_SCHEME`
    pub scheme: Scheme,
    /// `SERVER_PORT`
    pub server_port: Option<u16>,
    /// `SCRIPT_NAME`
    pub script_name: Box<[u8]>,
    /// `REMOTE_USER`
    pub user: Option<Box<[u8]>>,
    /// `AUTH_TYPE`
    pub auth_type: Option<Box<[u8]>>,
}

impl Told {
    /// Joins the environ of a request.
    pub(super) fn join(&self, environ: &mut Environ, headers: &HeaderMap) {
        environ.scheme = self.scheme;
        // The port in Host is what the client asked for; the front server may be reached by another.
        if !names_port(headers) {
            environ.server_port = self.server_port;
        }
        self.mount(environ);
    }

    /// Joins who has logged in, as the front server says.
    pub(super) fn join_user(&self, environ: &mut Environ) {
        for (name, value) in [("REMOTE_USER", &self.user), ("AUTH_TYPE", &self.auth_type)] {
            if let Some(value) = value {
                environ.set(&Arc::from(name), value.clone());
            }
        }
    }

    /// `SCRIPT_NAME` is the front server's own prefix where it covers the beginning of the path. nginx's `fastcgi_params` say
    /// the whole path in it, normalised: that is none, nor is `/a/`, which may be said for `/a//`.
    fn mount(&self, environ: &mut Environ) {
        let Ok(prefix) = std::str::from_utf8(&self.script_name) else { return };
        if prefix.ends_with('/') {
            return;
        }
        let mut path = environ.path().clone();
        if path.mount(prefix) && !path.path_info().is_empty() {
            *environ.path_mut() = path;
        }
    }
}

fn names_port(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http_environ::View;

    use super::*;

    fn variables(target: &str, host: &'static str, told: &Told) -> [String; 4] {
        let mut request = http::Request::get(target).body(()).unwrap();
        request.headers_mut().insert(HOST, HeaderValue::from_static(host));
        let mut environ = Environ::for_target(request.uri()).unwrap();
        told.join(&mut environ, request.headers());
        request.extensions_mut().insert(environ);
        ["SCRIPT_NAME", "PATH_INFO", "SERVER_PORT", "REQUEST_SCHEME"].map(|name| {
            let value = View::of(&request).get(&name.parse().unwrap()).unwrap();
            String::from_utf8(value.into_owned()).unwrap()
        })
    }

    #[test]
    fn a_script_name_that_covers_the_beginning_of_the_path_is_a_prefix() {
        for (script_name, target, expected) in [
            ("/shop", "/shop/a%20b?c", ["/shop", "/a b"]),
            ("/shop", "/shop/", ["/shop", "/"]),
            ("/shop/", "/shop/", ["", "/shop/"]),
            ("/shop/", "/shop//", ["", "/shop//"]),
            ("/sh%op", "/sh%25op/", ["/sh%op", "/"]),
            ("/shop", "/shopping/a", ["", "/shopping/a"]),
            ("/shop", "/shop", ["", "/shop"]),
            ("/a/b", "/a/b", ["", "/a/b"]),
            ("", "/a", ["", "/a"]),
            ("/", "/a", ["", "/a"]),
        ] {
            let told = Told { script_name: script_name.as_bytes().into(), ..Told::default() };
            assert_eq!(variables(target, "h", &told)[..2], expected, "{script_name} {target}");
        }
    }

    #[test]
    fn the_port_in_host_counts_first() {
        let told = Told { scheme: Scheme::Https, server_port: Some(8443), ..Told::default() };
        for (host, port) in [("h", "8443"), ("h:1", "1"), ("[::1]", "8443"), ("[::1]:2", "2")] {
            assert_eq!(variables("/", host, &told)[2..], [port, "https"], "{host}");
        }
    }
}
