//! A server behind a gateway, as good or as bad as a test wants it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::{DEADLINE, eventually};

/// What happens on one connection.
pub(crate) type Script = Box<dyn FnOnce(&mut Peer) + Send>;

/// A server on a port of its own, whose every connection is a script. When its test fails, it prints what it was told and
/// what it said.
pub(crate) struct Upstream {
    address: String,
    heard: Heard,
}

/// Everything that passed, in its order.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Record>>);

#[derive(Default)]
struct Record {
    connections: usize,
    ended: usize,
    heads: Vec<String>,
    log: Vec<String>,
}

impl Upstream {
    /// Plays the scripts, one for each connection in turn, and then accepts no more.
    pub(crate) fn playing(scripts: impl IntoIterator<Item = Script, IntoIter: Send + 'static>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port is free"), scripts)
    }

    fn on(
        listener: TcpListener,
        scripts: impl IntoIterator<Item = Script, IntoIter: Send + 'static>,
    ) -> Self {
        let address = listener.local_addr().expect("it has an address").to_string();
        let heard = Heard::default();
        let record = heard.clone();
        let scripts = scripts.into_iter();
        thread::spawn(move || {
            for script in scripts {
                let Ok((stream, _)) = listener.accept() else { return };
                stream.set_read_timeout(Some(DEADLINE)).expect("a socket has timeouts");
                let heard = record.clone();
                heard.note(|record| record.connections += 1);
                thread::spawn(move || {
                    script(&mut Peer { stream, heard: heard.clone() });
                    heard.note(|record| record.ended += 1);
                });
            }
        });
        Self { address, heard }
    }

    /// Plays one script once.
    pub(crate) fn once(script: impl FnOnce(&mut Peer) + Send + 'static) -> Self {
        Self::playing([Box::new(script) as Script])
    }

    /// Plays one script on every connection.
    pub(crate) fn always(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::playing(again_and_again(script))
    }

    /// Servers at several addresses with one port, each of which says its own.
    pub(crate) fn at_one_port<const COUNT: usize>(hosts: [&'static str; COUNT]) -> [Self; COUNT] {
        let listeners = eventually("a port that is free at all addresses", || {
            let mut port = 0;
            let mut listeners = Vec::new();
            for host in hosts {
                let listener = TcpListener::bind((host, port)).ok()?;
                port = listener.local_addr().ok()?.port();
                listeners.push(listener);
            }
            Some(listeners)
        });
        let mut all = listeners.into_iter().zip(hosts);
        std::array::from_fn(|_| {
            let (listener, host) = all.next().expect("there is one for each");
            Self::on(listener, again_and_again(move |peer| peer.say(host)))
        })
    }

    /// The port where it listens.
    pub(crate) fn port(&self) -> &str {
        self.address.rsplit_once(':').expect("a port").1
    }

    /// Answers every request with its head.
    pub(crate) fn echo() -> Self {
        Self::always(Peer::echo)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.heard.note(|record| record.connections)
    }

    /// Waits until it has ended so many connections.
    pub(crate) fn wait_ended(&self, connections: usize) {
        eventually("the upstream to end a connection", || {
            (self.heard.note(|record| record.ended) >= connections).then_some(())
        });
    }

    /// The heads of the requests that it got.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heard.note(|record| record.heads.clone())
    }
}

fn again_and_again(
    script: impl Fn(&mut Peer) + Send + Sync + 'static,
) -> impl Iterator<Item = Script> + Send + 'static {
    let script = Arc::new(script);
    std::iter::repeat_with(move || {
        let script = Arc::clone(&script);
        Box::new(move |peer: &mut Peer| script(peer)) as Script
    })
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the upstream {}:\n{}", self.address, self.heard.note(|record| record.log.join("\n")));
        }
    }
}

impl Heard {
    fn note<T>(&self, noted: impl FnOnce(&mut Record) -> T) -> T {
        noted(&mut self.0.lock().expect("nothing panics with the lock"))
    }

