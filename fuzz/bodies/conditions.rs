//! Range and conditional headers: a file is given whole, in sound parts, or not at all.

use std::sync::{Arc, LazyLock};

use http_body_util::BodyExt as _;
use tempfile::TempDir;
use vestibule::gateway::{Gateway, kinds};
use vestibule::identity::{Connection, Peer};
use vestibule_config::{Source, load_source};
use vestibule_layers::{Body, Request};

use super::asking;

/// A file whose bytes all differ from their neighbours.
static CONTENT: LazyLock<Vec<u8>> = LazyLock::new(|| (0..=255).cycle().take(1000).collect());

struct Site {
    gateway: Gateway,
    _folder: TempDir,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("file"), &*CONTENT).expect("the file is written");
    let yaml = "listen: ':0'\nroutes: [ { static: { root: . } } ]".to_owned();
    let source = Source::from_texts((folder.path().join("vestibule.yaml"), yaml), None);
    let config = load_source(&source, &kinds(), &|_| None).expect("it is right");
    Site { gateway: Gateway::build(config, 1).expect("the folder is there"), _folder: folder }
});

pub(crate) fn run(data: &[u8]) {
    let Some(mut request) = asking::with_headers(data) else { return };
    *request.uri_mut() = "/file".parse().expect("a target");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(check(request));
}

async fn check(request: Request) {
    let connection = Connection::new(Arc::default(), Peer::Unix);
    let (gateway, number) = (&SITE.gateway, SITE.gateway.number());
    let (head, body) = gateway.handle(&connection, number, request).await.into_parts();
    let body = whole(body).await;
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match head.status.as_u16() {
        200 => assert_eq!(body, *CONTENT),
        206 if !header("content-type").starts_with("multipart/byteranges") => {
            let range =
                header("content-range").strip_prefix("bytes ").and_then(|range| range.strip_suffix("/1000"));
            let (first, last) = range.and_then(|range| range.split_once('-')).expect("a range");
            let (first, last): (usize, usize) =
                (first.parse().expect("a number"), last.parse().expect("a number"));
            assert_eq!(body, CONTENT[first..=last]);
        }
        206 => assert!(body.len() <= 2 * CONTENT.len(), "the parts are not much more than the whole"),
        304 | 412 => assert!(body.is_empty() || head.status == 412),
        400 | 416 => {}
        other => panic!("{other} to a GET of a file"),
    }
}

async fn whole(mut body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(&frame.expect("a file is read").into_data().unwrap_or_default());
    }
    bytes
}
