//! Accepts connections and gives each to a core, as many as the limit allows.
//!
//! Each connection holds a permit of the limit. Whoever accepts takes the permit first: at the limit clients wait in
//! the sockets' queues, where another worker may take them. And whoever gets all permits at once knows that no connection
//! is left.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time;

use super::phase::Phase;
use super::socket::Socket;
use super::{Cores, Stage};
use crate::front::{self, Entrance};
use crate::gateway::Gateway;
use crate::identity::Peer;
use crate::listener::{Accepted, Listener};

/// How long to wait when the system is out of file descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(100);

/// All connections of a worker.
pub(crate) struct Acceptor {
    shared: Arc<Shared>,
    stage: watch::Sender<Stage>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    gateway: Arc<Gateway>,
    cores: Cores,
    limit: u32,
    permits: Arc<Semaphore>,
}

impl Acceptor {
    /// Prepares to accept, as many connections at once as the configuration allows.
    pub(crate) fn new(gateway: Arc<Gateway>, cores: Cores) -> Self {
        let limit =
            u32::try_from(gateway.limits().connections.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let permits = Arc::new(Semaphore::new(limit as usize));
        let shared = Arc::new(Shared { gateway, cores, limit, permits });
        Self { shared, stage: watch::Sender::new(Stage::Serving), accepting: None }
    }

    /// Accepts from the sockets until the drain.
    pub(crate) fn accept_from(&mut self, listeners: Vec<Listener>) {
        let gateway = &self.shared.gateway;
        // The sockets come in the order of the configuration.
        let doors = gateway.config().listen.iter().zip(listeners).map(|(listen, listener)| {
            let server = gateway.server(listener.address());
            let entrance =
                Entrance { server, protocol: listen.protocol, proxy_protocol: listen.proxy_protocol };
            (Arc::new(entrance), listener)
        });
        let doors = Doors { doors: doors.collect(), next: 0 };
        let accept = accept_until_drained(Arc::clone(&self.shared), doors, self.stage.subscribe());
        self.accepting = Some(tokio::spawn(accept));
    }

    /// Moves all connections to another stage; any but the first ends accepting.
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Waits until no connection is left, after a stage that ends them has been entered.
    pub(crate) async fn drained(&mut self) {
        if let Some(accepting) = &mut self.accepting {
            // Either it has ended or it panicked: it accepts no more.
            drop(accepting.await);
            self.accepting = None;
        }
        // The semaphore is never closed: all permits come, sooner or later.
        drop(self.shared.permits.acquire_many(self.shared.limit).await);
    }

    /// The number of connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.shared.limit as usize - self.shared.permits.available_permits()
    }

    /// Ends whatever is still open.
    pub(crate) fn stop(self) {
        if let Some(accepting) = self.accepting {
            accepting.abort();
        }
        if let Some(shared) = Arc::into_inner(self.shared) {
            shared.cores.stop();
        }
    }
}

/// The listening sockets, each with what it is for. They are tried in turn, so that a busy one
/// does not starve the others.
struct Doors {
    doors: Vec<(Arc<Entrance>, Listener)>,
    next: usize,
}

