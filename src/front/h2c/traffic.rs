//! What moves on a connection of many requests: whether there is any, and whether their answers are taken.
//!
//! A client can hold an answer back by giving no window for it, while its socket is as alive as can be. So it is noted which
//! answers wait for their client, and when anything of them was last taken.

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
}

impl Default for Traffic {
    fn default() -> Self {
        Self(Mutex::new(State { requests: 0, waiting: 0, moved: Instant::now() }))
    }
}

impl Traffic {
    /// Counts a request, until that is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Visit {
        self.note(|state| state.requests += 1);
        Visit { traffic: Arc::clone(self), is_waiting: false }
    }

    /// Ends when there was no request, or nobody has taken anything of an answer, for too long.
    pub(super) async fn expired(&self, limits: &Limits) -> Expired {
        let shortest = limits.keep_alive.min(limits.send_time);
        loop {
            let (why, left) = {
                let state = self.state();
                let why = match (state.requests, state.waiting) {
                    (0, _) => Some((Expired::Idle, limits.keep_alive)),
                    (_, 0) => None,
                    _ => Some((Expired::Unread, limits.send_time)),
                };
                let passed = state.moved.elapsed();
                why.map_or((None, shortest), |(why, limit)| (Some(why), limit.saturating_sub(passed)))
            };
            match why {
                Some(why) if left.is_zero() => return why,
                _ => sleep(left.min(shortest).max(Duration::from_millis(1))).await,
            }
        }
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
