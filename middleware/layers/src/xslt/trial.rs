//! The layer without a gateway around it, for the command line: what it answers in place of a document, and what its sheets'
//! templates cost.
//!
//! The settings are read as those of a layer in a file, so policy, limits and parsers are the same. There are no routes: what
//! `document('route:…')` asks for cannot be had.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Empty, Full};
use http_environ::Environ;
use tower::{Layer as _, ServiceExt as _};
use tower_xslt::{
    BoxError, Fetched, InputKind, Limits, On, Policy, StoodIn, Stylesheet, Task, XsltError, XsltLayer,
    profile,
};
pub use tower_xslt::{Place, Profile, TemplateCost};
use vestibule_config::{Diagnostic, Diagnostics, Level, Reader, SourceText, document};

use super::faults::Told;
use super::{KIND, Settings, Source};

/// A layer that can be tried.
pub struct Trial {
    layer: XsltLayer,
    input: InputKind,
    limits: Limits,
    params: Vec<(String, String)>,
}

/// What a layer answers.
pub struct Answer {
    /// The status and headers that it has of the layer.
    pub headers: HeaderMap,
    /// The result.
    pub body: Bytes,
    /// Why something else stands in for the result, as `on_error` says.
    pub doubts: Diagnostics,
}

impl Trial {
    /// Builds the layer from its settings, written as `xslt: { … }` in a file, but for its parameters: they are texts, and no
    /// templates.
    pub fn build(yaml: &str, params: Vec<(String, String)>) -> Result<Self, Diagnostics> {
        let settings = read(yaml)?;
        let settings: &Settings = settings.get();
        let policy = settings.policy();
        let otherwise = settings.on_error.build(&policy, &mut Vec::new())?;
        let store = settings.store();
        let layer = match &settings.source {
            Source::Given(paths) => {
                let paths = paths.iter().map(|path| path.value.clone());
                XsltLayer::new(compile(paths, &policy)?)
            }
            Source::FromDocument { .. } => {
                settings.source.layer(policy, Arc::clone(&store), &mut Vec::new())?.0
            }
        };
        let layer = settings.equip(layer, store, otherwise).on(On::Response);
        let given = params.clone();
        let layer = layer.params(move |_| given.clone());
        Ok(Self { layer, input: settings.input, limits: settings.limits.clone(), params })
    }

    /// From this many bytes on it makes no difference how a document goes on: it is over the limit.
    pub fn most(&self) -> u64 {
        u64::try_from(self.limits.input_bytes).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// What the layer answers in place of a document, which diagnostics know by its name.
    pub async fn answer(&self, name: &str, document: Bytes) -> Result<Answer, Diagnostics> {
        let (kind, given) = (self.media_type(), document.clone());
        let application = tower::service_fn(move |_: Request<tower_xslt::Body<Empty<Bytes>>>| {
            let mut answer = http::Response::new(Full::new(given.clone()));
            answer.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
            std::future::ready(Ok::<_, Infallible>(answer))
        });
        let answer = self.layer.layer(application).oneshot(request()).await;
        let mut answer = answer.unwrap_or_else(|never| match never {});
        let told = Told { name, document: &document };
        if let Some(error) = answer.extensions_mut().remove::<Arc<XsltError>>() {
            return Err(told.diagnostics(&error, Level::Error));
        }
        let stood_in = answer.extensions_mut().remove::<StoodIn>();
        let doubts = stood_in.map(|StoodIn(error)| told.diagnostics(&error, Level::Warning));
        let (head, body) = answer.into_parts();
        let body = read_all(body).await.map_err(|error| Diagnostic::error(error.to_string()))?;
        Ok(Answer { headers: head.headers, body, doubts: doubts.unwrap_or_default() })
    }

    /// What the templates cost, over runs that take so long together.
    pub async fn profile(&self, name: &str, document: Bytes, time: Duration) -> Result<Profile, Diagnostics> {
        let Some(stylesheet) = self.layer.stylesheet() else {
            return Err(Diagnostic::error("a profile needs the stylesheet by its name").into());
        };
        let task = Task {
            stylesheet,
            document: document.clone(),
            kind: self.input,
            charset: None,
            params: self.params.clone(),
            fetched: Fetched::default(),
            limits: Arc::new(self.limits.clone()),
        };
        let told = Told { name, document: &document };
        profile(task, time).await.map_err(|error| told.diagnostics(&error, Level::Error))
    }

    fn media_type(&self) -> &'static str {
        if self.input == InputKind::Xml { "application/xml" } else { "text/html" }
    }
}

/// Reads the settings as those of a layer in a file of the working folder.
fn read(yaml: &str) -> Result<vestibule_config::Settings, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let source = Arc::new(SourceText::new("command line", yaml));
    // Nothing is replaced: the shell has done so.
    let as_written = |name: &str| Some(format!("${{{name}}}"));
    let root = document::read(&source, &as_written, &mut mistakes);
    let Some(entry) = root.as_ref().and_then(|root| root.entries().first()) else {
        if !mistakes.has_errors() {
            mistakes.error(&vestibule_config::Place::new(&source, 0, 0), "these are no settings");
        }
        return Err(mistakes);
    };
    let mut reader = Reader::new(&entry.value, &entry.key.place, &mut mistakes);
    let settings = (KIND.kind.read)(&mut reader);
    reader.finish();
    if mistakes.has_errors() { Err(mistakes) } else { Ok(settings) }
}

fn compile(paths: impl IntoIterator<Item = PathBuf>, policy: &Policy) -> Result<Stylesheet, Diagnostics> {
    let told = Told { name: "the document", document: b"" };
    Stylesheet::compile(paths, policy).map_err(|error| told.diagnostics(&error, Level::Error))
}

/// What a browser would ask.
fn request() -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    request.headers_mut().insert(header::ACCEPT, http::HeaderValue::from_static("text/html"));
    if let Ok(environ) = Environ::for_target(request.uri()) {
        request.extensions_mut().insert(environ);
    }
    request
}

/// The body, which is in memory already: a result, or the document.
async fn read_all(mut body: tower_xslt::Body<Full<Bytes>>) -> Result<Bytes, BoxError> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.into())
}
