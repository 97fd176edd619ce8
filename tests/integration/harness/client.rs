//! A blocking HTTP/1.1 client that sends what it is told, byte for byte.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::DEADLINE;

trait Connection: Read + Write + Send {
    /// Ends the writing side.
    fn end(&self) -> io::Result<()>;
}

impl Connection for TcpStream {
    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Connection for UnixStream {
    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// One connection. Reading and writing fail at the deadline of all tests.
pub(crate) struct Client {
    connection: Box<dyn Connection>,
    /// What has come and is not part of an answer yet.
    received: Vec<u8>,
}

/// An answer, with its body whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// Connects to `127.0.0.1:8000` or `unix:/path`.
    pub(crate) fn connect(address: &str) -> io::Result<Self> {
        let connection: Box<dyn Connection> = if let Some(path) = address.strip_prefix("unix:") {
            let stream = UnixStream::connect(Path::new(path))?;
            stream.set_read_timeout(Some(DEADLINE))?;
            stream.set_write_timeout(Some(DEADLINE))?;
            Box::new(stream)
        } else {
            let stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            stream.set_write_timeout(Some(DEADLINE))?;
            Box::new(stream)
        };
        Ok(Self { connection, received: Vec::new() })
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.connection.write_all(bytes.as_ref())
    }

    /// Sends no more; what comes can still be read.
    pub(crate) fn end(&self) -> io::Result<()> {
        self.connection.end()
    }

    /// Sends a request with `Host: test`, and reads its answer; the connection is kept.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> io::Result<Answer> {
        self.send(request(method, path, headers, body))?;
        self.answer()
    }

    /// Reads the head of the next answer, and nothing of its body.
    pub(crate) fn head(&mut self) -> io::Result<Answer> {
        parse_head(&self.until(b"\r\n\r\n")?)
    }

    /// Reads the next answer, to a request of any method but HEAD. An end before its end is an error.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head()?;
        answer.body = match (answer.header("transfer-encoding"), answer.header("content-length")) {
            (Some("chunked"), _) => self.chunks()?,
            (_, Some(length)) => {
                let length = length.parse().map_err(|_| malformed("content-length"))?;
                self.exactly(length)?
            }
            _ if matches!(answer.status, 100..=199 | 204 | 304) => Vec::new(),
            _ => self.rest()?,
        };
        Ok(answer)
    }

    /// Reads the next chunk of a chunked body; the last is empty.
    pub(crate) fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let size = self.until(b"\r\n")?;
        let size =
            std::str::from_utf8(&size).ok().and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let size = size.ok_or_else(|| malformed("chunk size"))?;
        if size == 0 {
            // Trailers end with an empty line, too.
            while self.until(b"\r\n")? != b"\r\n" {}
            return Ok(Vec::new());
        }
        let chunk = self.exactly(size)?;
        self.exactly(2)?;
        Ok(chunk)
    }

    /// All that comes until the connection is closed.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.receive()? > 0 {}
        Ok(std::mem::take(&mut self.received))
    }

    /// Everything up to and with `end`.
    pub(crate) fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.received.windows(end.len()).position(|window| window == end) {
                return Ok(self.received.drain(..at + end.len()).collect());
            }
            if self.receive()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// So many bytes.
    pub(crate) fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.received.len() < length {
            if self.receive()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.received.drain(..length).collect())
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Ok(body);
            }
            body.extend(chunk);
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        let count = self.connection.read(&mut bytes)?;
        self.received.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

impl Answer {
    /// The first header of that name, which is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A GET on a connection of its own.
///
/// # Panics
///
/// If there is no answer.
pub(crate) fn get(address: &str, path: &str) -> Answer {
    let mut client =
        Client::connect(address).unwrap_or_else(|error| panic!("failed to connect to {address}: {error}"));
    client.request("GET", path, &[], "").unwrap_or_else(|error| panic!("no answer from {address}: {error}"))
}

/// The bytes of a request with `Host: test`, and with a length if there is a body.
pub(crate) fn request(method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n");
    for header in headers {
        request.extend([header, "\r\n"]);
    }
    if !body.is_empty() {
        request.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
    }
    request + "\r\n" + body
}

fn parse_head(head: &[u8]) -> io::Result<Answer> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status =
        status.and_then(|line| line.get(2..5)?.parse().ok()).ok_or_else(|| malformed("status line"))?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Ok(Answer { status, headers, body: Vec::new() })
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the {what} of the answer is malformed"))
}
