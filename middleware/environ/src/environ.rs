//! What is known about a request beside the request itself.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Extensions, Uri};

use crate::path::{PathError, RequestPath};

/// The scheme that the client used, as far as the front server is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// `http`
    #[default]
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// `http` or `https`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// `REQUEST_ID`: the gateway's own number of a request, or the name that it was given. Cheap to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestId {
    /// A number of the gateway's
    Serial(u64),
    /// Given by a layer or by the front server
    Given(Arc<str>),
}

impl Default for RequestId {
    fn default() -> Self {
        Self::Serial(0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(number) => write!(f, "{number:016x}"),
            Self::Given(id) => f.write_str(id),
        }
    }
}

/// What is the same for all requests of a listener.
#[derive(Debug, Clone)]
pub struct Server {
    /// `SERVER_NAME` where the request has no Host
    pub name: String,
    /// The port that the listener is bound to; `None` for a unix socket
    pub port: Option<u16>,
    /// `SERVER_SOFTWARE`
    pub software: &'static str,
    /// Variables that join every environ
    pub env: Vec<(Arc<str>, Box<[u8]>)>,
    /// What the program that listens offers to whoever stands in a request's way
    pub extensions: Extensions,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            name: "localhost".into(),
            port: None,
            software: "http-environ",
            env: Vec::new(),
            extensions: Extensions::new(),
        }
    }
}

/// What is settled of a request further inside, for whoever has handed the request on and has no other way to learn it.
#[derive(Debug, Default)]
pub struct Settled(Mutex<Latest>);

/// What was settled last.
#[derive(Debug, Default, Clone)]
pub struct Latest {
    /// `SCRIPT_NAME`, after the last mount
    pub script_name: Box<[u8]>,
    /// `REQUEST_ID`, as it was named last
    pub request_id: RequestId,
    /// What the host of an application has measured, where one has answered
    pub hosted: Option<Hosted>,
}

/// How long a request took in the host of an application, until its answer began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosted {
    /// The application's name
    pub application: Arc<str>,
    /// In the queue, for a thread
    pub queued: Duration,
    /// For the interpreter's lock, as far as the host asks for it
    pub locked: Duration,
    /// In the application
    pub running: Duration,
}

impl Settled {
    /// What was settled so far.
    pub fn latest(&self) -> Latest {
        self.lock().clone()
    }

    /// An application has begun to answer.
    pub fn set_hosted(&self, hosted: Hosted) {
        self.lock().hosted = Some(hosted);
    }

    fn lock(&self) -> MutexGuard<'_, Latest> {
        // Nothing in it is left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known about a request beside the request itself. It travels in the request's extensions.
#[derive(Debug, Clone, Default)]
pub struct Environ {
    pub(crate) path: RequestPath,
    pub(crate) query: Option<Box<str>>,
    /// What is the same for all requests of the listener.
    pub server: Arc<Server>,
    /// The client's scheme.
    pub scheme: Scheme,
    /// The client's address; `None` where only a unix socket is known.
    pub remote_addr: Option<IpAddr>,
    /// The client's port, where it is known.
    pub remote_port: Option<u16>,
    /// The port that the client asked, where the front server said so.
    pub server_port: Option<u16>,
    /// The prefix that the front server has taken away already; it begins `SCRIPT_NAME`. No trailing slash.
    pub prefix: Box<[u8]>,
    /// `REQUEST_ID`
    pub request_id: RequestId,
    variables: Vec<(Arc<str>, Box<[u8]>)>,
    /// Somebody outside wants to know what is settled; usually nobody.
    settled: Option<Arc<Settled>>,
}

impl Environ {
    /// Begins the environ of a request with its target.
    pub fn for_target(target: &Uri) -> Result<Self, PathError> {
        Self::at(Arc::default(), target)
    }

    /// Begins the environ of a request that came to a listener.
    pub fn at(server: Arc<Server>, target: &Uri) -> Result<Self, PathError> {
        Ok(Self {
            path: RequestPath::parse(target.path())?,
            query: None,
            server,
            scheme: Scheme::default(),
            remote_addr: None,
            remote_port: None,
            server_port: None,
            prefix: Box::default(),
            request_id: RequestId::default(),
            variables: Vec::new(),
            settled: None,
        })
    }

    /// Where to ask, after the request was handed on, what was settled of it.
    pub fn settled(&mut self) -> Arc<Settled> {
        let settled = Arc::clone(self.settled.get_or_insert_default());
        *settled.lock() = Latest {
            script_name: self.script_name().into(),
            request_id: self.request_id.clone(),
            hosted: None,
        };
        settled
    }

    /// Who wants to know what is settled, if anybody does.
    pub fn asking(&self) -> Option<&Arc<Settled>> {
        self.settled.as_ref()
    }

    /// Moves `prefix` from `PATH_INFO` to `SCRIPT_NAME`; false, and nothing moved, where it does not cover the path.
    pub fn mount(&mut self, prefix: &str) -> bool {
        let is_mounted = self.path.mount(prefix);
        if let Some(settled) = &self.settled {
            settled.lock().script_name = self.script_name().into();
        }
        is_mounted
    }

    /// Gives the request another `REQUEST_ID`.
    pub fn name_request(&mut self, id: RequestId) {
        if let Some(settled) = &self.settled {
            settled.lock().request_id = id.clone();
        }
        self.request_id = id;
    }

    /// The path and how much of it is mounted.
    pub fn path(&self) -> &RequestPath {
        &self.path
    }

    /// The path, to rewrite it.
    pub fn path_mut(&mut self) -> &mut RequestPath {
        &mut self.path
    }

    /// Replaces the query that the request was sent with.
    pub fn set_query(&mut self, query: &str) {
        self.query = Some(query.into());
    }

    /// `SCRIPT_NAME`: the front server's prefix and the mounts.
    pub fn script_name(&self) -> Cow<'_, [u8]> {
        if self.prefix.is_empty() {
            self.path.script_name()
        } else {
            Cow::Owned([&*self.prefix, &*self.path.script_name()].concat())
        }
    }

    /// Sets a variable that is not derived from the request; a later value replaces an earlier one.
    pub fn set(&mut self, name: &Arc<str>, value: impl Into<Box<[u8]>>) {
        match self.variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.into(),
            None => self.variables.push((Arc::clone(name), value.into())),
        }
    }

    /// The variables that were set beside the request, the listener's own first.
    pub fn variables(&self) -> impl Iterator<Item = (&Arc<str>, &[u8])> {
        let listener =
            self.server.env.iter().filter(|(name, _)| !self.variables.iter().any(|(own, _)| own == name));
        listener.chain(&self.variables).map(|(name, value)| (name, value.as_ref()))
    }

    /// A variable that was set beside the request.
    pub fn variable(&self, name: &str) -> Option<&[u8]> {
        let find = |list: &'_ [(Arc<str>, Box<[u8]>)]| list.iter().position(|(known, _)| **known == *name);
        find(&self.variables)
            .map(|at| self.variables[at].1.as_ref())
            .or_else(|| find(&self.server.env).map(|at| self.server.env[at].1.as_ref()))
    }
}
