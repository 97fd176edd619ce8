//! Files that an application names instead of sending them: nginx sends them, and no thread of Python reads them.
//!
//! ```yaml
//! apps:
//!   shop: { wsgi: { app: "shop.wsgi:application", sendfile: { folder: /srv/media, location: /protected } } }
//! ```
//!
//! An answer with `X-Sendfile: /srv/media/a/b.pdf` leaves with `X-Accel-Redirect: /protected/a/b.pdf` and without a body;
//! nginx has `location /protected/ { internal; alias /srv/media/; }`. A file outside of the folder is an error of the
//! application. `X-Accel-Redirect` of the application's own passes as any header does.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use vestibule_config::{Diagnostic, Reader, Spanned};
use vestibule_layers::{Body, Response};

const X_SENDFILE: HeaderName = HeaderName::from_static("x-sendfile");
const X_ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

/// What is encoded of a file's path; nginx decodes it.
const IN_A_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// `sendfile`, as it is written.
pub(super) struct Sendfile {
    /// The folder of the files.
    folder: Spanned<PathBuf>,
    /// The path under which an `internal` location of nginx has that folder.
    location: String,
}

impl Sendfile {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let folder = reader.required("folder");
        let location: Spanned<String> = reader.required("location");
        if !location.starts_with('/') && !location.place.is_unknown() {
            reader.mistake(&location.place, "a location of nginx begins with `/`");
        }
        Self { folder, location: location.value }
    }

    pub(super) fn build(&self) -> Result<Handover, Diagnostic> {
        let missing = |why: &str| {
            Diagnostic::error(format!("{why} `{}`", self.folder.display())).at(&self.folder.place)
        };
        if !self.folder.is_dir() {
            return Err(missing("no folder"));
        }
        let folder = std::path::absolute(&self.folder.value).map_err(|_| missing("no path"))?;
        Ok(Handover { folder, location: self.location.trim_end_matches('/').to_owned() })
    }
}

/// Hands files over to nginx.
pub(super) struct Handover {
    folder: PathBuf,
    location: String,
}

/// What the application named is not nginx's to send.
#[derive(Debug, thiserror::Error)]
#[error("the application's X-Sendfile names {path}, which is not in {} (sendfile)", .folder.display())]
pub(super) struct Outside {
    path: String,
    folder: PathBuf,
}

impl Handover {
    /// Leaves the file that an answer names, if it names one, to nginx.
    pub(super) fn apply(&self, mut answer: Response) -> Result<Response, Outside> {
        let Some(path) = answer.headers_mut().remove(X_SENDFILE) else { return Ok(answer) };
        let target = self.target(&path).ok_or_else(|| Outside {
            path: String::from_utf8_lossy(path.as_bytes()).into_owned(),
            folder: self.folder.clone(),
        })?;
        let headers = answer.headers_mut();
        headers.insert(X_ACCEL_REDIRECT, target);
        // Of the file, nginx knows better.
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRANSFER_ENCODING);
        Ok(answer.map(|_| Body::Empty))
    }

    fn target(&self, path: &HeaderValue) -> Option<HeaderValue> {
        let path = Path::new(std::ffi::OsStr::from_bytes(path.as_bytes()));
        let inside = path.strip_prefix(&self.folder).ok()?;
        let is_plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
        if !is_plain || inside.as_os_str().is_empty() {
            return None;
        }
        let inside = percent_encode(inside.as_os_str().as_bytes(), IN_A_PATH);
        HeaderValue::from_str(&format!("{}/{inside}", self.location)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handed_over(path: &str) -> Option<String> {
        let handover = Handover { folder: "/srv/media".into(), location: "/protected".into() };
        let mut answer = Response::new(Body::from("left out"));
        answer.headers_mut().insert(X_SENDFILE, HeaderValue::from_bytes(path.as_bytes()).unwrap());
        let answer = handover.apply(answer).ok()?;
        assert!(matches!(answer.body(), Body::Empty) && !answer.headers().contains_key(X_SENDFILE));
        Some(answer.headers()[X_ACCEL_REDIRECT].to_str().unwrap().to_owned())
    }

    #[test]
    fn only_files_of_the_folder_are_handed_over() {
        assert_eq!(handed_over("/srv/media/a/b c?.pdf").as_deref(), Some("/protected/a/b%20c%3F.pdf"));
        assert_eq!(handed_over("/srv/media/..%2Fx").as_deref(), Some("/protected/..%252Fx"));
        for path in [
            "/srv/media",
            "/srv/media/",
            "/srv/media/../x",
            "/srv/media/a/../../x",
            "/srv/mediate/x",
            "/etc/passwd",
            "a",
        ] {
            assert_eq!(handed_over(path), None, "{path}");
        }
    }

    #[test]
    fn other_answers_are_left_alone() {
        let handover = Handover { folder: "/srv/media".into(), location: "/protected".into() };
        let answer = handover.apply(Response::new(Body::from("text"))).unwrap();
        assert!(matches!(answer.body(), Body::Bytes(_)));
    }
}
