//! Answers by itself, with a fixed status and text or file.
//!
//! ```yaml
//! routes:
//!   - match: { env: { DEPLOY: maintenance } }
//!     respond: { status: 503, file: down.html }
//! ```

use std::path::PathBuf;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Spanned, sets_nothing};
use vestibule_layers::{Body, BoxService, Response};

use super::BackendKind;

pub(super) static KIND: BackendKind = BackendKind {
    kind: Kind {
        name: "respond",
        summary: "answers by itself, with a fixed status and text or file",
        example: "respond: { status: 503, text: \"Back soon.\" }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings, _| build(settings.get()),
};

struct Settings {
    /// The status code; 200 by default.
    status: StatusCode,
    /// The body.
    text: Option<String>,
    /// A file that holds the body; it is read once.
    file: Option<Spanned<PathBuf>>,
    /// The media type; by default `text/html` for a file that ends so, else `text/plain`, in UTF-8.
    content_type: Option<HeaderValue>,
}
