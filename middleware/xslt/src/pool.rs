//! The threads that transforms run on: never the caller's, which has sockets to serve.
//!
//! [`handoff`] brings documents there and results back. A run that nobody waits for any more, and that does not end all
//! the same (libxslt looks whether it should only between instructions, and one expression may take long), leaves its
//! thread lost: another one takes its place, up to a limit. Beyond that the process is [worn out](crate::worn_out).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use handoff::{Hubs, Kept, Queue, Refused, Reply, Taken};
use tokio::time::timeout;

use crate::documents::Fetched;
use crate::error::{Limit, XsltError};
use crate::input::{Input, InputKind};
use crate::limits::Limits;
use crate::output::Output;
use crate::sheet::{STACK, Stylesheet};
use crate::stop::Stop;
use crate::worn;

/// How long a result may be held back while others follow: as long as some ten transforms of small documents take.
const HOLD: Duration = Duration::from_millis(1);

/// The same while all threads are busy, and so at documents that take longer: a change to the thread with the sockets and back costs
/// as much as a twentieth of transforming 10 kB. Half a dozen of those take this long.
const HOLD_WHILE_BUSY: Duration = Duration::from_millis(4);

/// For each thread of a pool, how many more may be started while some are lost.
const SPARE: usize = 3;

/// For how long threads must be short until that is no passing thing: a run that is given up in its middle ends soon.
const PATIENCE: Duration = Duration::from_secs(1);

static HUBS: Hubs<Outcome> = Hubs::new();

thread_local! {
    static HUB: Kept<Outcome> = const { Kept::of(&HUBS) };
}

type Outcome = Result<Output, XsltError>;

/// A bounded queue of transforms and the threads that serve it. Cheap to clone; clones share queue and threads, and
/// the threads end with the last clone.
#[derive(Clone)]
pub struct Pool(Arc<Handle>);

/// What a transform needs, owned: it may outlive whoever asked for it.
#[derive(Debug, Clone)]
pub struct Task {
    /// The sheets
    pub stylesheet: Stylesheet,
    /// The document
    pub document: Bytes,
    /// What it is
    pub kind: InputKind,
    /// The charset of its Content-Type
    pub charset: Option<String>,
    /// Parameters for all sheets, as strings
    pub params: Vec<(String, String)>,
    /// What `document()` may read beside files
    pub fetched: Fetched,
    /// The limits
    pub limits: Arc<Limits>,
}

impl Pool {
    /// This many threads (they start with the first transform), and at most this many transforms waiting for one.
    pub fn new(threads: usize, queue: usize) -> Self {
        let shared = Shared {
            queue: Queue::new(queue.max(1)).holding(HOLD_WHILE_BUSY).into(),
            threads: threads.max(1),
            count: Mutex::default(),
        };
        Self(Arc::new(Handle(Arc::new(shared))))
    }

    /// The pool of the process, for layers that are given no other: a thread per core, and a queue of 64 for each.
    pub fn shared() -> Self {
        static SHARED: LazyLock<Pool> = LazyLock::new(|| {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            Pool::new(cores, cores * 64)
        });
        SHARED.clone()
    }

    /// Transforms, and answers within [`Limits::time`] whatever the sheet does: a run that is late is told to end, as
    /// is one whose future is dropped; one that still waits for a thread is skipped.
    ///
    /// # Panics
    /// Outside of a tokio runtime that has its timers enabled.
    pub async fn transform(&self, task: Task) -> Outcome {
        let shared = &self.0.0;
        shared.start_threads()?;
        let time = task.limits.time;
        let waiting = Waiting { stop: Arc::default(), shared };
        let hub = HUB.with(Kept::hub);
        let (reply, result) = hub.reply();
        // Those that nobody waits for take no room from those that somebody does.
        shared.queue.make_room(|job| job.stop.is_stopped());
        match hub.push(&shared.queue, Job { task, stop: Arc::clone(&waiting.stop), reply }) {
            Ok(_) => {}
            Err(Refused::Full | Refused::Closed) => return Err(XsltError::Busy),
        }
        match timeout(time, result).await {
            Ok(Ok(result)) => result,
            // The thread is gone, and the job with it.
            Ok(Err(_)) => Err(XsltError::Panicked),
            Err(_) => Err(XsltError::Limit(Limit::Time)),
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("threads", &self.0.0.threads).field("queue", &self.0.0.queue).finish()
    }
}

/// Ends the run of whoever does not wait for it any more.
struct Waiting<'a> {
    stop: Arc<Stop>,
    shared: &'a Shared,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.stop.stop() {
            self.shared.lock().lost += 1;
        }
    }
}

/// Ends the threads with the last clone of the pool: they themselves hold `Shared` only.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

struct Shared {
    queue: Arc<Queue<Job>>,
    threads: usize,
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    /// Threads that there are
    live: usize,
    /// Those of them that are at a run which nobody waits for
    lost: usize,
    /// Since when there are too few, and no more may be started
    short_since: Option<Instant>,
}

impl Count {
    /// Wears the process out where threads stay short.
    fn judge(&mut self, threads: usize) {
        if self.live - self.lost >= threads || self.live < threads * (1 + SPARE) {
            self.short_since = None;
        } else if self.short_since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
            worn::out(|| format!("XSLT has lost threads to transforms that do not end: {}", self.lost));
        }
    }
}

struct Job {
    task: Task,
    stop: Arc<Stop>,
    reply: Reply<Outcome>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the threads that are missing; fails where there is none at all.
    fn start_threads(self: &Arc<Self>) -> Result<(), XsltError> {
        let mut count = self.lock();
        while count.live - count.lost < self.threads && count.live < self.threads * (1 + SPARE) {
            if count.lost > 0 {
                tracing::warn!(
                    lost = count.lost,
                    "XSLT runs that nobody waits for do not end: another thread"
                );
            }
            let shared = Arc::clone(self);
            let thread = thread::Builder::new().name("xslt".to_owned()).stack_size(STACK);
            match thread.spawn(move || shared.serve()) {
                Ok(_) => count.live += 1,
                Err(error) if count.live == 0 => {
                    tracing::error!(%error, "failed to start a thread for XSLT");
                    return Err(XsltError::Busy);
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to start another thread for XSLT");
                    break;
                }
            }
        }
        count.judge(self.threads);
        Ok(())
    }

    /// The life of a thread.
    fn serve(&self) {
        while self.queue.wait() {
            let mut is_surplus = false;
            while let Some(taken) = self.queue.next() {
                is_surplus = self.run(taken);
                if is_surplus {
                    break;
                }
            }
            self.queue.rest();
            if is_surplus {
                return;
            }
        }
        self.lock().live -= 1;
    }

    /// True where the thread was replaced meanwhile, and is to end.
    fn run(&self, Taken { job, at, waiting }: Taken<Job>) -> bool {
        let Job { task, stop, mut reply } = job;
        if !stop.begin() {
            return false;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| task.run(&stop))).unwrap_or(Err(XsltError::Panicked));
        let was_given_up = stop.end();
        reply.is_followed(waiting, at, HOLD);
        reply.send(outcome);
        if !was_given_up {
            return false;
        }
        let mut count = self.lock();
        count.lost -= 1;
        let is_surplus = count.live - count.lost > self.threads;
        if is_surplus {
            count.live -= 1;
        }
        is_surplus
    }
}

impl Task {
    fn run(&self, stop: &Stop) -> Outcome {
        let input = Input { bytes: &self.document, kind: self.kind, charset: self.charset.as_deref() };
        self.stylesheet.run(input, &self.params, &self.fetched, &self.limits, stop)
    }
}

#[cfg(test)]
mod tests;
