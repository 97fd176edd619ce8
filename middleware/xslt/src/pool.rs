//! The threads that transforms run on: never the caller's, which has sockets to serve.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::documents::Fetched;
use crate::error::{Limit, XsltError};
use crate::input::{Input, InputKind};
use crate::limits::Limits;
use crate::output::Output;
use crate::sheet::{STACK, Stylesheet};
use crate::stop::Stop;

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
    /// At most this many threads (each starts when it is first needed), and this many transforms waiting for one.
    pub fn new(threads: usize, queue: usize) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            threads: threads.max(1),
            queue: queue.max(1),
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
    /// is one whose future is dropped; one that still waits for a thread is skipped. Needs tokio's timer.
    pub async fn transform(&self, task: Task) -> Result<Output, XsltError> {
        let time = task.limits.time;
        let stop = StopOnDrop(Arc::default());
        let (reply, result) = oneshot::channel();
        self.0.0.submit(Job { task, stop: Arc::clone(&stop.0), reply })?;
        match timeout(time, result).await {
            Ok(Ok(result)) => result,
            // The thread that should have run it did not start.
            Ok(Err(_)) => Err(XsltError::Busy),
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
struct StopOnDrop(Arc<Stop>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Ends the threads with the last clone of the pool: they themselves hold `Shared` only.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_all();
    }
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    threads: usize,
    queue: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Threads that wait for a job
    idle: usize,
    /// Threads that there are
    live: usize,
    closed: bool,
}

struct Job {
    task: Task,
    stop: Arc<Stop>,
    reply: oneshot::Sender<Result<Output, XsltError>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of a job runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, job: Job) -> Result<(), XsltError> {
        let mut state = self.lock();
        if state.jobs.len() >= self.queue {
            // Those that nobody waits for take no room from those that somebody does.
            state.jobs.retain(|job| !job.stop.is_stopped());
        }
        if state.jobs.len() >= self.queue {
            return Err(XsltError::Busy);
        }
        state.jobs.push_back(job);
        if state.jobs.len() > state.idle && state.live < self.threads {
            self.start_thread(&mut state);
        }
        let waiting = state.idle > 0;
        drop(state);
        // A busy thread looks for the next job by itself: it need not be told, which takes a system call.
        if waiting {
            self.work.notify_one();
        }
        Ok(())
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) {
        let shared = Arc::clone(self);
        match thread::Builder::new().name("xslt".to_owned()).stack_size(STACK).spawn(move || shared.serve()) {
            Ok(_) => state.live += 1,
            Err(error) if state.live == 0 => {
                tracing::error!(%error, "failed to start a thread for XSLT");
                // Nobody would come for them; whoever waits learns it by the closed channel.
                state.jobs.clear();
            }
            Err(error) => tracing::warn!(%error, "failed to start another thread for XSLT"),
        }
    }

    /// The life of a thread.
    fn serve(&self) {
        while let Some(job) = self.next() {
            if job.stop.is_stopped() {
                continue;
            }
            let Job { task, stop, reply } = job;
            let result =
                catch_unwind(AssertUnwindSafe(|| task.run(&stop))).unwrap_or(Err(XsltError::Panicked));
            // Nobody may wait any more.
            let _ = reply.send(result);
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

impl Task {
    fn run(&self, stop: &Stop) -> Result<Output, XsltError> {
        let input = Input { bytes: &self.document, kind: self.kind, charset: self.charset.as_deref() };
        self.stylesheet.0.run(input, &self.params, &self.fetched, &self.limits, stop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sheet::Policy;

    /// A transform of a thousand elements: by the first sheet a matter of months, by the other one of microseconds.
    fn task(slow: bool) -> Task {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.xsl");
        let loops = if slow { 4 } else { 0 };
        let (open, close) = (r#"<xsl:for-each select="//*">"#.repeat(loops), "</xsl:for-each>".repeat(loops));
        let sheet = format!(
            r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">{open}<x/>{close}</xsl:template></xsl:stylesheet>"#
        );
        std::fs::write(&path, sheet).unwrap();
        let limits = Limits { operations: u64::MAX, time: Duration::from_secs(60), ..Limits::default() };
        Task {
            stylesheet: Stylesheet::compile([path], &Policy::default()).unwrap(),
            document: Bytes::from(format!("<a>{}</a>", "<e/>".repeat(1_000))),
            kind: InputKind::Xml,
            charset: None,
            params: Vec::new(),
            fetched: Fetched::default(),
            limits: Arc::new(limits),
        }
    }

    /// Polls a future until the pool has come to a state.
    async fn until(
        pool: &Pool,
        future: &mut (impl Future<Output = impl Sized> + Unpin),
        holds: impl Fn(&State) -> bool,
    ) {
        while !holds(&pool.0.0.lock()) {
            tokio::select! {
                biased;
                _ = &mut *future => panic!("the transform has ended"),
                () = tokio::task::yield_now() => {}
            }
        }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_ends_or_never_begins() {
        let pool = Pool::new(1, 1);
        let mut running = Box::pin(pool.transform(task(true)));
        until(&pool, &mut running, |state| state.live == 1 && state.jobs.is_empty()).await;
        let mut queued = Box::pin(pool.transform(task(true)));
        until(&pool, &mut queued, |state| state.jobs.len() == 1).await;
        assert!(matches!(pool.transform(task(false)).await, Err(XsltError::Busy)));
        drop(queued);
        let mut next = Box::pin(pool.transform(task(false)));
        until(&pool, &mut next, |state| state.jobs.len() == 1).await;
        drop(running);
        next.await.unwrap();
    }

    #[tokio::test]
    async fn threads_end_with_the_pool() {
        let pool = Pool::new(2, 4);
        pool.transform(task(false)).await.unwrap();
        let shared = Arc::downgrade(&pool.0.0);
        drop(pool);
        while shared.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
