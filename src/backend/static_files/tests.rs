//! A folder of real files, served by what the YAML of a user builds.

mod conditions;
mod memory;
mod parts;
mod paths;
mod siblings;
mod transfer;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use http_environ::Environ;
use tempfile::TempDir;
use vestibule_layers::{Body, BodyError, Request};

use super::*;
use crate::backend::from_yaml;

/// Sunday, 6 November 1994, 08:49:37 UTC: the date of RFC 9110's examples.
const WRITTEN: Duration = Duration::from_secs(784_111_777);

/// A root `www` in a folder of its own, which holds nothing else.
struct Site {
    folder: TempDir,
    service: BoxService,
}

/// An answer and all of its body.
struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Site {
    /// Serves these files by default settings.
    fn of(files: &[(&str, &str)]) -> Self {
        Self::with("root: www", files)
    }

    /// Serves these files by settings, in which the root is `www`.
    fn with(yaml: &str, files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("www")).unwrap();
        for (path, text) in files {
            write(&folder.path().join("www").join(path), text.as_bytes());
        }
        let settings = from_yaml::settings(&KIND, yaml, folder.path()).unwrap();
        let service = build(settings.get()).unwrap();
        Self { folder, service }
    }

    /// The path of a file below the root.
    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("www").join(path)
    }

    fn get(&self, target: &str) -> Answered {
        self.get_with(target, &[])
    }

    fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Answered {
        self.send(request(Method::GET, target, headers))
    }

    fn send(&self, request: Request) -> Answered {
        block_on(async {
            let answer = self.service.answer(request).await;
            let (head, body) = answer.into_parts();
            let body = all(body).await.unwrap();
            Answered { status: head.status.as_u16(), headers: head.headers, body }
        })
    }
}

impl Answered {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The value of a header, "" where there is none.
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Writes a file as it would be found long after.
fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    set_modified(path, UNIX_EPOCH + WRITTEN);
}

fn set_modified(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn request(method: Method, target: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::Empty).unwrap();
    let environ = Environ::for_target(request.uri()).unwrap();
    request.extensions_mut().insert(environ);
    request
}

async fn all(mut body: Body) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(frame?.data_ref().unwrap());
    }
    Ok(bytes)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
