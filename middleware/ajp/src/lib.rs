//! AJP/1.3, a web server's side of it: what Tomcat's AJP connector reads and writes.
//!
//! * [`packet`]: packets, read from any pieces that arrive, and what they are made of
//! * [`request`]: the web server writes its request, and its body piece by piece, as the container asks for it
//! * [`answer`]: the web server reads what the container answers
//!
//! Nothing here does any I/O. Whatever bytes arrive, nothing panics, and no more than one packet is kept. An answer is whole only
//! with its END_RESPONSE: a connection that ends earlier is an error.
//!
//! ```
//! use ajp::answer::{Answer, Event};
//! use bytes::BytesMut;
//!
//! let mut received = BytesMut::from(&b"AB\0\x0a\x04\0\xc8\0\x02OK\0\0\0AB\0\x02\x05\x01"[..]);
//! let mut answer = Answer::new(ajp::packet::LEAST);
//! assert!(matches!(answer.next(&mut received), Ok(Some(Event::Head { status, .. })) if status == 200));
//! assert!(matches!(answer.next(&mut received), Ok(Some(Event::End { is_reusable: true }))));
//! ```

#![forbid(unsafe_code)]

pub mod answer;
pub mod packet;
pub mod request;
