//! The line: a checked configuration becomes a running gateway, and each request goes straight through it.

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Extensions, HeaderValue, Method};
use http_environ::{RequestId, Server, View};
use vestibule_config::{Component, Config, Diagnostics, Kind, Kinds, Limits, Target};
use vestibule_layers::{Answer, Body, BoxService, Cause, Request, Response, Root, rescue};

use crate::backend::{self, Background, Context, LocalRedirects};
use crate::front;
use crate::hosted::{self, Hosted};
use crate::identity::{Connection, Identity, Peer};
use crate::listener::{Door, owner};
use crate::route::{Route, Router, predicate};
use crate::runtime::idle;
use crate::stack::Stack;
use crate::supervisor::watched::Watched;

/// `SERVER_SOFTWARE`
pub(crate) const SOFTWARE: &str = concat!("vestibule/", env!("CARGO_PKG_VERSION"));

/// Everything that a configuration may use.
pub fn kinds() -> Kinds {
    Kinds {
        protocols: front::protocols(),
        layers: vestibule_layers::KINDS.iter().map(|row| &row.kind).collect(),
        backends: backend::KINDS.iter().map(|row| &row.kind).collect(),
        predicates: predicate::KINDS.iter().map(|kind| -> &'static Kind { kind }).collect(),
        standard_variable: http_environ::is_standard,
        owner_mistake: owner::mistake,
    }
}

/// A running configuration. It never changes: a reload makes another one, in another process.
pub struct Gateway {
    identity: Identity,
    root: BoxService,
    stack: Stack,
    limits: Limits,
    config: Arc<Config>,
    background: Background,
}

impl Gateway {
    /// Builds everything that a configuration names: opens, compiles, imports. Binds nothing. `cores` is the number of
    /// threads that will serve requests.
    pub fn build(config: Config, cores: usize) -> Result<Self, Diagnostics> {
        Self::build_before(config, cores, Vec::new(), &|_| ())
    }

    /// The same where applications run in processes of their own, to each of which a door leads. `begin` is told of each
    /// backend before it is built, which may take long.
    pub(crate) fn build_before(
        config: Config,
        cores: usize,
        doors: Vec<Door>,
        begin: &dyn Fn(&str),
    ) -> Result<Self, Diagnostics> {
        let config = Arc::new(config);
        let mut diagnostics = Diagnostics::new();
        let stack = Stack::build(&config.layers, &config.routes, &mut diagnostics);
        let mut builder = Builder {
            config: &config,
            cores,
            begin,
            redirects: LocalRedirects::default(),
            background: Background::default(),
            doors: doors.into_iter().map(Arc::new).collect(),
            hosted: hosted::all(&config),
            apps: Vec::new(),
            diagnostics,
        };
        for app in &config.apps {
            let service = builder.backend(&app.backend, &app.name);
            builder.apps.push(service);
        }
        let routes = builder.routes(&config.routes, &stack.children);
        builder.redirects.lead_to(routes.clone());
        let root = stack.wrap(routes);
        if builder.diagnostics.has_errors() {
            return Err(builder.diagnostics);
        }
        let identity = Identity::new(config.trust.clone(), RandomState::new().hash_one(std::process::id()));
        let (limits, background) = (config.limits, builder.background);
        Ok(Self { identity, root, stack, limits, config: Arc::clone(&config), background })
    }

    /// Begins what backends do beside the requests, on the runtime of the calling thread. It ends with the gateway.
    pub fn start(&self) {
        self.background.start();
    }

    /// What is the same for all requests of a listener; `address` is `None` for a unix socket.
    pub fn server(&self, address: Option<SocketAddr>) -> Arc<Server> {
        let bound =
            address.filter(|address| !address.ip().is_unspecified()).map(|address| address.ip().to_string());
        let env = self.config.env.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into()));
        // What layers ask of the gateway itself begins where the layers around everything do.
        let mut extensions = Extensions::new();
        extensions.insert(Root::new(self.root.clone(), backend::outside()));
        Arc::new(Server {
            name: bound.unwrap_or_else(|| "localhost".into()),
            port: address.map(|address| address.port()),
            software: SOFTWARE,
            env: env.collect(),
            extensions,
        })
    }

    /// The limits of a connection.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The files that it was built from and whose change asks for a reload.
    pub(crate) fn watched(&self) -> Watched {
        Watched::new(self.stack.watched())
    }

    /// Has the layers log what they have counted.
    pub(crate) fn tell_totals(&self) {
        self.stack.tell_totals();
    }

    /// The configuration that runs.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether a peer may say for whom it asks.
    pub(crate) fn trusts(&self, peer: Peer) -> bool {
        self.identity.trusts(peer)
    }

    /// The number of the next request.
    pub fn number(&self) -> RequestId {
        self.identity.number()
    }

    /// Answers a request: front, identity, then the stack of layers and routes down to a backend.
    pub fn handle(&self, connection: &Connection, number: RequestId, mut request: Request) -> Answer {
        idle::stir();
        let at_once = |answer| -> Answer { Box::pin(std::future::ready(answer)) };
        if let Err(refused) = front::admit(&mut request) {
            return at_once(refuse(&number, &refused));
        }
        // The server as a whole is asked for its options (RFC 9110 section 9.3.7), no resource of it.
        if request.uri().path() == "*" && *request.method() == Method::OPTIONS {
            return at_once(Response::new(Body::Empty));
        }
        if let Err(bad_path) = self.identity.begin(connection, &number, &mut request) {
            return at_once(refuse(&number, &bad_path));
        }
        self.root.answer(request)
    }
}

