//! What supervisor and worker tell each other, over the socketpair that is the worker's stdin.
//!
//! A message is a byte for its kind, four for the length of its body, and the body; a socket travels beside
//! its message (`SCM_RIGHTS`). A worker may be of a newer binary than its supervisor (a reload starts what is installed
//! now): so the very first body begins with [`VERSION`], and a worker refuses one that it does not speak.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use vestibule_config::{Source, SourceText};

use super::StartError;
use super::watched::Watched;
use crate::listener::Door;

/// Raised whenever a message changes its meaning.
const VERSION: u8 = 5;

/// A frame's kind and length.
const HEAD: usize = 5;

/// How a worker is to end its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drain {
    /// Others serve on: connections kept open are answered once more, and then closed.
    Retire,
    /// Nobody serves on: connections kept open are closed at once.
    Stop,
}

/// From the supervisor to a worker.
#[derive(Debug)]
pub(crate) enum Order {
    /// A listening socket; they come in the order of the configuration's `listen`, before it.
    Socket(OwnedFd),
    /// The way to an application's processes; they come in the order of the configuration, before it.
    Door(Door),
    /// The configuration: build it.
    Build(Source),
    /// Accept connections.
    Accept,
    /// Accept no more, end what is open, and leave.
    Drain(Drain),
}

/// From a worker to its supervisor.
#[derive(Debug)]
pub(crate) enum Report {
    /// It begins to build this.
    Building {
        /// The backend's name.
        name: String,
    },
    /// Everything is built, from these files among others.
    Ready(Watched),
    /// It could not be built, and the worker leaves.
    Failed(StartError),
    /// It serves, but should be replaced.
    Worn {
        /// Why.
        reason: String,
    },
}

const SOCKET: u8 = b's';
const DOOR: u8 = b'd';
const BUILD: u8 = b'b';
const ACCEPT: u8 = b'a';
const RETIRE: u8 = b'r';
const STOP: u8 = b'e';
const BUILDING: u8 = b'B';
const READY: u8 = b'R';
const MISTAKEN: u8 = b'M';
const FAILED: u8 = b'F';
const WORN: u8 = b'W';

/// One end of the socketpair.
#[derive(Debug)]
pub(crate) struct Control {
    stream: UnixStream,
    received: Vec<u8>,
    sockets: VecDeque<OwnedFd>,
}

