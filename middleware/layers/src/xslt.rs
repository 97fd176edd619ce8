//! Transforms XML (or HTML) bodies with XSLT stylesheets: those of answers, or of requests before they go inside.
//!
//! ```yaml
//! layers:
//!   - xslt: { stylesheet: theme/theme.xsl, params: { path: "{PATH_INFO}" } }
//!   - xslt: { on: request, stylesheet: [clean.xsl, to-rest.xsl], max_input: 1MiB }
//! ```
//!
//! Bodies of other media types pass untouched, as do 204, 206 and 304. In a list, each sheet gets the tree that the one
//! before it made. Type, length, tags and ranges of the result are made right by [`tower_xslt`], which also does the work,
//! on threads of its own. Sheets are compiled at the start; a mistake in one stands at the setting that names it. They read
//! files in their own folders and in `folders`, and nothing else.
//!
//! A body of a request that does not parse is answered with 400, one of an answer with 502; a full queue with 503, a
//! transform that takes too long with 504, any other failure of a sheet with 500.
//!
//! Place it inside of `compress`, and outside of `decompress` (`on: response`) where what is inside compresses by itself.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_environ::{RequestId, Template, View};
use tower::{Layer, ServiceExt as _};
use tower_xslt::{InputKind, Limit, Limits, On, Policy, Stylesheet, XsltError, XsltLayer};
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Size, Spanned, sets_nothing};

use crate::{Body, BoxLayer, BoxService, Cause, LayerKind, Response, rescue, setting};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "xslt",
        summary: "transforms XML (or HTML) bodies with XSLT stylesheets",
        example: "xslt: { stylesheet: theme.xsl, params: { path: \"{PATH_INFO}\" } }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings| build(settings.get()),
};

struct Settings {
    /// One sheet, or a list of them, applied in this order.
    stylesheet: Vec<Spanned<PathBuf>>,
    /// Parameters of the sheets: names and templates. They arrive as strings.
    params: Arc<[(String, Template)]>,
    /// Which bodies: of the `response` (the default) or of the `request`.
    on: On,
    /// How bodies are parsed, and so which: `xml` (the default) or `html`.
    input: InputKind,
    /// Further folders that `xsl:import` and `document()` may read.
    folders: Vec<PathBuf>,
    /// `max_input` (16 MiB), `max_output` (64 MiB), `max_memory` (512 MiB), `max_time` (10s), `max_depth` of templates
    /// (3000), `max_operations` (100000000): what one transform may take.
    limits: Limits,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let stylesheet = stylesheets(reader);
        let params = reader.pairs("params").into_iter().filter_map(|(name, text)| {
            let template = setting::template(reader, &text)?;
            Some((name.value, template))
        });
        let params = params.collect();
        // `sheet`: as `xsl:output` says. The key is there so that a file can say it.
        reader.one_of("output", &[("sheet", ())], ());
        Self {
            stylesheet,
            params,
            on: reader.one_of("on", &[("response", On::Response), ("request", On::Request)], On::Response),
            input: reader.one_of(
                "input",
                &[("xml", InputKind::Xml), ("html", InputKind::Html)],
                InputKind::Xml,
            ),
            folders: reader.or("folders", Vec::new()),
            limits: limits(reader),
        }
    }
}

fn stylesheets(reader: &mut Reader<'_>) -> Vec<Spanned<PathBuf>> {
    let stylesheets: Spanned<Vec<_>> = reader.required("stylesheet");
    if stylesheets.is_empty() && !stylesheets.place.is_unknown() {
        reader.mistake(&stylesheets.place, "at least one stylesheet is needed");
    }
    stylesheets.value
}

fn limits(reader: &mut Reader<'_>) -> Limits {
    let mut limits = Limits::default();
    let bytes = |size: Size| usize::try_from(size.0).unwrap_or(usize::MAX);
    limits.input_bytes = reader.optional("max_input").map_or(limits.input_bytes, bytes);
    limits.output_bytes = reader.optional("max_output").map_or(limits.output_bytes, bytes);
    limits.memory = reader.optional("max_memory").map_or(limits.memory, bytes);
    limits.time = reader.or::<Duration>("max_time", limits.time);
    limits.template_depth = reader.or("max_depth", limits.template_depth);
    limits.operations = reader.or("max_operations", limits.operations);
    limits
}

