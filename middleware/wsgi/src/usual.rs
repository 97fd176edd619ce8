//! What environs have in common: one that is made for a request is copied for the next ones of the same kind.
//!
//! Requests of one listener differ in their paths, clients and headers; who asks them, for which host, by which method and under
//! which mount is nearly always one of few. To copy a dictionary costs less than to set one or two of its keys.

use std::sync::Arc;

use http::header::HOST;
use http::{HeaderValue, Method, Version};
use http_environ::{Scheme, Server, View};

use crate::environ::Template;
use crate::python::{Kept, Object, PyResult, Python};

/// How many kinds of requests a thread remembers; clients choose hosts and methods.
const REMEMBERED: usize = 8;

/// The beginnings of environs that one thread has made.
#[derive(Default)]
pub(crate) struct Usual {
    known: Vec<Beginning>,
    /// Which is forgotten for the next new one.
    oldest: usize,
}

struct Beginning {
    kind: RequestKind,
    /// From the second request on: many a kind has only one.
    dict: Option<Kept>,
}

/// All of a request that [`Template::begun`] reads.
struct RequestKind {
    /// The same one, and not only an equal one.
    server: Arc<Server>,
    method: Method,
    version: Version,
    scheme: Scheme,
    /// Copied: the header is a part of what was read from its connection, and would keep all of that.
    host: Box<[u8]>,
    server_port: Option<u16>,
    script_name: Box<[u8]>,
}

impl Usual {
    /// Begins an environ, as [`Template::begun`] does.
    pub(crate) fn begun<'py>(
        &mut self,
        py: Python<'py>,
        template: &Template,
        view: &View<'_>,
    ) -> PyResult<'py, Object<'py>> {
        // Where the host is said in another way, or twice, the request is of no usual kind.
        let Some(host) = only_host(view).filter(|_| view.uri().authority().is_none()) else {
            return template.begun(py, view);
        };
        let Some(known) = self.known.iter_mut().find(|known| known.kind.is_of(view, host)) else {
            self.remember(py, RequestKind::of(view, host));
            return template.begun(py, view);
        };
        if let Some(dict) = &known.dict {
            return dict.get(py).copied();
        }
        let dict = template.begun(py, view)?;
        known.dict = Some(dict.copied()?.keep());
        Ok(dict)
    }

    fn remember(&mut self, py: Python<'_>, kind: RequestKind) {
        let new = Beginning { kind, dict: None };
        if self.known.len() < REMEMBERED {
            self.known.push(new);
            return;
        }
        let forgotten = std::mem::replace(&mut self.known[self.oldest], new);
        forgotten.dict.into_iter().for_each(|dict| drop(dict.into_object(py)));
        self.oldest = (self.oldest + 1) % REMEMBERED;
    }
}

impl RequestKind {
    fn of(view: &View<'_>, host: &HeaderValue) -> Self {
        let environ = view.environ();
        Self {
            server: Arc::clone(&environ.server),
            method: view.method().clone(),
            version: view.version(),
            scheme: environ.scheme,
            host: host.as_bytes().into(),
            server_port: environ.server_port,
            script_name: environ.script_name().into(),
        }
    }

    fn is_of(&self, view: &View<'_>, host: &HeaderValue) -> bool {
        let environ = view.environ();
        Arc::ptr_eq(&self.server, &environ.server)
            && *self.host == *host.as_bytes()
            && self.method == *view.method()
            && self.version == view.version()
            && self.scheme == environ.scheme
            && self.server_port == environ.server_port
            && *self.script_name == *environ.script_name()
    }
}

/// The value of Host, where there is exactly one.
pub(crate) fn only_host<'a>(view: &View<'a>) -> Option<&'a HeaderValue> {
    let mut hosts = view.headers().get_all(HOST).iter();
    hosts.next().filter(|_| hosts.next().is_none())
}
