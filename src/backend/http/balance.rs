//! Which server gets a request.
//!
//! ```yaml
//! search:
//!   http:
//!     servers: ["10.0.0.5:8080", { address: "api.internal:8080", weight: 3 }, { srv: _http._tcp.search.internal }]
//!     balance: least_requests       # round_robin (default), p2c, { hash: "{REMOTE_ADDR}" }, { sticky: { cookie: route } }
//! ```
//!
//! A server of the file ([`entry`]) becomes one [`endpoint`] or, where it is a name, as many as it has addresses
//! ([`lookup`]); all together are a [`group`], of which each [`core`] has its own list. A [`Balancer`] chooses among those
//! that take requests ([`pick`]; [`hash`] and [`sticky`] bind a key or a client to one of them); what [`health`] checks, or
//! requests that fail, say of an endpoint is noted there. A request that fails is tried elsewhere within a [`budget`].
//!
//! Health and counts are those of one worker; turns, random numbers and budgets those of one core, so that no core waits for
//! another to choose. The order in which endpoints are asked: those that are ready, then backups, then those that have
//! failed of late, for a wrong guess about them must not become an outage. One that health checks call down gets nothing.

mod budget;
mod core;
pub(super) mod endpoint;
pub(super) mod entry;
mod group;
mod hash;
mod health;
mod lookup;
mod pick;
pub(super) mod settings;
mod sticky;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderValue, StatusCode};
use http_environ::{Template, View};
use tokio::task::JoinSet;
use vestibule_layers::Request;

use self::budget::Budget;
use self::core::Core;
use self::endpoint::{Endpoint, Failed, InFlight, Rules};
use self::entry::Entry;
use self::group::Group;
use self::lookup::Names;
use self::settings::{Settings, Statuses};
use self::sticky::{Session, Sticky};
use crate::runtime;

/// How an endpoint is chosen.
#[derive(Clone, Debug, Default)]
enum Method {
    #[default]
    RoundRobin,
    LeastRequests,
    TwoChoices,
    Hash(Template),
    Sticky(Sticky),
}

/// What a request says about its endpoint.
#[derive(Debug)]
pub(super) enum Wish {
    Any,
    /// The one that the key belongs to.
    Key(u64),
    /// The one that a cookie names.
    Session(Box<Session>),
}

impl Wish {
    /// The `Set-Cookie` that binds the client to an endpoint, where it is bound and does not know it.
    pub(super) fn cookie(&self, endpoint: &Endpoint) -> Option<HeaderValue> {
        match self {
            Self::Session(session) => session.bind(endpoint.id()),
            Self::Any | Self::Key(_) => None,
        }
    }
}

/// An endpoint as one core has it, with what that core keeps for it: its connections.
pub(super) struct Place<T> {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) kept: T,
}

/// Where a request goes.
pub(super) struct Chosen<T> {
    pub(super) place: Arc<Place<T>>,
    /// Counts the request for as long as it is kept.
    pub(super) in_flight: Option<InFlight>,
}

/// Why there is no endpoint for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// No name was looked up yet: [`Balancer::known`] waits for it.
    #[error("no server is known yet")]
    Unknown,
    /// All were tried, or are down, or there are none, or this request may not be tried again.
    #[error("no server is left to try: each is down, has failed, or has no known address")]
    NoneLeft,
    /// Too many requests have failed to try yet another one again.
    #[error("too many requests have failed to try this one again")]
    Spent,
    /// All have as many requests as they may have.
    #[error("all servers have as many requests as they may have")]
    Full,
}

/// What the choice of a backend is made by.
pub(super) struct Balancer<T> {
    method: Method,
    group: Arc<Group>,
    /// How many endpoints a request is tried at.
    attempts: usize,
    /// The statuses that count as no answer.
    failures: Vec<Statuses>,
    keep: Box<dyn Fn() -> T + Send + Sync>,
    /// Each is locked by its own core only: the lock is always free.
    cores: Box<[Mutex<Core<T>>]>,
}