fn build(settings: &Settings) -> Result<BoxLayer, Diagnostic> {
    let mut policy = Policy::default();
    policy.folders.clone_from(&settings.folders);
    let paths = settings.stylesheet.iter().map(|path| &path.value);
    let stylesheet =
        Stylesheet::compile(paths, &policy).map_err(|error| diagnostic(&error, &settings.stylesheet))?;
    let params = Arc::clone(&settings.params);
    let layer = XsltLayer::new(stylesheet)
        .on(settings.on)
        .input(settings.input)
        .limits(settings.limits.clone())
        .params(move |request| {
            let view = View::of_parts(request);
            let text = |template: &Template| String::from_utf8_lossy(&template.render(&view)).into_owned();
            params.iter().map(|(name, template)| (name.clone(), text(template))).collect()
        })
        // The error travels beside this answer, and `rescue` makes the one that is sent.
        .on_error(|_, _| http::Response::new(Bytes::new()));
    Ok(BoxLayer::new(Rescued { layer, on: settings.on }))
}

/// The mistakes of a sheet, at the setting that names it; each with file, line and column of its own.
fn diagnostic(error: &XsltError, sheets: &[Spanned<PathBuf>]) -> Diagnostic {
    let text = crate::rescue::chain(error);
    let named = sheets.iter().find(|sheet| text.contains(&*sheet.value.to_string_lossy())).or(sheets.first());
    let diagnostic = Diagnostic::error_in_lines(&format!("failed to {text}"));
    let diagnostic = match named {
        Some(sheet) => diagnostic.at(&sheet.place),
        None => diagnostic,
    };
    match error {
        XsltError::PolicyDenied { .. } => {
            diagnostic.help("a sheet reads files in its own folder and in those that `folders` lists")
        }
        _ => diagnostic,
    }
}

/// [`XsltLayer`] with the bodies of this crate, its failures answered by [`rescue`].
struct Rescued {
    layer: XsltLayer,
    on: On,
}

impl Layer<BoxService> for Rescued {
    type Service = BoxService;

    fn layer(&self, inner: BoxService) -> BoxService {
        let on = self.on;
        let inner = tower::service_fn(move |request: http::Request<tower_xslt::Body<Body>>| {
            let answer = inner.answer(request.map(body));
            async { Ok::<_, Infallible>(answer.await) }
        });
        let transforming = self.layer.layer(inner);
        BoxService::from_fn(move |request| {
            let id = View::of(&request).environ().request_id.clone();
            let answer = transforming.clone().oneshot(request);
            async move {
                let answer = answer.await.unwrap_or_else(|never| match never {});
                rescued(answer.map(body), on, &id)
            }
        })
    }
}

fn body(body: tower_xslt::Body<Body>) -> Body {
    match body {
        tower_xslt::Body::Untouched(body) => body,
        tower_xslt::Body::Full(bytes) => bytes.into(),
    }
}

fn rescued(mut answer: Response, on: On, id: &RequestId) -> Response {
    match answer.extensions_mut().remove::<Arc<XsltError>>() {
        None => answer,
        Some(error) => rescue(id, cause(&error, on), &Failed(error)),
    }
}

/// A bad document is its sender's fault: the client's on the way in, that of what is inside on the way out.
fn cause(error: &XsltError, on: On) -> Cause {
    let sender = |of_the_client| if on == On::Request { of_the_client } else { Cause::BadGateway };
    match error {
        XsltError::Busy => Cause::Busy,
        XsltError::Limit(Limit::Time) => Cause::GatewayTimeout,
        XsltError::Limit(Limit::InputBytes) => sender(Cause::BodyTooLarge),
        XsltError::ContentEncoding(_) => sender(Cause::UnsupportedMediaType),
        XsltError::NotWellFormed(_)
        | XsltError::Body(_)
        | XsltError::Limit(Limit::Depth | Limit::Entities | Limit::Text) => sender(Cause::BadRequest),
        _ => Cause::TransformFailed,
    }
}

/// Who is over a limit learns which key of the file to turn; the others are libxml2's own.
fn setting_of(limit: Limit) -> Option<&'static str> {
    match limit {
        Limit::InputBytes => Some("max_input"),
        Limit::OutputBytes => Some("max_output"),
        Limit::Memory => Some("max_memory"),
        Limit::Time => Some("max_time"),
        Limit::TemplateDepth => Some("max_depth"),
        Limit::Operations => Some("max_operations"),
        _ => None,
    }
}

#[derive(Debug)]
struct Failed(Arc<XsltError>);

impl fmt::Display for Failed {
    /// On one line, as a log wants it: a sheet may have several mistakes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to {} (layer xslt", self.0.to_string().replace('\n', "; "))?;
        if let XsltError::Limit(limit) = &*self.0
            && let Some(setting) = setting_of(*limit)
        {
            write!(f, ", setting {setting}")?;
        }
        f.write_str(")")
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests;
