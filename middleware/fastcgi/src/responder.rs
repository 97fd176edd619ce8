//! An application's side: requests from a connection to an asynchronous function, its answers back.
//!
//! One request at a time (`FCGI_MPXS_CONNS` is 0). An answer whose body breaks off gets no `END_REQUEST`: the connection
//! ends, and nobody takes the answer for whole. When the web server aborts a request, or leaves, the function's future is
//! dropped.

mod body;
mod incoming;
mod outgoing;

use std::io;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::request::Parts;
use http_environ::Server;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

pub use self::body::{Body, BodyEnded};
use self::incoming::{Begun, Incoming, Sending};
use self::outgoing::Outgoing;
use crate::pairs::{self, CutShort};
use crate::record::{self, End, RecordError, Status};

/// What is written, as the head of an answer that is followed by another one, when the application begins to read the body
/// of a request that has `Expect: 100-continue`; to web servers that wait for it, see [`Limits::is_asked`].
pub const CONTINUE: &[u8] = b"Status: 100 Continue\r\n\r\n";

/// What a web server may use up, and how it is spoken to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The variables of a request, in bytes
    pub variables: usize,
    /// Whether it waits for [`CONTINUE`] before it sends the body of a request that has `Expect: 100-continue`. FastCGI knows
    /// no such thing: both sides must be made for it.
    pub is_asked: bool,
}

impl Default for Limits {
    /// 1 MiB of variables
    fn default() -> Self {
        Self { variables: 1 << 20, is_asked: false }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There are no means for this request.
    Overloaded,
    /// The application has failed.
    Failed,
}

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Reading or writing failed.
    #[error("the connection to the web server broke")]
    Io(#[from] io::Error),
    /// What came is not FastCGI.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Variables that cannot be read.
    #[error(transparent)]
    Variables(#[from] CutShort),
    /// Variables that make no request.
    #[error(transparent)]
    Request(BoxError),
    /// The variables are over the limit, or more was asked than is answered at once.
    #[error("the web server sent more than {0} bytes where that is the limit")]
    TooLarge(usize),
    /// The web server left, or aborted its request.
    #[error("the web server gave its request up")]
    Aborted,
    /// The answer's body broke off.
    #[error("the answer broke off")]
    Answer(#[source] BoxError),
}

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Whoever answers the requests of a connection.
pub trait Application {
    /// The body of an answer
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin;

    /// An answer under way
    type Answering: Future<Output = Result<Response<Self::Body>, Refused>>;

    /// Makes a request of its variables.
    fn request(&mut self, variables: &[(Bytes, Bytes)]) -> Result<Parts, BoxError>;

    /// Answers a request.
    fn answer(&mut self, request: http::Request<Body>) -> Self::Answering;

    /// The request under way is not answered to its end; what there is of its answer is about to be dropped.
    fn given_up(&mut self, _why: &ServeError) {}

    /// Whether there may be another request, after an answer; the web server has to agree.
    fn may_follow(&mut self) -> bool {
        true
    }
}

/// Serves a connection, until the web server or an error ends it. The extensions of a request hold its
/// [`Environ`](http_environ::Environ); `server` is its `Server`.
pub async fn serve<R, W, F, Fut, B>(
    reader: R,
    writer: W,
    server: &std::sync::Arc<Server>,
    limits: Limits,
    answer: F,
) -> Result<(), ServeError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    F: FnMut(http::Request<Body>) -> Fut,
    Fut: Future<Output = Result<Response<B>, Refused>>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    serve_application(reader, writer, limits, &mut Function { server, answer }).await
}

/// An application that is a function of a request, of whose variables all are believed.
struct Function<'a, F> {
    server: &'a std::sync::Arc<Server>,
    answer: F,
}

impl<F, Fut, B> Application for Function<'_, F>
where
    F: FnMut(http::Request<Body>) -> Fut,
    Fut: Future<Output = Result<Response<B>, Refused>>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Body = B;
    type Answering = Fut;

    fn request(&mut self, variables: &[(Bytes, Bytes)]) -> Result<Parts, BoxError> {
        let variables = variables.iter().map(|(name, value)| (&**name, &**value));
        Ok(http_environ::from_variables::request(variables, self.server)?)
    }

