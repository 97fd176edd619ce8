//! Vestibule: an application gateway between a front web server and the applications.
//!
//! The modules, in the order in which a request meets them:
//!
//! 1. [`listener`]: sockets, TCP and unix, and those of systemd; [`runtime`] gives each connection to a core
//! 2. [`front`]: the protocol that the front server speaks, to one kind of request
//! 3. [`identity`]: who asks, as far as the front server is believed; the environ begins
//! 4. [`route`]: which node of the route tree, by URL and by environ
//! 5. [`stack`]: the layers of a node around what it contains
//! 6. [`backend`]: who answers: static files, WSGI applications, HTTP upstreams, …
//! 7. [`rescue`](mod@rescue): every failure becomes one clear answer
//!
//! An answer that switches to another protocol makes a `tunnel` of its connection. What both sides of HTTP/1 have in common, the
//! front and the backends, stands in `chunks` and `field`.
//!
//! [`gateway`] is the line that runs through them; [`supervisor`] owns the processes around it: `worker` is one that serves
//! it, `application` one of an application that has processes of its own (`hosted` finds those in a configuration); [`cli`]
//! is what a person types.

#![forbid(unsafe_code)]

mod application;
pub mod backend;
mod chunks;
pub mod cli;
mod field;
pub mod front;
pub mod gateway;
mod hosted;
pub mod identity;
pub mod listener;
mod logs;
pub mod route;
pub mod runtime;
pub mod stack;
pub mod supervisor;
mod tunnel;
mod worker;

pub use vestibule_layers::rescue;
