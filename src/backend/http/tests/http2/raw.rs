//! A server of HTTP/2 that sends whatever frames a test writes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::super::script::Server;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

pub(super) const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

pub(super) const NO_ERROR: u8 = 0;
pub(super) const INTERNAL_ERROR: u8 = 2;
pub(super) const REFUSED: u8 = 7;
pub(super) const CANCEL: u8 = 8;

/// `:status: 200` (RFC 7541 appendix A).
pub(super) const OK: &[u8] = &[0x88];

pub(super) type Script = Box<dyn FnOnce(&mut Peer) + Send>;

/// Plays the scripts, one for each connection, and then accepts no more.
pub(super) fn playing(scripts: Vec<Script>) -> Server {
    Server::giving(scripts, |script, mut stream| {
        if stream.read_exact(&mut [0; 24]).is_ok() {
            script(&mut Peer { stream, id: 0 });
        }
    })
}

/// Plays a script once.
pub(super) fn once(script: impl FnOnce(&mut Peer) + Send + 'static) -> Server {
    playing(vec![Box::new(script)])
}

/// A frame.
pub(super) struct Received {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) payload: Vec<u8>,
}

/// The other end of a connection.
pub(super) struct Peer {
    stream: TcpStream,
    /// The stream of the last request.
    id: u32,
}

impl Peer {
    /// Sends its settings, which must come first.
    pub(super) fn settle(&mut self) {
        self.frame(SETTINGS, 0, 0, &[]);
    }

    /// Waits for the head of the next request; `false` at the end of the connection.
    pub(super) fn request(&mut self) -> bool {
        self.next(HEADERS).is_some()
    }

    /// The next frame of this kind.
    pub(super) fn next(&mut self, kind: u8) -> Option<Received> {
        loop {
            let frame = self.any()?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    fn any(&mut self) -> Option<Received> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        if kind == HEADERS {
            self.id = u32::from_be_bytes(id);
        }
        Some(Received { kind, flags, payload })
    }

    /// Sends a head, or trailers.
    pub(super) fn headers(&mut self, flags: u8, block: &[u8]) {
        self.frame(HEADERS, flags | END_HEADERS, self.id, block);
    }

    pub(super) fn data(&mut self, flags: u8, text: &str) {
        self.frame(DATA, flags, self.id, text.as_bytes());
    }

    pub(super) fn reset(&mut self, reason: u8) {
        self.frame(RESET, 0, self.id, &[0, 0, 0, reason]);
    }

    /// Goes away, having looked at no request.
    pub(super) fn go_away(&mut self) {
        self.frame(GOAWAY, 0, 0, &[0; 8]);
    }

    /// Answers every request with "fine".
    pub(super) fn fine(&mut self) {
        self.settle();
        while self.request() {
            self.headers(0, OK);
            self.data(END_STREAM, "fine");
        }
    }

    pub(super) fn until_closed(&mut self) {
        while self.any().is_some() {}
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        // The other side may have had enough.
        let _ = self.stream.write_all(bytes);
    }

    fn frame(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![a, b, c, kind, flags];
        frame.extend_from_slice(&id.to_be_bytes());
        frame.extend_from_slice(payload);
        self.write(&frame);
    }
}

/// A field that no table has (RFC 7541 section 6.2.2).
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0];
    for text in [name, value] {
        block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text"));
        block.extend_from_slice(text.as_bytes());
    }
    block
}
