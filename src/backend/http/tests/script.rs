//! A server whose every connection is a script.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::PATIENCE;

/// What happens on one connection.
pub(super) type Script = Box<dyn FnOnce(&mut Peer) + Send>;

/// A server on a port of its own.
pub(super) struct Server {
    pub(super) address: String,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    /// Plays the scripts, one for each connection, and then accepts no more.
    pub(super) fn playing(scripts: Vec<Script>) -> Self {
        Self::giving(scripts, |script, stream| script(&mut Peer(stream)))
    }

    /// Gives each connection to one of these, in their order, and then accepts no more.
    pub(super) fn giving<T: Send + 'static>(all: Vec<T>, to: fn(T, TcpStream)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        thread::spawn(move || {
            for one in all {
                let Ok((stream, _)) = listener.accept() else { return };
                count.fetch_add(1, Ordering::SeqCst);
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                thread::spawn(move || to(one, stream));
            }
        });
        Self { address, accepted }
    }

    /// Misbehaves on its first connection and answers "fine" on the second.
    pub(super) fn once(script: impl FnOnce(&mut Peer) + Send + 'static) -> Self {
        Self::playing(vec![Box::new(script), Box::new(Peer::fine)])
    }

    /// How many connections there were.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// The other end of a connection.
pub(super) struct Peer(TcpStream);

impl Peer {
    /// The next head, up to its empty line; "" where the connection has ended.
    pub(super) fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match self.byte() {
                Some(byte) => head.push(byte.into()),
                None => return String::new(),
            }
        }
        head
    }

    /// The next bytes.
    pub(super) fn exactly(&mut self, length: usize) -> String {
        std::iter::from_fn(|| self.byte()).take(length).map(char::from).collect()
    }

    pub(super) fn write(&mut self, text: &str) {
        // The other side may have had enough.
        let _ = self.0.write_all(text.as_bytes());
    }

    /// Waits until the other side has closed.
    pub(super) fn until_closed(&mut self) {
        while self.byte().is_some() {}
    }

    /// Ends the connection in order.
    pub(super) fn close(&mut self) {
        self.0.shutdown(Shutdown::Both).unwrap();
    }

    /// Ends the connection with a reset: Linux sends one where unread bytes are thrown away.
    pub(super) fn reset_after(&mut self, text: &str) {
        self.byte();
        self.write(text);
    }

    /// Answers every request with "fine".
    pub(super) fn fine(&mut self) {
        while !self.head().is_empty() {
            self.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine");
        }
    }

    /// Answers every request with the head that it has got.
    pub(super) fn echo(&mut self) {
        loop {
            let head = self.head();
            if head.is_empty() {
                return;
            }
            self.write(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len()));
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        matches!(self.0.read(&mut byte), Ok(1)).then_some(byte[0])
    }
}
