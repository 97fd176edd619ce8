//! The gateway's own I/O: one single-threaded tokio runtime per core.
//!
//! The worker's main thread serves core 0, and accepts; the other cores have a thread each. A connection is given to the
//! core with the fewest open ones and stays there, with everything that it needs (upstream pools are found by [`core()`]);
//! on one core, nothing crosses threads. This module and its `acceptor` are all that knows of it, so that the model can be
//! revisited on machines with more cores. `seldom` spares a task to ask what has not moved, `phase` is what becomes of
//! a connection, `socket` reads and writes, `room` is what a thread receives into, `memory` gives back what is free, and
//! `idle` what can be had again.

pub(crate) mod acceptor;
pub(crate) mod idle;
pub(crate) mod memory;
pub(crate) mod phase;
pub(crate) mod room;
pub(crate) mod seldom;
pub(crate) mod socket;

use std::cell::Cell;
use std::io;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;

use self::phase::Phase;

thread_local! {
    static CORE: Cell<usize> = const { Cell::new(0) };
}

/// The number of the core that this thread serves; 0 on other threads.
pub fn core() -> usize {
    CORE.get()
}

/// How far the end of a worker's connections has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Stage {
    /// They are served.
    Serving,
    /// Newer workers accept. A connection that the front server keeps open is answered once more, with `Connection: close`:
    /// closed without a word, it might be lost under a request that is just being sent, and no front server sends a
    /// POST twice.
    Retiring,
    /// Every connection ends with the request in flight, and an idle one at once.
    Closing,
}

/// How many cores each of `workers` serves: an equal share of those that this process may run on, at least 1.
pub(crate) fn share(workers: usize) -> usize {
    let all = std::thread::available_parallelism().map_or(1, NonZero::get);
    (all / workers.max(1)).max(1)
}

/// The runtime of one core.
pub(crate) fn of_one_core() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The cores that a worker serves.
#[derive(Debug)]
pub(crate) struct Cores {
    all: Vec<Core>,
    threads: Vec<JoinHandle<()>>,
    /// Its end is the end of the threads.
    running: watch::Sender<()>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Core {
    number: usize,
    handle: Handle,
    open: Arc<AtomicUsize>,
}

impl Cores {
    /// Takes the calling thread's runtime for core 0, and starts a thread for each of the others.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let (running, _) = watch::channel(());
        let mut cores = Self { all: vec![Core::new(0, Handle::current())], threads: Vec::new(), running };
        for number in 1..count {
            cores.add(number)?;
        }
        Ok(cores)
    }

    fn add(&mut self, number: usize) -> io::Result<()> {
        let runtime = of_one_core()?;
        self.all.push(Core::new(number, runtime.handle().clone()));
        let mut running = self.running.subscribe();
        let serve = move || {
            CORE.set(number);
            // Nothing is ever sent: the wait ends when the sender does.
            runtime.block_on(async { while running.changed().await.is_ok() {} });
        };
        self.threads.push(std::thread::Builder::new().name(format!("core-{number}")).spawn(serve)?);
        Ok(())
    }

    /// The core with the fewest open connections.
    pub(crate) fn least_loaded(&self) -> &Core {
        let least = self.all.iter().min_by_key(|core| core.open.load(Ordering::Relaxed));
        least.expect("core 0 is always there")
    }

    /// Ends the other cores, and whatever still runs there.
    pub(crate) fn stop(self) {
        drop(self.running);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a core ended in a panic");
            }
        }
    }
}

impl Core {
    fn new(number: usize, handle: Handle) -> Self {
        Self { number, handle, open: Arc::default() }
    }

    /// Whether it is the one that the calling thread serves.
    pub(crate) fn is_here(&self) -> bool {
        self.number == core()
    }

    /// Serves a connection on this core. It counts as open until its last phase ends; `held` is dropped then.
    pub(crate) fn spawn(&self, first: Phase, held: impl Send + Unpin + 'static) {
        self.open.fetch_add(1, Ordering::Relaxed);
        let open = Open(Arc::clone(&self.open));
        self.handle.spawn(Served { phase: first, _open: open, _held: held });
    }
}

/// A connection that is served.
struct Served<H> {
    phase: Phase,
    _open: Open,
    _held: H,
}

impl<H: Unpin> Future for Served<H> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.phase).poll(cx)
    }
}

/// An open connection, in the count of its core.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn connections_are_spread_over_the_cores_and_know_theirs() {
        of_one_core().unwrap().block_on(async {
            let cores = Cores::start(3).unwrap();
            let (end, _) = watch::channel(());
            let mut served = Vec::new();
            for _ in 0..6 {
                let (tell, told) = oneshot::channel();
                let mut ended = end.subscribe();
                let connection = Phase::last(async move {
                    tell.send(core()).unwrap();
                    while ended.changed().await.is_ok() {}
                });
                cores.least_loaded().spawn(connection, ());
                served.push(told.await.unwrap());
            }
            assert_eq!(served, [0, 1, 2, 0, 1, 2]);
            drop(end);
            cores.stop();
        });
        assert_eq!(core(), 0);
    }

    #[test]
    fn a_share_is_never_less_than_one_core() {
        assert_eq!(share(usize::MAX), 1);
        assert_eq!(share(0), share(1));
    }
}