/// 400, and the connection ends: who sends one malformed request may send another that is taken for its body.
fn refuse(number: &RequestId, reason: &(dyn std::error::Error + 'static)) -> Response {
    let mut answer = rescue(number, Cause::BadRequest, reason);
    answer.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Builds the tree from its leaves.
struct Builder<'a> {
    config: &'a Config,
    cores: usize,
    begin: &'a dyn Fn(&str),
    redirects: LocalRedirects,
    background: Background,
    /// To the processes of those that are hosted, in the same order.
    doors: Vec<Arc<Door>>,
    hosted: Vec<Hosted<'a>>,
    apps: Vec<BoxService>,
    diagnostics: Diagnostics,
}

impl Builder<'_> {
    fn routes(&mut self, routes: &[vestibule_config::Route], stacks: &[Stack]) -> BoxService {
        let built = routes.iter().zip(stacks).map(|(route, stack)| {
            let target = match &route.target {
                Target::App(number) => self.apps[*number].clone(),
                Target::Routes(children) => self.routes(children, &stack.children),
                Target::Backend(component) => self.backend(component, &hosted::name_in_place(component)),
            };
            Route::new(route, stack.wrap(target))
        });
        Router::new(built.collect()).into_service()
    }

    fn backend(&mut self, component: &Component, name: &str) -> BoxService {
        (self.begin)(name);
        let row = backend::KINDS.iter().find(|row| std::ptr::eq(&raw const row.kind, component.kind));
        let hosted = self.hosted.iter().position(|hosted| std::ptr::eq(hosted.backend.component, component));
        let door = hosted.and_then(|number| self.doors.get(number)).map(Arc::clone);
        let context = Context {
            name,
            config: self.config,
            cores: self.cores,
            redirects: &self.redirects,
            background: &self.background,
            door,
        };
        let built =
            (row.expect("the configuration uses kinds of the list").build)(&component.settings, &context);
        built.unwrap_or_else(|diagnostic| {
            self.diagnostics.push(diagnostic);
            unavailable()
        })
    }
}

/// Stands in for a backend that could not be built, so that the others are still tried: all mistakes come in one run.
fn unavailable() -> BoxService {
    #[derive(Debug, thiserror::Error)]
    #[error("the backend was not built")]
    struct NotBuilt;
    BoxService::from_fn(|request| {
        let answer = rescue(&View::of(&request).environ().request_id, Cause::BadGateway, &NotBuilt);
        std::future::ready(answer)
    })
}

#[cfg(test)]
mod tests;