impl Control {
    /// Takes over an end; it must be called within a tokio runtime.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        let stream = std::os::unix::net::UnixStream::from(socket);
        stream.set_nonblocking(true)?;
        Ok(Self { stream: UnixStream::from_std(stream)?, received: Vec::new(), sockets: VecDeque::new() })
    }

    /// Hands a listening socket to the worker.
    pub(crate) async fn send_socket(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.send(SOCKET, &[], Some(socket)).await
    }

    /// Hands the way to an application's processes to the worker.
    pub(crate) async fn send_door(&self, door: &Door) -> io::Result<()> {
        self.send(DOOR, &[], Some(door.as_fd())).await
    }

    /// Hands the configuration to the worker.
    pub(crate) async fn send_build(&self, source: &Source) -> io::Result<()> {
        let mut body = vec![VERSION];
        for text in std::iter::once(&source.config).chain(&source.env_file) {
            push_field(&mut body, text.path().as_os_str().as_bytes())?;
            push_field(&mut body, text.text().as_bytes())?;
        }
        self.send(BUILD, &body, None).await
    }

    /// Lets the worker accept.
    pub(crate) async fn send_accept(&self) -> io::Result<()> {
        self.send(ACCEPT, &[], None).await
    }

    /// Has the worker end its connections.
    pub(crate) async fn send_drain(&self, drain: Drain) -> io::Result<()> {
        let kind = match drain {
            Drain::Retire => RETIRE,
            Drain::Stop => STOP,
        };
        self.send(kind, &[], None).await
    }

    /// Reports to the supervisor.
    pub(crate) async fn report(&self, report: &Report) -> io::Result<()> {
        match report {
            Report::Building { name } => self.report_building(name),
            Report::Ready(watched) => self.send(READY, &watched.to_body()?, None).await,
            Report::Failed(StartError::Configuration { reason, mended_in }) => {
                let mut body = Vec::new();
                push_field(&mut body, reason.as_bytes())?;
                body.extend(mended_in.to_body()?);
                self.send(MISTAKEN, &body, None).await
            }
            Report::Failed(StartError::System(reason)) => self.send(FAILED, reason.as_bytes(), None).await,
            Report::Worn { reason } => self.send(WORN, reason.as_bytes(), None).await,
        }
    }

    /// Tells the supervisor what is built now, from where nothing else of this thread runs meanwhile.
    pub(crate) fn report_building(&self, name: &str) -> io::Result<()> {
        let mut frame = vec![BUILDING];
        push_field(&mut frame, name.as_bytes())?;
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match rustix::net::send(&self.stream, rest, SendFlags::NOSIGNAL) {
                Ok(sent) => rest = &rest[sent..],
                // The supervisor always reads: there is room soon.
                Err(Errno::AGAIN) => {
                    let mut room = [PollFd::new(&self.stream, PollFlags::OUT)];
                    rustix::io::retry_on_intr(|| rustix::event::poll(&mut room, None))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The supervisor's next order; `None` when it is gone. Nothing is lost when the future is dropped.
    pub(crate) async fn order(&mut self) -> io::Result<Option<Order>> {
        let Some((kind, body)) = self.receive().await? else { return Ok(None) };
        Ok(Some(match kind {
            SOCKET => Order::Socket(self.take_socket()?),
            DOOR => Order::Door(Door::new(self.take_socket()?)),
            BUILD => Order::Build(read_source(&body)?),
            ACCEPT => Order::Accept,
            RETIRE => Order::Drain(Drain::Retire),
            STOP => Order::Drain(Drain::Stop),
            _ => return Err(malformed("it is of no known kind")),
        }))
    }

    fn take_socket(&mut self) -> io::Result<OwnedFd> {
        self.sockets.pop_front().ok_or_else(|| malformed("no socket came with it"))
    }

    /// The worker's next report; `None` when it is gone. Nothing is lost when the future is dropped.
    pub(crate) async fn next_report(&mut self) -> io::Result<Option<Report>> {
        let Some((kind, body)) = self.receive().await? else { return Ok(None) };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Some(match kind {
            BUILDING => Report::Building { name: text(&body) },
            READY => Report::Ready(Watched::from_body(&body)?),
            MISTAKEN => {
                let mut rest = body.as_slice();
                let reason = text(take_field(&mut rest)?);
                Report::Failed(StartError::Configuration { reason, mended_in: Watched::from_body(rest)? })
            }
            FAILED => Report::Failed(StartError::System(text(&body))),
            WORN => Report::Worn { reason: text(&body) },
            _ => return Err(malformed("it is of no known kind")),
        }))
    }

    /// Whether the other end is closed, and all that it sent was received.
    pub(crate) fn is_closed(&self) -> bool {
        let look = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        rustix::net::recv(&self.stream, &mut [0_u8][..], look).is_ok_and(|(_, length)| length == 0)
    }

    async fn send(&self, kind: u8, body: &[u8], socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let mut frame = vec![kind];
        push_field(&mut frame, body)?;
        let mut rest = frame.as_slice();
        // The socket goes with the first bytes, once.
        let mut socket = socket;
        while !rest.is_empty() {
            let sent =
                self.stream.async_io(Interest::WRITABLE, || send_part(&self.stream, rest, socket)).await?;
            rest = &rest[sent..];
            socket = None;
        }
        Ok(())
    }

    /// The next whole frame. Whatever has come so far is kept in `self` while it waits.
    async fn receive(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Ok(Some(frame));
            }
            let Self { stream, received, sockets } = self;
            if stream.async_io(Interest::READABLE, || receive_part(stream, received, sockets)).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (head, rest) = self.received.split_at_checked(HEAD)?;
        let length = u32::from_le_bytes(head[1..].try_into().ok()?) as usize;
        let (kind, body) = (head[0], rest.get(..length)?.to_vec());
        self.received.drain(..HEAD + length);
        Some((kind, body))
    }
}

fn send_part(stream: &UnixStream, bytes: &[u8], socket: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let sockets = socket.as_slice();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(sockets));
    }
    let sent =
        rustix::net::sendmsg(stream.as_fd(), &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(sent)
}

fn receive_part(
    stream: &UnixStream,
    received: &mut Vec<u8>,
    sockets: &mut VecDeque<OwnedFd>,
) -> io::Result<usize> {
    let mut bytes = [0; 16 * 1024];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    // No program that an application starts shall inherit a listening socket.
    let flags = RecvFlags::CMSG_CLOEXEC;
    let message =
        rustix::net::recvmsg(stream.as_fd(), &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = part {
            sockets.extend(passed);
        }
    }
    received.extend_from_slice(&bytes[..message.bytes]);
    Ok(message.bytes)
}