    fn answer(&mut self, request: http::Request<Body>) -> Fut {
        (self.answer)(request)
    }
}

/// Serves a connection, until the web server, the application or an error ends it.
pub async fn serve_application<R, W, A>(
    reader: R,
    writer: W,
    limits: Limits,
    application: &mut A,
) -> Result<(), ServeError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    A: Application,
{
    let mut incoming = Incoming::new(reader, limits);
    let mut outgoing = Outgoing::new(writer);
    while let Some(begun) = incoming.begin(&mut outgoing).await? {
        let keep = begun.keep;
        let (request, sending, asked) = request(begun, application, limits.is_asked)?;
        let id = sending.request;
        let mut sending = Some(sending);
        {
            let answer = application.answer(request);
            let mut responding = pin!(respond(answer, asked, &mut outgoing, id));
            tokio::select! {
                biased;
                written = &mut responding => if let Err((error, _answer)) = written {
                    application.given_up(&error);
                    return Err(error);
                },
                ended = incoming.pump(&mut sending) => {
                    // Before the answer is dropped.
                    application.given_up(&ended);
                    return Err(ended);
                }
            }
        }
        let may_follow = application.may_follow() && keep && incoming.skip_body(&mut sending).await?;
        outgoing.write(incoming.replies()).await?;
        if !may_follow {
            break;
        }
    }
    outgoing.close().await?;
    Ok(())
}

/// Tells that the application reads the body, where the web server waits to be asked for it.
type Asked = Option<oneshot::Receiver<()>>;

/// The request, where its body is to be sent, and what tells that the web server is to be asked for it.
fn request(
    begun: Begun,
    application: &mut impl Application,
    may_ask: bool,
) -> Result<(http::Request<Body>, Sending, Asked), ServeError> {
    let variables = pairs::read(begun.variables.freeze())?;
    let parts = application.request(&variables).map_err(ServeError::Request)?;
    let length = parts.headers.get(http::header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    let (sender, receiver) = mpsc::channel(1);
    let is_expecting =
        |expected: &http::HeaderValue| expected.as_bytes().eq_ignore_ascii_case(b"100-continue");
    let asks = may_ask && parts.headers.get(http::header::EXPECT).is_some_and(is_expecting);
    let (ask, asked) = if asks { Some(oneshot::channel()) } else { None }.unzip();
    let body = if length == 0 { Body::empty() } else { Body::new(receiver, length, ask) };
    let sending = Sending { request: begun.request, to: sender };
    Ok((http::Request::from_parts(parts, body), sending, asked))
}

/// Writes an answer. With an error comes what is left of the answer.
async fn respond<W, B>(
    answer: impl Future<Output = Result<Response<B>, Refused>>,
    asked: Asked,
    outgoing: &mut Outgoing<W>,
    request: u16,
) -> Result<(), (ServeError, Option<B>)>
where
    W: AsyncWrite + Unpin,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let mut answer = pin!(answer);
    if let Some(asked) = asked {
        tokio::select! {
            biased;
            answer = &mut answer => return give(answer, outgoing, request).await,
            // Where the body is dropped unread, there is nothing to ask for.
            asked = asked => if asked.is_ok() {
                outgoing.ask_for_body(request).await.map_err(|error| (error.into(), None))?;
            },
        }
    }
    give(answer.await, outgoing, request).await
}

/// Writes what has become of a request.
async fn give<W, B>(
    answer: Result<Response<B>, Refused>,
    outgoing: &mut Outgoing<W>,
    request: u16,
) -> Result<(), (ServeError, Option<B>)>
where
    W: AsyncWrite + Unpin,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (application, status) = match answer {
        Ok(answer) => {
            let (head, mut body) = answer.into_parts();
            let written = outgoing.answer(Response::from_parts(head, ()), &mut body, request).await;
            return written.map_err(|error| (error, Some(body)));
        }
        Err(Refused::Overloaded) => (0, Status::Overloaded),
        Err(Refused::Failed) => (1, Status::Complete),
    };
    let mut out = BytesMut::new();
    record::put_end(&mut out, request, End { application, status });
    outgoing.write(out).await.map_err(|error| (error.into(), None))
}
