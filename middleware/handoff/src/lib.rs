//! Hands requests from a runtime of tokio to threads, and answers back, with few changes of threads.
//!
//! What blocks or computes for long runs on threads of its own. Done plainly, each request costs two wake-ups of a
//! thread, which is more than many requests cost by themselves. So threads are fed by a [`Queue`] that wakes no more of
//! them than are needed, and answers come back through the [`Hub`] of the runtime's thread, many of them with one
//! wake-up.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use handoff::{Hubs, Kept, Queue, Reply};
//!
//! static HUBS: Hubs<u64> = Hubs::new();
//! thread_local! {
//!     static HUB: Kept<u64> = const { Kept::of(&HUBS) };
//! }
//!
//! struct Job {
//!     number: u64,
//!     reply: Reply<u64>,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let queue = Arc::new(Queue::<Job>::new(100));
//! let served = Arc::clone(&queue);
//! let thread = std::thread::spawn(move || {
//!     while served.wait() {
//!         while let Some(mut taken) = served.next() {
//!             taken.job.reply.is_followed(taken.waiting, taken.at, Duration::from_micros(200));
//!             taken.job.reply.send(taken.job.number * 2);
//!         }
//!         served.rest();
//!     }
//! });
//!
//! let hub = HUB.with(Kept::hub);
//! let (reply, answer) = hub.reply();
//! hub.push(&queue, Job { number: 21, reply }).unwrap();
//! assert_eq!(answer.await, Ok(42));
//!
//! queue.close();
//! thread.join().unwrap();
//! # }
//! ```

#![forbid(unsafe_code)]

mod answer;
mod coming;
mod dispatcher;
mod hub;
mod places;
mod queue;

pub use answer::{Answer, Reply};
pub use hub::{Hub, Hubs, Kept};
pub use places::Lost;
pub use queue::{Blocked, Queue, Refused, Taken};
