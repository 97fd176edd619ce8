//! Asks servers at intervals whether they are up.
//!
//! ```yaml
//! health: { path: /healthz, interval: 5s, timeout: 2s, healthy: 2, unhealthy: 3, status: [200-399] }
//! ```
//!
//! A plain GET over a connection of its own; of the answer, the status counts. So many checks in a row as `unhealthy` says must
//! fail before a server gets no more requests, and so many as `healthy` says succeed before it gets them again. Until it
//! was checked, a server counts as up.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use vestibule_layers::rescue::chain;

use super::endpoint::Endpoint;
use super::group::Group;
use super::settings::Statuses;
use crate::backend::http::server::Server;

/// How much of an answer is read in search of its status: there may be 1xx before it.
const HEAD: usize = 16 << 10;

/// How servers are checked.
#[derive(Clone, Debug)]
pub(in crate::backend::http) struct Health {
    /// The path, with its query, that is asked for.
    pub(super) path: String,
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
    #[error("failed to connect")]
    Connect(#[source] io::Error),
    #[error("the connection broke off")]
    Io(#[from] io::Error),
    #[error("no answer within {0:?}")]
    Slow(Duration),
    #[error("the answer is not HTTP/1")]
    Nonsense,
    #[error("status {0}")]
    Status(u16),
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
        if self.statuses.iter().any(|allowed| allowed.contains(status)) {
            Ok(())
        } else {
            Err(Unwell::Status(status))
        }
    }

    /// The status that a server answers with.
    async fn ask(&self, server: &Server) -> Result<u16, Unwell> {
        let mut stream = server.address().connect().await.map_err(Unwell::Connect)?;
        stream.write_all(&self.request(server)).await?;
        let mut head = Vec::new();
        loop {
            let mut piece = [0; 1024];
            let length = stream.read(&mut piece).await?;
            if length == 0 {
                return Err(Unwell::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            head.extend_from_slice(&piece[..length]);
            if let Some(status) = status(&head)? {
                return Ok(status);
            }
            if head.len() > HEAD {
                return Err(Unwell::Nonsense);
            }
        }
    }

    fn request(&self, server: &Server) -> Vec<u8> {
        let host = self.host.as_ref().unwrap_or_else(|| server.host());
        let mut request = format!("GET {} HTTP/1.1\r\nHost: ", self.path).into_bytes();
        request.extend_from_slice(host.as_bytes());
        request.extend_from_slice(b"\r\nUser-Agent: vestibule-health\r\nConnection: close\r\n\r\n");
        request
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

/// The status of an answer that has begun, once its line is there. What comes before the answer (1xx) is passed over.
fn status(mut head: &[u8]) -> Result<Option<u16>, Unwell> {
    loop {
        let Some(end) = head.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let status = status_line(head[..end].trim_ascii_end()).ok_or(Unwell::Nonsense)?;
        if status >= 200 {
            return Ok(Some(status));
        }
        let Some(blank) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
        head = &head[blank + 4..];
    }
}

fn status_line(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let [b'0'..=b'9', b' ', code @ ..] = rest else { return None };
    let code = std::str::from_utf8(code.split(|byte| *byte == b' ').next()?).ok()?;
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    code.parse().ok().filter(|status| is_code && *status >= 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_that_of_the_answer() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 503\r\nA: b\r\n", Some(503)),
            ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n", Some(204)),
            ("HTTP/1.1 100 Continue\r\n\r\n", None),
            ("HTTP/1.1 100 Continue\r\nA:", None),
            ("HTTP/1.1 20", None),
            ("", None),
        ] {
            assert_eq!(status(head.as_bytes()).unwrap(), expected, "{head}");
        }
        for nonsense in [
            "\n",
            "SSH-2.0\r\n",
            "HTTP/1.1 +20 OK\r\n",
            "HTTP/1.1 2000\r\n",
            "HTTP/2 200\n",
            "HTTP/1.1 099\n",
        ] {
            assert!(status(nonsense.as_bytes()).is_err(), "{nonsense}");
        }
    }
}
