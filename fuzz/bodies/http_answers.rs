//! What a server sends by HTTP/1.1, below a mount: pieces make no difference, a body is as long as it says or broken off, what is
//! for the next hop stays behind, and paths lead below the mount.

use std::sync::LazyLock;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use http_environ::RequestId;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};
use vestibule::gateway::{Gateway, kinds};
use vestibule::identity::{Connection, Peer};
use vestibule_config::{Source, load_source};
use vestibule_layers::{Body, Request};

/// A gateway before a server that says what it is given.
struct Site {
    runtime: Runtime,
    gateway: Gateway,
    server: UnixListener,
    _folder: TempDir,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = {
        let _inside = runtime.enter();
        UnixListener::bind(folder.path().join("server.sock")).expect("a socket")
    };
    let backend = "http: { servers: \"unix:server.sock\", header_bytes: 1KiB, idle_connections: 0 }";
    let yaml = format!("listen: ':0'\nroutes: [ {{ mount: /shop, {backend} }} ]");
    let source = Source::from_texts((folder.path().join("vestibule.yaml"), yaml), None);
    let config = load_source(&source, &kinds(), &|_| None).expect("it is right");
    let gateway = Gateway::build(config, 1).expect("nothing is missing");
    Site { runtime, gateway, server, _folder: folder }
});

/// What a client gets.
#[derive(Debug, PartialEq)]
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    is_whole: bool,
}

pub(crate) fn run(data: &[u8]) {
    let Some((&split, data)) = data.split_first() else { return };
    let method = if split % 2 == 0 { Method::GET } else { Method::HEAD };
    let split = usize::from(split).min(data.len());
    let number = SITE.gateway.number();
    let at_once = SITE.runtime.block_on(answered(&method, number.clone(), &[data]));
    let in_two = SITE.runtime.block_on(answered(&method, number.clone(), &[&data[..split], &data[split..]]));
    assert_eq!(at_once, in_two);
    check(&method, &at_once);
}

/// The answer to a request, where the server sends these pieces and closes.
async fn answered(method: &Method, number: RequestId, pieces: &[&[u8]]) -> Answered {
    let serving = async {
        serve(pieces).await;
        std::future::pending().await
    };
    let both =
        async { tokio::select!(answered = ask(method.clone(), number) => answered, over = serving => over) };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("nobody waits for ever")
}

async fn ask(method: Method, number: RequestId) -> Answered {
    let mut request = Request::new(Body::Empty);
    *request.method_mut() = method;
    *request.uri_mut() = "/shop/cart".parse().expect("a target");
    request.headers_mut().insert(HOST, HeaderValue::from_static("shop.example"));
    let connection = Connection::new(std::sync::Arc::default(), Peer::Unix);
    let (head, mut body) = SITE.gateway.handle(&connection, number, request).await.into_parts();
    let (status, headers) = (head.status, head.headers);
    let mut answered = Answered { status, headers, body: Vec::new(), trailers: None, is_whole: true };
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(piece)) => answered.body.extend_from_slice(&piece),
            Ok(Err(frame)) => answered.trailers = frame.into_trailers().ok(),
            Err(_) => answered.is_whole = false,
        }
    }
    answered
}

async fn serve(pieces: &[&[u8]]) {
    let (mut connection, _) = SITE.server.accept().await.expect("the gateway connects");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.expect("a whole head"));
    }
    for piece in pieces {
        // The gateway may have had enough.
        drop(connection.write_all(piece).await);
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
}

fn check(method: &Method, answered: &Answered) {
    let Answered { status, headers, body, trailers, is_whole } = answered;
    assert!(!status.is_informational());
    for name in ["connection", "keep-alive", "proxy-authenticate", "transfer-encoding", "upgrade"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    let is_bodiless =
        method == Method::HEAD || matches!(*status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if is_bodiless {
        // The front leaves out the text of a 502 of the gateway's own.
        assert!((body.is_empty() && *is_whole) || *status == StatusCode::BAD_GATEWAY);
    } else if let Some(length) = headers.get(CONTENT_LENGTH) {
        let length: usize = length.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
        assert!(if *is_whole { body.len() == length } else { body.len() < length });
    }
    assert!(headers.get_all(CONTENT_LENGTH).iter().count() <= 1);
    let mut trailers = trailers.iter().flat_map(HeaderMap::keys);
    assert!(trailers.all(|name| name != CONTENT_LENGTH && name != SET_COOKIE));
    if let Some(location) = headers.get(LOCATION) {
        assert!(is_below(location.as_bytes()), "{location:?}");
    }
    for cookie in headers.get_all(SET_COOKIE) {
        for attribute in cookie.as_bytes().split(|byte| *byte == b';').skip(1) {
            let attribute = attribute.trim_ascii();
            let is_path = attribute.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"path="));
            assert!(!is_path || is_below(&attribute[5..]), "{cookie:?}");
        }
    }
}

/// Whether it is below the mount, or no path of this host.
fn is_below(path: &[u8]) -> bool {
    !path.starts_with(b"/") || path.starts_with(b"//") || {
        let rest = path.strip_prefix(b"/shop");
        rest.is_some_and(|rest| rest.first().is_none_or(|byte| b"/?#".contains(byte)))
    }
}
