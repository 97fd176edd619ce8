//! (4) The route tree: which node answers, by URL and by environ.
//!
//! A [`Router`] is one level of the tree: routes in file order, of which the first that matches wins. A parent's layers
//! stand around the router of its children, so route and stack alternate down to a backend.

mod index;
mod pattern;
pub mod predicate;
mod value;

use std::borrow::Cow;
use std::sync::Arc;

use http_environ::{Environ, View};
use index::{Index, Place};
use pattern::PathPattern;
use predicate::Shared;
pub use value::Value;
use vestibule_config::{self as config, pattern::Pattern};
use vestibule_layers::{Answer, BoxService, Cause, Request, rescue};

/// What a route has captured from a request: environ variables of everything inside of it.
pub type Captures = Vec<(Arc<str>, Box<[u8]>)>;

/// One level of the route tree.
pub struct Router {
    index: Index,
    routes: Vec<Route>,
}

/// A node of the tree: what a request must be like, and what answers it then.
pub struct Route {
    mount: Option<Box<str>>,
    pattern: Option<PathPattern>,
    conditions: Vec<Condition>,
    service: BoxService,
}

enum Condition {
    Is(Shared),
    Not(Vec<Condition>),
    Any(Vec<Vec<Condition>>),
}

impl Router {
    /// Makes a level of its routes, in file order.
    pub fn new(routes: Vec<Route>) -> Self {
        let index = Index::new(routes.iter().map(Route::place));
        Self { index, routes }
    }

    /// The service that hands each request to its route.
    pub fn into_service(self) -> BoxService {
        BoxService::from_answering(move |request| self.answer(request))
    }

    fn answer(&self, mut request: Request) -> Answer {
        let Some((route, captures)) = self.find(&View::of(&request)) else {
            let answer = rescue(&View::of(&request).environ().request_id, Cause::NoRoute, &NoRoute);
            return Box::pin(std::future::ready(answer));
        };
        if let Some(environ) = request.extensions_mut().get_mut::<Environ>() {
            for (name, value) in captures {
                environ.set(&name, value);
            }
            if let Some(mount) = &route.mount {
                environ.mount(mount);
            }
        }
        route.service.answer(request)
    }

    /// The first route that matches, and what it captured.
    fn find(&self, view: &View<'_>) -> Option<(&Route, Captures)> {
        let host = if self.index.has_hosts() { host(view) } else { Cow::Borrowed("") };
        let path = view.environ().path().matched();
        let mut captures = Captures::new();
        let candidates = self.index.candidates(&host, &path);
        let route = candidates.map(|number| &self.routes[number as usize]).find(|route| {
            captures.clear();
            route.matches(view, &path, &mut captures)
        });
        route.map(|route| (route, captures))
    }
}

impl Route {
    /// A node as the configuration has it, around the service that answers its requests.
    ///
    /// # Panics
    /// With a `path` that the configuration has not checked.
    pub fn new(route: &config::Route, service: BoxService) -> Self {
        Self {
            mount: route.mount.as_ref().map(|mount| mount.as_str().into()),
            pattern: route.path.as_ref().map(|path| {
                PathPattern::new(Pattern::parse(path).expect("the configuration has checked its patterns"))
            }),
            conditions: route.conditions.iter().map(Condition::new).collect(),
            service,
        }
    }

    /// Whether it matches a request whose [matched path](http_environ::RequestPath::matched) is `path`.
    fn matches(&self, view: &View<'_>, path: &[u8], captures: &mut Captures) -> bool {
        self.mount.as_ref().is_none_or(|mount| view.environ().path().is_under(mount))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(path, captures))
            && self.conditions.iter().all(|condition| condition.holds(view, captures))
    }

    fn place(&self) -> Place<'_> {
        let hosts = self.conditions.iter().find_map(|condition| match condition {
            Condition::Is(predicate) => predicate.hosts(),
            _ => None,
        });
        let mount = || self.mount.as_ref().map(|mount| mount.trim_end_matches('/').to_owned());
        let prefix =
            self.pattern.as_ref().map(PathPattern::literal_prefix).or_else(mount).unwrap_or_default();
        Place { hosts, prefix }
    }
}

impl Condition {
    fn new(condition: &config::Condition) -> Self {
        let all = |conditions: &Vec<config::Condition>| conditions.iter().map(Self::new).collect();
        match condition {
            config::Condition::Is(component) => Self::Is(Shared::clone(component.settings.get())),
            config::Condition::Not(conditions) => Self::Not(all(conditions)),
            config::Condition::Any(lists) => Self::Any(lists.iter().map(all).collect()),
        }
    }

    fn holds(&self, view: &View<'_>, captures: &mut Captures) -> bool {
        match self {
            Self::Is(predicate) => predicate.holds(view, captures),
            // What must not be the case captures nothing.
            Self::Not(conditions) => {
                !conditions.iter().all(|condition| condition.holds(view, &mut Captures::new()))
            }
            Self::Any(lists) => lists.iter().any(|list| {
                let before = captures.len();
                let holds = list.iter().all(|condition| condition.holds(view, captures));
                if !holds {
                    captures.truncate(before);
                }
                holds
            }),
        }
    }
}

/// The host that was asked for, in lower case. A dot at its end, which says that the name is whole, makes it no other.
fn host<'a>(view: &View<'a>) -> Cow<'a, str> {
    let host = view.server_name();
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no route matches")]
struct NoRoute;

#[cfg(test)]
mod tests;