    fn log(&self, who: &str, bytes: &[u8]) {
        let shown = &bytes[..bytes.len().min(400)];
        self.note(|record| record.log.push(format!("{who} {}", shown.escape_ascii())));
    }
}

/// A port that nobody listens on and nobody else can take, while it is kept.
pub(crate) struct Refusing {
    address: String,
    socket: OwnedFd,
}

impl Refusing {
    /// Takes a port.
    pub(crate) fn new() -> Self {
        let (socket, address) = bound();
        Self { address: address.to_string(), socket }
    }

    /// Where nobody listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Begins to listen there.
    pub(crate) fn serve(self, script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Upstream {
        rustix::net::listen(&self.socket, 64).expect("it listens");
        Upstream::on(self.socket.into(), again_and_again(script))
    }
}

/// An address at which connections neither open nor fail, while it is kept: the queue of its socket is full, and nobody
/// accepts.
pub(crate) struct BlackHole {
    address: String,
    _socket: OwnedFd,
    _queue: Vec<TcpStream>,
}

impl BlackHole {
    /// Takes a port and fills its queue.
    pub(crate) fn new() -> Self {
        let (socket, address) = bound();
        rustix::net::listen(&socket, 0).expect("it listens");
        let mut queue = Vec::new();
        loop {
            match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
                Ok(waiting) => queue.push(waiting),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                    return Self { address: address.to_string(), _socket: socket, _queue: queue };
                }
            }
        }
    }

    /// Where nobody answers.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

fn bound() -> (OwnedFd, SocketAddr) {
    // No program that another test starts meanwhile is to inherit it.
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .expect("a socket");
    rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
    let address = rustix::net::getsockname(&socket).expect("it is bound");
    (socket, SocketAddr::try_from(address).expect("it has a port"))
}

/// The upstream's end of a connection.
pub(crate) struct Peer {
    stream: TcpStream,
    heard: Heard,
}

impl Peer {
    /// The next head, up to its empty line; `None` where the connection has ended.
    pub(crate) fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte()?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        self.heard.log("<-", head.as_bytes());
        self.heard.note(|record| record.heads.push(head.clone()));
        Some(head)
    }

    /// The next bytes; fewer where the connection ends.
    pub(crate) fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        // An error is an end, too.
        let _ = (&self.stream).take(length as u64).read_to_end(&mut bytes);
        self.heard.log("<-", &bytes);
        bytes
    }

    /// Writes; the other side may have had enough.
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.heard.log("->", bytes.as_ref());
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Writes so many bytes, or fewer where the other side takes none for a while: how many it took.
    pub(crate) fn write_until_stalled(&mut self, most: usize) -> usize {
        self.repeat_until_stalled(&vec![b'x'; 64 << 10], most)
    }

    /// The same with a piece that is written again and again.
    pub(crate) fn repeat_until_stalled(&mut self, piece: &[u8], most: usize) -> usize {
        let _ = self.stream.set_write_timeout(Some(Duration::from_millis(300)));
        let mut written = 0;
        while written < most {
            let rest = &piece[written % piece.len()..];
            match self.stream.write(&rest[..rest.len().min(most - written)]) {
                Ok(count) => written += count,
                Err(_) => break,
            }
        }
        let _ = self.stream.set_write_timeout(None);
        written
    }

    /// Writes no more; what comes can still be read.
    pub(crate) fn end(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Waits until the other side has closed; `false` where it only fell silent.
    pub(crate) fn is_closed(&mut self) -> bool {
        let end = self.stream.read_to_end(&mut Vec::new());
        end.map_or_else(|error| error.kind() != ErrorKind::WouldBlock, |_| true)
    }

    /// Answers every request with its head.
    pub(crate) fn echo(&mut self) {
        while let Some(head) = self.head() {
            self.write(with_length(&head));
        }
    }

    /// Answers every request with `text`.
    pub(crate) fn say(&mut self, text: &str) {
        while self.head().is_some() {
            self.write(with_length(text));
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        matches!(self.stream.read(&mut byte), Ok(1)).then_some(byte[0])
    }
}

/// A whole answer.
pub(crate) fn with_length(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}
