//! What moves on a connection of many requests: whether there is any, and whether their answers are taken.
//!
//! A client can hold an answer back by giving no window for it, while its socket is as alive as can be. So it is noted which
//! answers wait for their client, and when anything of them was last taken; and since when there is a part of a head.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep};
use vestibule_config::Limits;
use vestibule_layers::BodyError;

use crate::front::patience::Expired;
use crate::front::under_way::Sending;

/// The traffic of one connection.
pub(super) struct Traffic(Mutex<State>);

struct State {
    requests: usize,
    /// How many answers have a piece that their client is to take.
    waiting: usize,
    /// When a request began or ended, or a piece was taken.
    moved: Instant,
    /// Since when more is wanted of a head that has begun.
    head: Option<Instant>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self(Mutex::new(State { requests: 0, waiting: 0, moved: Instant::now(), head: None }))
    }
}

impl Traffic {
    /// Counts a request, until that is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Visit {
        self.note(|state| state.requests += 1);
        Visit { traffic: Arc::clone(self), is_waiting: false }
    }

    /// Notes whether more is wanted of a head that has begun.
    pub(super) fn wait_for_head(&self, waits: bool) {
        self.state().head = waits.then(Instant::now);
    }

    /// Ends when there was no request, no end of a head, or nobody has taken anything of an answer, for too long.
    pub(super) async fn expired(&self, limits: &Limits) -> Expired {
        // What begins just after a look may have the shortest of the times.
        let shortest = limits.keep_alive.min(limits.send_time).min(limits.header_time);
        loop {
            match self.next(limits) {
                Some((left, why)) if left.is_zero() => return why,
                next => {
                    let left = next.map_or(shortest, |(left, _)| left.min(shortest));
                    sleep(left.max(Duration::from_millis(1))).await;
                }
            }
        }
    }

    /// What there is too little patience for first, and how much is left of it.
    fn next(&self, limits: &Limits) -> Option<(Duration, Expired)> {
        let state = self.state();
        let idle = (state.requests == 0).then_some((state.moved, limits.keep_alive, Expired::Idle));
        let unread = (state.waiting > 0).then_some((state.moved, limits.send_time, Expired::Unread));
        let head = state.head.map(|since| (since, limits.header_time, Expired::Head));
        let waits = [head, idle, unread].into_iter().flatten();
        waits
            .map(|(since, limit, why)| (limit.saturating_sub(since.elapsed()), why))
            .min_by_key(|(left, _)| *left)
    }

    fn note(&self, note: impl FnOnce(&mut State)) {
        let mut state = self.state();
        note(&mut state);
        state.moved = Instant::now();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way.
pub(super) struct Visit {
    traffic: Arc<Traffic>,
    is_waiting: bool,
}

impl Visit {
    /// Notes whether its client is to take a piece.
    fn wait(&mut self, waits: bool) {
        let was = std::mem::replace(&mut self.is_waiting, waits);
        if was || waits {
            self.traffic.note(|state| state.waiting = state.waiting + usize::from(waits) - usize::from(was));
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.wait(false);
        self.traffic.note(|state| state.requests -= 1);
    }
}

/// The body of an answer that is being sent.
///
/// Its end is not told with its last piece: hyper asks for it only when there is room for that piece, and so it is known that it
/// was taken.
pub(super) struct Outgoing {
    body: Sending,
    is_empty: bool,
    visit: Visit,
}

impl Outgoing {
    pub(super) fn new(mut body: Sending, visit: Visit) -> Self {
        let is_empty = body.is_end_stream();
        if is_empty {
            body.note_whole();
        }
        Self { body, is_empty, visit }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.visit.wait(matches!(&frame, Poll::Ready(Some(Ok(frame))) if frame.is_data()));
        match &frame {
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => self.body.note_whole(),
            Poll::Ready(None) => self.body.note_whole(),
            _ => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
