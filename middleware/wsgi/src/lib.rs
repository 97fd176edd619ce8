//! A tower service that runs a WSGI application in an embedded CPython.
//!
//! libpython is found and opened at run time, so that one binary serves CPython 3.10 to 3.13 (and, untested, later ones)
//! and any virtualenv. The applications of a process share one interpreter, unless [`Isolation`] says otherwise; each has
//! threads and a queue of its own.
//! PEP 3333 is what an application sees, and [`http_environ::Environ`] is where its environ comes from.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use http_body_util::Empty;
//! use http_environ::Environ;
//! use tower::Service;
//! use tower_wsgi::{Application, Settings};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings { path: vec!["shop".into()], ..Settings::new("shop", "shop.wsgi:application") };
//! let mut application = Application::load(settings)?;
//!
//! let mut request = http::Request::get("/basket").body(Empty::<bytes::Bytes>::new())?;
//! let environ = Environ::for_target(request.uri())?;
//! request.extensions_mut().insert(environ);
//! let response = application.call(request).await?;
//! assert_eq!(response.status(), 200);
//!
//! tower_wsgi::shutdown(Duration::from_secs(10));
//! # Ok(())
//! # }
//! ```
//!
//! # The life of a request
//!
//! 1. `service`: the tower service takes the request; `request` gets its body ready (`spool` where it is long; `input` is what
//!    will be read, `streamed` what still comes).
//! 2. A queue of [`handoff`]: it waits for a thread of its application.
//! 3. `worker`: the thread, under the GIL, makes the environ (`environ`, with `names`, `usual` and `clients`), `start_response` (`exchange`, checked by `head`, with `repeated`)
//!    and `wsgi.input` (`wsgi_input`), calls the application, sends what it yields (`outgoing`, into a `body`, or `file_body`) and closes it.
//! 4. The hub of [`handoff`]: the answer goes back to the task that waits for it; `clock` tells how long all this took.
//!
//! Before and after: `discover` finds the interpreter, `load` starts it and imports applications (with `bootstrap.py` and
//! what is beside it: `neighbours` refuses those that would be mixed up, `changes` reports what they change for others,
//! `seclude` makes a sub-interpreter an application's own), `crew` holds the threads of one together and replaces those
//! that are lost, `threads` ends them all, `worn` asks for another process; `log` names application and request in what
//! Python prints. `python` is the only part that calls
//! CPython, and the only one that is `unsafe`.
//!
//! # What it does not offer
//!
//! `wsgi.early_hints`: a service gives one answer and nothing before it, and hyper, by which most tower programs (and Vestibule,
//! for HTTP/2) serve it, sends no 103. And interpreters of several versions in one process.

#![deny(unsafe_code)]

mod body;
mod clients;
mod clock;
mod crew;
mod discover;
mod environ;
mod exchange;
mod file_body;
mod head;
mod input;
mod load;
mod log;
mod names;
mod outgoing;
#[expect(unsafe_code, reason = "the functions of CPython are called here, and nowhere else")]
mod python;
mod repeated;
mod request;
mod service;
mod spool;
mod streamed;
mod threads;
mod usual;
mod worker;
mod worn;
mod wsgi_input;

pub use body::{Body, BodyError};
pub use discover::{DiscoverError, Discovered, discover};
pub use input::BoxError;
pub use load::{Import, Isolation, LoadError, Settings, shutdown};
pub use log::before_exit;
pub use python::{InitError, exit};
pub use request::{GatherError, InputMode};
pub use service::{Application, ResponseFuture, WsgiError};
pub use worn::worn_out;
