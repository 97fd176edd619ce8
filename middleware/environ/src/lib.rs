//! The CGI/WSGI view of an HTTP request: one environ for every application protocol.
//!
//! Predicates, layers, logs and every application protocol see a request as the meta-variables of
//! RFC 3875 section 4.1 and PEP 3333. An [`Environ`] travels in the request's extensions and stores only what
//! the request itself does not say (server, peer, mount point, captures, variables that were set);
//! `HTTP_*`, `CONTENT_*`, `REQUEST_METHOD` and `SERVER_PROTOCOL` are always read from the request, so
//! that there are no two truths and nobody pays for a variable that nobody reads.
//!
//! ```
//! use http_environ::{Environ, Variable, View};
//!
//! let mut request = http::Request::get("/shop/caf%C3%A9?page=2").header("Host", "example.com").body(()).unwrap();
//! let mut environ = Environ::for_target(request.uri()).unwrap();
//! environ.mount("/shop");
//! request.extensions_mut().insert(environ);
//!
//! let view = View::of(&request);
//! assert_eq!(view.get(&Variable::ScriptName).unwrap(), b"/shop".as_slice());
//! assert_eq!(view.get(&Variable::PathInfo).unwrap(), "/café".as_bytes());
//! assert_eq!(view.get(&"HTTP_HOST".parse().unwrap()).unwrap(), b"example.com".as_slice());
//! ```
//!
//! * [`path`]: the request path: decoded once, dot segments resolved, split into `SCRIPT_NAME` and `PATH_INFO`
//! * [`environ`](mod@environ): what is known beside the request
//! * [`view`]: both together, as variables
//! * [`variable`]: the names
//! * [`from_variables`]: the way back, from variables to a request
//! * [`template`]: `{VARIABLE}` in a text
//! * [`answer`]: the head of an answer, as CGI and its kin write it
//! * [`encode`]: percent-encoding, for what goes back into a URI

#![forbid(unsafe_code)]

pub mod answer;
pub mod encode;
pub mod environ;
pub mod from_variables;
pub mod path;
pub mod template;
pub mod variable;
pub mod view;

pub use environ::{Environ, RequestId, Scheme, Server, Settled};
pub use path::{PathError, RequestPath};
pub use template::{Template, TemplateError};
pub use variable::{Variable, is_standard};
pub use view::View;
