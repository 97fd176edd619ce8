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

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let status = reader.optional::<Spanned<u16>>("status");
        let status = status.and_then(|code| match StatusCode::from_u16(code.value) {
            Ok(status) if !status.is_informational() => Some(status),
            _ => {
                reader
                    .mistake(&code.place, format!("`{}` is no status code of an answer", code.value))
                    .help("200 to 999");
                None
            }
        });
        let settings = Self {
            status: status.unwrap_or(StatusCode::OK),
            text: reader.optional("text"),
            file: reader.optional("file"),
            content_type: reader.parsed("content_type"),
        };
        if let (Some(_), Some(file)) = (&settings.text, &settings.file) {
            reader.mistake(&file.place, "`text` and `file` exclude each other");
        }
        settings
    }

    fn content_type(&self) -> HeaderValue {
        let is_html =
            self.file.as_ref().is_some_and(|file| file.extension().is_some_and(|ending| ending == "html"));
        let default = if is_html { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" };
        self.content_type.clone().unwrap_or(HeaderValue::from_static(default))
    }

    fn body(&self) -> Result<Bytes, Diagnostic> {
        let Some(file) = &self.file else { return Ok(self.text.clone().unwrap_or_default().into()) };
        std::fs::read(&file.value).map(Bytes::from).map_err(|error| {
            Diagnostic::error(format!("cannot read `{}`: {error}", file.value.display())).at(&file.place)
        })
    }
}

fn build(settings: &Settings) -> Result<BoxService, Diagnostic> {
    let (status, content_type, body) = (settings.status, settings.content_type(), settings.body()?);
    Ok(BoxService::from_fn(move |_| {
        let mut answer = Response::new(Body::from(body.clone()));
        *answer.status_mut() = status;
        if !body.is_empty() {
            answer.headers_mut().insert(CONTENT_TYPE, content_type.clone());
        }
        std::future::ready(answer)
    }))
}
