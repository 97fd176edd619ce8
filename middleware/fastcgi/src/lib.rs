//! FastCGI 1.0, both sides: a web server's and an application's.
//!
//! * [`record`]: records, read from any pieces that arrive, and written
//! * [`pairs`]: lists of names and values, as in `PARAMS` and `GET_VALUES`
//! * [`request`]: a web server writes its request
//! * [`answer`]: a web server reads what a responder answers
//! * [`responder`]: an application's side: requests from a connection to an asynchronous function, and its answers back
//!
//! The first four do no I/O. Whatever bytes arrive, nothing panics, and nothing is kept beyond a limit: contents of streams are
//! passed on as they come, and all else is small. An answer is whole only with its `END_REQUEST`: a connection that ends
//! earlier is an error, so that an application that crashed in the middle never looks finished.
//!
//! ```
//! use bytes::BytesMut;
//! use fastcgi::answer::{Answer, Event};
//! use fastcgi::request;
//!
//! let mut out = BytesMut::new();
//! request::put_head(&mut out, request::KeepConnection::Yes, |add| {
//!     add(b"REQUEST_METHOD", b"GET");
//!     add(b"SCRIPT_FILENAME", b"/srv/www/index.php");
//! });
//! request::put_end_of_body(&mut out);
//!
//! let mut received = BytesMut::from(&b"\x01\x06\0\x01\0\x02\0\0hi\x01\x03\0\x01\0\x08\0\0\0\0\0\0\0\0\0\0"[..]);
//! let mut answer = Answer::default();
//! assert!(matches!(answer.next(&mut received), Ok(Some(Event::Stdout(text))) if text == "hi"));
//! assert!(matches!(answer.next(&mut received), Ok(Some(Event::End(_)))));
//! ```

#![forbid(unsafe_code)]

pub mod answer;
pub mod pairs;
pub mod record;
pub mod request;
pub mod responder;
