//! Asks servers at intervals whether they are up.
//!
//! ```yaml
//! health: { path: /healthz, interval: 5s, timeout: 2s, healthy: 2, unhealthy: 3, status: [200-399] }
//! ```
//!
//! A plain GET over a connection of its own, in the version of HTTP that requests have; of the answer, the status counts. So many checks in a row as `unhealthy` says must
//! fail before a server gets no more requests, and so many as `healthy` says succeed before it gets them again. Until it
//! was checked, a server counts as up.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use vestibule_layers::rescue::chain;
use vestibule_layers::{Body, Request};

use super::endpoint::Endpoint;
use super::group::Group;
use super::settings::Statuses;
use crate::backend::http::failure::Failure;
use crate::backend::http::request_head::Asked;
use crate::backend::http::server::Server;
use crate::backend::http::{answer, http2, request_head};
use crate::backend::upstream::exchange::Exchange;
use crate::backend::upstream::upload::{Framing, Upload};

/// The largest head of an answer, with what precedes it.
const HEAD: usize = 64 << 10;

/// Who asks, for the logs of the servers.
const AGENT: &str = "vestibule-health";

/// How servers are checked.
#[derive(Clone, Debug)]
pub(in crate::backend::http) struct Health {
    /// Whether they speak HTTP/2.
    pub(super) http2: bool,
    /// The path, with its query, that is asked for.
    pub(super) path: PathAndQuery,
    /// The Host of the request; by default the server's own.
    pub(super) host: Option<HeaderValue>,
    /// How long from one check to the next; 5s by default.
    pub(super) interval: Duration,
    /// How long the status of an answer may take to come; 2s by default.
    pub(super) timeout: Duration,
    /// How many checks in a row bring a server back; 2 by default.
    pub(super) healthy: u32,
    /// How many failed checks in a row put it down; 3 by default.
    pub(super) unhealthy: u32,
    /// The statuses of a server that is up, `204` or `200-399` (the default).
    pub(super) statuses: Vec<Statuses>,
}

/// What is wrong with a server.
#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error("no answer within {0:?}")]
    Slow(Duration),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("status {}", .0.as_u16())]
    Status(StatusCode),
}

/// An endpoint, and how many checks in a row had the same outcome.
struct Watched {
    endpoint: Arc<Endpoint>,
    succeeded: u32,
    failed: u32,
}

impl Health {
    /// Checks all endpoints, again and again.
    pub(super) async fn watch(self, group: Arc<Group>) {
        group.known().await;
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let health = Arc::new(self);
        let mut watched = Vec::new();
        loop {
            ticks.tick().await;
            watched = follow(watched, group.list().1);
            health.round(&mut watched).await;
        }
    }

    /// Checks all at once. The checks end with this future.
    async fn round(self: &Arc<Self>, watched: &mut [Watched]) {
        let mut checks = JoinSet::new();
        for (at, watched) in watched.iter().enumerate() {
            let (health, endpoint) = (Arc::clone(self), Arc::clone(&watched.endpoint));
            checks.spawn(async move { (at, health.check(endpoint.server()).await) });
        }
        while let Some(checked) = checks.join_next().await {
            if let Ok((at, outcome)) = checked {
                watched[at].note(&outcome, self);
            }
        }
    }

    async fn check(&self, server: &Server) -> Result<(), Unwell> {
        let asked = tokio::time::timeout(self.timeout, self.ask(server)).await;
        let status = asked.map_err(|_| Unwell::Slow(self.timeout))??;
        if self.statuses.iter().any(|allowed| allowed.contains(status.as_u16())) {
            Ok(())
        } else {
            Err(Unwell::Status(status))
        }
    }

    /// The status that a server answers with.
    async fn ask(&self, server: &Server) -> Result<StatusCode, Failure> {
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = self.path.clone().into();
        let host = self.host.as_ref().unwrap_or_else(|| server.host());
        request.headers_mut().insert(HOST, host.clone());
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if self.http2 { http2::status(server, request, HEAD).await } else { self.ask1(server, request).await }
    }

    async fn ask1(&self, server: &Server, mut request: Request) -> Result<StatusCode, Failure> {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        // `check` gives it up before: whatever it waits for, what is told is the same.
        let longer = self.timeout * 2;
        let connection = server.connect(longer, longer).await?;
        let framing = Framing::Length(0);
        let upload = Upload::new(request_head::ask(&request, framing), Body::Empty, framing);
        let (head, _) =
            answer::head(&mut Exchange::new(connection, upload), &mut request, Asked::default(), HEAD)
                .await?;
        Ok(head.status)
    }
}

impl Watched {
    fn note(&mut self, outcome: &Result<(), Unwell>, health: &Health) {
        let server = self.endpoint.server();
        match outcome {
            Ok(()) => {
                self.failed = 0;
                self.succeeded = self.succeeded.saturating_add(1);
                if self.endpoint.is_down() && self.succeeded >= health.healthy {
                    self.endpoint.set_down(false);
                    tracing::info!(%server, "a server is up again");
                }
            }
            Err(unwell) => {
                self.succeeded = 0;
                self.failed = self.failed.saturating_add(1);
                if !self.endpoint.is_down() && self.failed >= health.unhealthy {
                    self.endpoint.set_down(true);
                    tracing::warn!(%server, "a server is down and gets no requests: {}", chain(unwell));
                }
            }
        }
    }
}

/// The endpoints of now, with what is known of those that were there before.
fn follow(mut watched: Vec<Watched>, endpoints: Vec<Arc<Endpoint>>) -> Vec<Watched> {
    let followed = endpoints.into_iter().map(|endpoint| {
        let known = watched.iter().position(|watched| Arc::ptr_eq(&watched.endpoint, &endpoint));
        known.map_or_else(|| Watched { endpoint, succeeded: 0, failed: 0 }, |at| watched.swap_remove(at))
    });
    followed.collect()
}
