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
    processes: None,
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use http_body_util::BodyExt as _;
    use tempfile::TempDir;

    use super::*;
    use crate::backend::from_yaml;

    /// The status, the media type and the body of what is answered.
    fn answered(yaml: &str, folder: &Path) -> (u16, String, String) {
        let settings = from_yaml::settings(&KIND, yaml, folder).unwrap();
        let service = build(settings.get()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut answer = runtime.block_on(service.answer(http::Request::new(Body::Empty)));
        let body =
            runtime.block_on(answer.body_mut().frame()).map(|frame| frame.unwrap().into_data().unwrap());
        let media_type = answer.headers().get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap());
        let body = String::from_utf8(body.unwrap_or_default().to_vec()).unwrap();
        (answer.status().as_u16(), media_type.to_owned(), body)
    }

    #[test]
    fn a_text_is_plain_and_the_status_ok() {
        let expected = (200, "text/plain; charset=utf-8".into(), "Hello".into());
        assert_eq!(answered("text: Hello", Path::new("")), expected);
    }

    #[test]
    fn without_a_body_there_is_no_media_type() {
        assert_eq!(answered("status: 404", Path::new("")), (404, String::new(), String::new()));
    }

    #[test]
    fn a_file_beside_the_configuration_is_sent() {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("down.html"), "<p>Down").unwrap();
        let expected = (503, "text/html; charset=utf-8".into(), "<p>Down".into());
        assert_eq!(answered("{ status: 503, file: down.html }", folder.path()), expected);
    }

    #[test]
    fn the_media_type_may_be_chosen() {
        let yaml = "{ text: \"{}\", content_type: application/json }";
        assert_eq!(answered(yaml, Path::new("")), (200, "application/json".into(), "{}".into()));
    }

    #[test]
    fn a_file_that_is_missing_is_told_with_its_place() {
        let settings = from_yaml::settings(&KIND, "file: nowhere.html", Path::new("/")).unwrap();
        let mistake = build(settings.get()).err().unwrap();
        assert!(mistake.message().starts_with("cannot read `/nowhere.html`: "), "{mistake:?}");
        assert_eq!(mistake.place().unwrap().column(), 7);
    }

    #[test]
    fn mistakes_are_told() {
        for (yaml, told) in [
            ("status: 99", "`99` is no status code of an answer"),
            ("status: 101", "200 to 999"),
            ("{ text: a, file: b }", "exclude each other"),
            ("{ txt: a }", "did you mean `text`?"),
            ("content_type: \"a\\nb\"", "is not understood"),
        ] {
            let mistakes = from_yaml::settings(&KIND, yaml, Path::new("")).err().unwrap();
            assert!(mistakes.contains(told), "{yaml}: {mistakes}");
        }
    }
}