pub(super) fn push_field(to: &mut Vec<u8>, field: &[u8]) -> io::Result<()> {
    let length = u32::try_from(field.len()).map_err(|_| io::Error::other("a message is over 4 GiB"))?;
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(field);
    Ok(())
}

fn read_source(body: &[u8]) -> io::Result<Source> {
    let Some((&VERSION, mut rest)) = body.split_first() else {
        return Err(malformed("the supervisor is of another version of vestibule: restart the service"));
    };
    let config = read_text(&mut rest)?;
    let env_file = if rest.is_empty() { None } else { Some(Arc::new(read_text(&mut rest)?)) };
    Ok(Source { config: Arc::new(config), env_file })
}

fn read_text(rest: &mut &[u8]) -> io::Result<SourceText> {
    let path = PathBuf::from(OsStr::from_bytes(take_field(rest)?));
    let text = String::from_utf8(take_field(rest)?.to_vec()).map_err(|_| malformed("a text is not UTF-8"))?;
    Ok(SourceText::new(path, text))
}

pub(super) fn take_field<'a>(rest: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let cut = || malformed("a field is cut short");
    let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    let (field, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(cut)?;
    *rest = after;
    Ok(field)
}

pub(super) fn malformed(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a message between supervisor and worker is malformed: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (Control, Control) {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        (Control::new(one.into()).unwrap(), Control::new(other.into()).unwrap())
    }

    #[tokio::test]
    async fn a_configuration_larger_than_the_socket_s_buffer_arrives_whole_behind_its_sockets() {
        let (supervisor, mut worker) = pair();
        let (first, second) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("[::1]:0").unwrap());
        let source = Source {
            config: Arc::new(SourceText::new("site/vestibule.yaml", "# é\n".repeat(300_000))),
            env_file: Some(Arc::new(SourceText::new("site/.env", "A=1\n"))),
        };
        let sent = async {
            supervisor.send_socket(first.as_fd()).await.unwrap();
            supervisor.send_socket(second.as_fd()).await.unwrap();
            supervisor.send_build(&source).await.unwrap();
            supervisor.send_drain(Drain::Retire).await.unwrap();
        };
        let received = async {
            for expected in [&first, &second] {
                let Some(Order::Socket(socket)) = worker.order().await.unwrap() else { panic!("no socket") };
                assert_eq!(TcpListener::from(socket).local_addr().unwrap(), expected.local_addr().unwrap());
            }
            let Some(Order::Build(copy)) = worker.order().await.unwrap() else { panic!("no configuration") };
            assert_eq!(copy.config, source.config);
            assert_eq!(copy.env_file, source.env_file);
            assert!(matches!(worker.order().await.unwrap(), Some(Order::Drain(Drain::Retire))));
        };
        tokio::join!(sent, received);
        assert!(!worker.is_closed());
        drop(supervisor);
        assert!(worker.is_closed());
        assert!(worker.order().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_failure_tells_whose_fault_it_is_and_where_it_may_be_mended() {
        let (mut supervisor, worker) = pair();
        let files = Watched::new([("/srv/a.xsl".into(), None)]);
        let error = StartError::Configuration { reason: "v.yaml:1:1: no".into(), mended_in: files.clone() };
        worker.report(&Report::Failed(error)).await.unwrap();
        worker.report(&Report::Failed(StartError::System("no room".into()))).await.unwrap();
        let mut report = async || supervisor.next_report().await.unwrap();
        let Some(Report::Failed(StartError::Configuration { reason, mended_in })) = report().await else {
            panic!("another report");
        };
        assert_eq!((reason.as_str(), mended_in), ("v.yaml:1:1: no", files));
        let Some(Report::Failed(StartError::System(reason))) = report().await else {
            panic!("another report");
        };
        assert_eq!(reason, "no room");
    }

    #[test]
    fn another_version_and_a_cut_message_are_refused() {
        assert!(read_source(&[VERSION + 1]).unwrap_err().to_string().contains("another version"));
        assert!(read_source(&[VERSION, 9, 0, 0, 0, b'a']).unwrap_err().to_string().contains("cut short"));
    }
}
