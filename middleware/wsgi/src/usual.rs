//! What environs have in common: one that is made for a request is copied for the next ones of the same kind.
//!
//! Requests of one listener differ in their paths, clients and headers; for which host they ask, by which method and under
//! which mount is nearly always one of few. To copy a dictionary costs what it costs to set three of its keys. So it
//! is what differs from the last request of the kind that is set, before the copy is taken.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::HOST;
use http::{HeaderValue, Method, Version};
use http_environ::{Scheme, Server, View};

use crate::clients::Clients;
use crate::environ::{Template, target};
use crate::python::{Kept, Object, PyResult, Python};

/// How many kinds of requests a thread remembers; clients choose hosts and methods.
const REMEMBERED: usize = 8;

/// Request targets that are longer are not kept until the next request.
const LONG: usize = 512;

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
    last: Option<(Kept, Varying)>,
}

/// What differs between the requests of a kind, as it stands in an environ: nothing at first.
#[derive(Clone, Default)]
pub(crate) struct Varying {
    pub(crate) path_info: Box<[u8]>,
    pub(crate) query: Box<[u8]>,
    pub(crate) target: Box<[u8]>,
    pub(crate) remote_addr: Option<IpAddr>,
    pub(crate) remote_port: Option<u16>,
}

/// All of a request that [`Template::begun`] reads, and what [`Template::vary`] never takes back.
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
    has_remote_port: bool,
}

impl Usual {
    /// Makes an environ, but for the input, what is told of the answer, the headers and the variables of this request alone.
    pub(crate) fn begun<'py>(
        &mut self,
        py: Python<'py>,
        template: &Template,
        clients: &mut Clients,
        view: &View<'_>,
    ) -> PyResult<'py, Object<'py>> {
        let Some((dict, last)) = self.last(py, template, view)? else {
            let dict = template.begun(py, view)?;
            template.vary(py, clients, view, &dict, &mut Varying::default())?;
            return Ok(dict);
        };
        if target(view).len() > LONG {
            let dict = dict.get(py).copied()?;
            template.vary(py, clients, view, &dict, &mut last.clone())?;
            return Ok(dict);
        }
        template.vary(py, clients, view, dict.get(py), last)?;
        dict.get(py).copied()
    }

    /// The beginning of the last environ of this kind, where the request is not the first one.
    fn last<'py>(
        &mut self,
        py: Python<'py>,
        template: &Template,
        view: &View<'_>,
    ) -> PyResult<'py, Option<&mut (Kept, Varying)>> {
        // Where the host is said in another way, or twice, the request is of no usual kind.
        let Some(host) = only_host(view).filter(|_| view.uri().authority().is_none()) else {
            return Ok(None);
        };
        let Some(known) = self.known.iter().position(|known| known.kind.is_of(view, host)) else {
            self.remember(py, RequestKind::of(view, host));
            return Ok(None);
        };
        let last = &mut self.known[known].last;
        if last.is_none() {
            *last = Some((template.begun(py, view)?.keep(), Varying::default()));
        }
        Ok(last.as_mut())
    }

    fn remember(&mut self, py: Python<'_>, kind: RequestKind) {
        let new = Beginning { kind, last: None };
        if self.known.len() < REMEMBERED {
            self.known.push(new);
            return;
        }
        std::mem::replace(&mut self.known[self.oldest], new).give_back(py);
        self.oldest = (self.oldest + 1) % REMEMBERED;
    }

    pub(crate) fn give_back(self, py: Python<'_>) {
        self.known.into_iter().for_each(|beginning| beginning.give_back(py));
    }
}

impl Beginning {
    fn give_back(self, py: Python<'_>) {
        self.last.into_iter().for_each(|(dict, _)| drop(dict.into_object(py)));
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
            has_remote_port: environ.remote_port.is_some(),
        }
    }

    fn is_of(&self, view: &View<'_>, host: &HeaderValue) -> bool {
        let environ = view.environ();
        Arc::ptr_eq(&self.server, &environ.server)
            && is_same(&self.host, host.as_bytes())
            && self.method == *view.method()
            && self.version == view.version()
            && self.scheme == environ.scheme
            && self.server_port == environ.server_port
            && self.has_remote_port == environ.remote_port.is_some()
            && is_same(&self.script_name, &environ.script_name())
    }
}

/// Whether two texts are the same. `memcmp` is not asked for the empty ones that most requests have: where the processor has
/// AVX-512, glibc's reads under a mask, even when that is empty, and an address of nothing (a `Box` of no bytes is at 1) then
/// takes the processor a hundred nanoseconds to find out.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && (one.is_empty() || one == other)
}

/// The value of Host, where there is exactly one.
pub(crate) fn only_host<'a>(view: &View<'a>) -> Option<&'a HeaderValue> {
    let mut hosts = view.headers().get_all(HOST).iter();
    hosts.next().filter(|_| hosts.next().is_none())
}
