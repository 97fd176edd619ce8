//! Loads the fixtures of `tests/apps` and asks them, in this process and over real sockets.
//!
//! `VESTIBULE_TEST_PYTHON` names the interpreter or virtualenv (default: as in production).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use http_environ::Environ;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tower::Service;
use tower_wsgi::{Application, Body, BodyError, BoxError, LoadError, Settings, WsgiError};

/// How long a condition may take to come true.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The settings of a fixture such as `answers:hello`.
pub(crate) fn settings(app: &str) -> Settings {
    record_log();
    let python = std::env::var_os("VESTIBULE_TEST_PYTHON").map(PathBuf::from);
    if let Some(python) = &python {
        assert!(python.exists(), "VESTIBULE_TEST_PYTHON names {}: install it or unset it", python.display());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps");
    Settings { path: vec![folder], python, ..Settings::new(app, app) }
}

pub(crate) fn load(app: &str) -> Application {
    let loaded = Application::load(settings(app));
    loaded
        .unwrap_or_else(|error| panic!("{error} (for an interpreter, set VESTIBULE_TEST_PYTHON): {error:?}"))
}

pub(crate) fn load_error(app: &str) -> LoadError {
    Application::load(settings(app)).expect_err("it does not load")
}

/// What a client gets of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<String, BodyError>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        self.body.as_ref().expect("the whole body arrives")
    }
}

pub(crate) async fn get(app: &str) -> Answer {
    read(call(&load(app), Request::get("/").body(TestBody::default()).unwrap()).await.unwrap()).await
}

/// Sends a body with its Content-Length.
pub(crate) async fn post(app: &str, body: &str) -> Result<Answer, WsgiError> {
    let request = Request::post("/").header("content-length", body.len());
    Ok(read(call(&load(app), request.body(TestBody::of(&[body])).unwrap()).await?).await)
}

pub(crate) async fn call<B>(
    application: &Application,
    request: Request<B>,
) -> Result<Response<Body>, WsgiError>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    application.clone().call(with_environ(request)).await
}

pub(crate) fn with_environ<B>(mut request: Request<B>) -> Request<B> {
    if request.extensions().get::<Environ>().is_none() {
        let environ = Environ::for_target(request.uri()).unwrap();
        request.extensions_mut().insert(environ);
    }
    request
}

pub(crate) async fn read(response: Response<Body>) -> Answer {
    let (parts, mut body) = response.into_parts();
    let mut text = Ok(String::new());
    while let Some(frame) = body.frame().await {
        match (frame, &mut text) {
            (Ok(frame), Ok(text)) => {
                text.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap()));
            }
            (Err(error), _) => text = Err(error),
            _ => {}
        }
    }
    Answer { status: parts.status, headers: parts.headers, body: text }
}

/// A request's body in pieces; it may break off.
#[derive(Default)]
pub(crate) struct TestBody(VecDeque<Result<Bytes, std::io::Error>>);

impl TestBody {
    pub(crate) fn of(pieces: &[&str]) -> Self {
        Self(pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece.as_bytes()))).collect())
    }

    pub(crate) fn then_broken(mut self, message: &str) -> Self {
        self.0.push_back(Err(std::io::Error::other(message.to_owned())));
        self
    }
}

impl http_body::Body for TestBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(self.0.pop_front().map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

/// A body whose pieces a test gives when it likes; it ends with its sender.
pub(crate) struct GivenBody(UnboundedReceiver<&'static str>);

impl GivenBody {
    pub(crate) fn new() -> (UnboundedSender<&'static str>, Self) {
        let (give, given) = unbounded_channel();
        (give, Self(given))
    }
}

impl http_body::Body for GivenBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece.into()))))
    }
}

/// Serves an application over HTTP/1.1 for as long as the test's runtime lives.
pub(crate) async fn serve(application: Application) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let application = application.clone();
            let service = hyper::service::service_fn(move |request| {
                let mut application = application.clone();
                async move {
                    let response = application.call(with_environ(request)).await;
                    Ok::<_, Infallible>(response.unwrap_or_else(|_| {
                        let mut response = Response::new(Body::default());
                        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                        response
                    }))
                }
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    address
}

/// A connection on which a test speaks HTTP itself.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) async fn to(app: &str) -> Self {
        Self(TcpStream::connect(serve(load(app)).await).await.unwrap())
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until `end` has come.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains(end) {
            let read = tokio::time::timeout(PATIENCE, self.0.read_buf(&mut text)).await;
            let text = String::from_utf8_lossy(&text);
            assert_ne!(read.expect("an answer in time").unwrap(), 0, "closed before {end:?}: {text:?}");
        }
        String::from_utf8(text).unwrap()
    }

    /// Sends as much as is taken and reads until the connection is closed.
    pub(crate) async fn after_sending(mut self, text: &str) -> String {
        // An error means that the server has closed the connection, as it may.
        drop(self.0.write_all(text.as_bytes()).await);
        drop(self.0.shutdown().await);
        self.rest().await
    }

    /// Reads until the connection is closed.
    pub(crate) async fn rest(&mut self) -> String {
        let mut text = Vec::new();
        let read = self.0.read_to_end(&mut text);
        // A reset is an end, too.
        drop(tokio::time::timeout(PATIENCE, read).await.expect("an end in time"));
        String::from_utf8(text).unwrap()
    }
}

/// Runs a test in a process of its own, where it may do to the process what others must not see; `name` is the test's, with its
/// modules.
pub(crate) fn in_its_own_process(name: &str, test: impl Future<Output = ()>) {
    if std::env::var_os("IN_ITS_OWN_PROCESS").is_none() {
        let mut run = std::process::Command::new(std::env::current_exe().unwrap());
        let run = run.args(["--exact", name]).env("IN_ITS_OWN_PROCESS", "1").output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// Keeps everybody from writing to the log, until it is dropped.
pub(crate) fn hold_log() -> Sender<()> {
    let (release, released) = channel::<()>();
    let (tell, held) = channel();
    std::thread::spawn(move || {
        let _log = LOG.lock().unwrap();
        tell.send(()).unwrap();
        released.recv().unwrap_err();
    });
    held.recv().unwrap();
    release
}

/// Waits until a line of the log has all these words.
pub(crate) fn wait_for_log(words: &[&str]) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(line) = line_with(words) {
            return line;
        }
        let log = log();
        assert!(Instant::now() < end, "no line with {words:?} in the log:\n{log}");
        std::thread::yield_now();
    }
}

/// The log so far.
pub(crate) fn log() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned()
}

/// Whether a line of the log has all these words already.
pub(crate) fn logged(words: &[&str]) -> bool {
    line_with(words).is_some()
}

fn line_with(words: &[&str]) -> Option<String> {
    let log = log();
    let mut lines = log.lines().filter(|line| words.iter().all(|word| line.contains(word)));
    lines.next().map(str::to_owned)
}

fn record_log() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let writer = || Recorder;
        tracing_subscriber::fmt().json().with_writer(writer).with_max_level(tracing::Level::DEBUG).init();
    });
}

struct Recorder;

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