impl Doors {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<(Arc<Entrance>, Accepted)>> {
        for _ in 0..self.doors.len() {
            self.next = (self.next + 1) % self.doors.len();
            let (entrance, listener) = &self.doors[self.next];
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                return Poll::Ready(accepted.map(|accepted| (Arc::clone(entrance), accepted)));
            }
        }
        Poll::Pending
    }

    /// Accepts who waits already.
    async fn accept_waiting(&mut self) -> Option<(Arc<Entrance>, Accepted)> {
        poll_fn(|context| match self.poll_accept(context) {
            Poll::Ready(accepted) => Poll::Ready(accepted.ok()),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
}

async fn accept_until_drained(shared: Arc<Shared>, mut doors: Doors, stage: watch::Receiver<Stage>) {
    let mut draining = stage.clone();
    // An error means that the acceptor is gone, and all connections with it.
    let mut drained = pin!(async move { drop(draining.wait_for(|stage| *stage != Stage::Serving).await) });
    let (mut full, mut failing) = (false, false);
    loop {
        let accepted = async {
            let permit = shared.permit(&mut full).await;
            (permit, poll_fn(|context| doors.poll_accept(context)).await)
        };
        let (permit, accepted) = tokio::select! {
            biased;
            () = &mut drained => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((entrance, accepted)) => {
                failing = false;
                shared.serve(entrance, accepted, permit, &stage);
            }
            // The client was faster than we: the next one may be waiting.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!("failed to accept a connection, trying on: {error}");
                }
                drop(permit);
                time::sleep(BACK_OFF).await;
            }
        }
    }
    // Whoever waits in a queue by now is still served: on a socket that is listed no more, nobody else would.
    while let Ok(permit) = Arc::clone(&shared.permits).try_acquire_owned()
        && let Some((entrance, accepted)) = doors.accept_waiting().await
    {
        shared.serve(entrance, accepted, permit, &stage);
    }
}

impl Shared {
    /// Waits for the right to accept. `full` tells whether the log knows that the limit is reached.
    async fn permit(&self, full: &mut bool) -> OwnedSemaphorePermit {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            *full = false;
            return permit;
        }
        if !std::mem::replace(full, true) {
            tracing::warn!(limit = self.limit, "`limits: connections` is reached; further clients wait");
        }
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        permit.expect("the semaphore is never closed")
    }

    /// Gives a connection to a core.
    fn serve(
        &self,
        entrance: Arc<Entrance>,
        accepted: Accepted,
        permit: OwnedSemaphorePermit,
        stage: &watch::Receiver<Stage>,
    ) {
        let given = match accepted {
            Accepted::Tcp(io, peer) => self.give(io, entrance, Peer::Tcp(peer), permit, stage),
            Accepted::Unix(io) => self.give(io, entrance, Peer::Unix, permit, stage),
        };
        if let Err(error) = given {
            tracing::error!("failed to give a connection to its core: {error}");
        }
    }

    fn give<I: Movable>(
        &self,
        io: I,
        entrance: Arc<Entrance>,
        peer: Peer,
        permit: OwnedSemaphorePermit,
        stage: &watch::Receiver<Stage>,
    ) -> io::Result<()> {
        let (gateway, stage) = (Arc::clone(&self.gateway), stage.clone());
        let begin = move |io: I| front::begin(io, entrance, peer, gateway, stage);
        let core = self.cores.least_loaded();
        if core.is_here() {
            if let Some(first) = begin(io) {
                core.spawn(first, permit);
            }
            return Ok(());
        }
        let still = io.leave()?;
        let first = Phase::new(async move {
            match I::join(still) {
                Ok(io) => begin(io),
                Err(error) => {
                    tracing::error!("failed to take over a connection: {error}");
                    None
                }
            }
        });
        core.spawn(first, permit);
        Ok(())
    }
}

/// A connection that can go to the runtime of another core.
trait Movable: Socket + Sized {
    /// It, while it belongs to no runtime.
    type Still: Send;

    /// Leaves the runtime that it was accepted in.
    fn leave(self) -> io::Result<Self::Still>;

    /// Joins the runtime of the calling thread.
    fn join(still: Self::Still) -> io::Result<Self>;
}

impl Movable for TcpStream {
    type Still = std::net::TcpStream;

    fn leave(self) -> io::Result<Self::Still> {
        self.into_std()
    }

    fn join(still: Self::Still) -> io::Result<Self> {
        Self::from_std(still)
    }
}

impl Movable for UnixStream {
    type Still = std::os::unix::net::UnixStream;

    fn leave(self) -> io::Result<Self::Still> {
        self.into_std()
    }

    fn join(still: Self::Still) -> io::Result<Self> {
        Self::from_std(still)
    }
}