impl<T> Balancer<T> {
    /// Chooses among servers. `keep` makes what each core keeps for an endpoint.
    pub(super) fn new(
        settings: &Settings,
        servers: &[Entry],
        cores: usize,
        keep: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self {
        let group = Arc::new(Group::new(Rules::new(settings), servers.len()));
        for (at, entry) in servers.iter().enumerate() {
            if let Some(target) = entry.fixed() {
                group.replace(at, &[target]);
            }
        }
        let seed = RandomState::new();
        let core = |number: usize| {
            Mutex::new(Core::new(number, seed.hash_one(number), Budget::new(settings.retry.budget)))
        };
        Self {
            method: settings.method.clone(),
            group,
            attempts: settings.retry.attempts,
            failures: settings.eject.status.clone(),
            keep: Box::new(keep),
            cores: (0..cores.max(1)).map(core).collect(),
        }
    }

    /// What is to be done beside the requests of an application: names are looked up again, and health is checked. `None` where
    /// nothing is.
    pub(super) fn background(
        &self,
        settings: &Settings,
        servers: Vec<Entry>,
        application: &str,
    ) -> Option<impl Future<Output = ()> + Send + 'static + use<T>> {
        let names = Names { server: settings.resolver, application: application.into() };
        let unknown: Vec<_> =
            servers.into_iter().enumerate().filter(|(_, entry)| entry.fixed().is_none()).collect();
        let health = settings.health.clone();
        let group = Arc::clone(&self.group);
        (!unknown.is_empty() || health.is_some()).then_some(async move {
            // They end with this future.
            let mut all = JoinSet::new();
            for (at, entry) in unknown {
                all.spawn(lookup::follow(names.clone(), entry, Arc::clone(&group), at));
            }
            if let Some(health) = health {
                all.spawn(health.watch(group));
            }
            while let Some(ended) = all.join_next().await {
                if let Err(error) = ended {
                    tracing::error!("what is done beside the requests of a backend has ended: {error}");
                }
            }
        })
    }

    /// What a request says about its endpoint. To be asked before its headers are made the upstream's.
    pub(super) fn wish(&self, request: &Request) -> Wish {
        match &self.method {
            Method::RoundRobin | Method::LeastRequests | Method::TwoChoices => Wish::Any,
            // What has no key belongs nowhere.
            Method::Hash(template) => match &*template.render(&View::of(request)) {
                b"" => Wish::Any,
                key => Wish::Key(hash::bytes(key)),
            },
            Method::Sticky(sticky) => Wish::Session(Box::new(sticky.session(&View::of(request)))),
        }
    }

    /// Chooses an endpoint that a request was not tried at.
    pub(super) fn choose(&self, wish: &Wish, tried: &[Arc<Place<T>>]) -> Result<Chosen<T>, Refused> {
        let mut core = self.core();
        core.follow(&self.group, &self.keep);
        if tried.is_empty() {
            core.budget.deposit();
        } else if tried.len() >= self.attempts {
            return Err(Refused::NoneLeft);
        } else if !core.budget.withdraw() {
            return Err(Refused::Spent);
        }
        // Another core may take the last room of an endpoint after this one has seen it.
        for _ in 0..=core.places.len() {
            let at = core.pick(&self.method, wish, tried).map_err(|refused| self.refused(refused))?;
            let place = &core.places[at];
            if let Ok(in_flight) = place.endpoint.enter() {
                return Ok(Chosen { place: Arc::clone(place), in_flight });
            }
        }
        Err(Refused::Full)
    }

    /// Notes the status that an endpoint has answered with.
    pub(super) fn answered(&self, endpoint: &Endpoint, status: StatusCode) {
        if self.failures.iter().any(|failure| failure.contains(status.as_u16())) {
            endpoint.failed(Failed::Unanswered, &status);
        } else {
            endpoint.succeeded();
        }
    }

    fn refused(&self, refused: Refused) -> Refused {
        if refused == Refused::NoneLeft && !self.group.is_known() { Refused::Unknown } else { refused }
    }

    /// Waits until there is an endpoint, or none to be waited for.
    pub(super) async fn known(&self) {
        self.group.known().await;
    }

    fn core(&self) -> MutexGuard<'_, Core<T>> {
        let core = &self.cores[runtime::core() % self.cores.len()];
        // Nothing in here is left half done by a panic.
        core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
