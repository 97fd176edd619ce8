//! Transforms XML (or HTML) bodies with XSLT stylesheets: those of answers, or of requests before they go inside.
//!
//! ```yaml
//! layers:
//!   - xslt: { stylesheet: theme/theme.xsl, params: { path: "{PATH_INFO}" } }
//!   - xslt: { on: request, stylesheet: [clean.xsl, to-rest.xsl], max_input: 1MiB }
//! ```
//!
//! `stylesheet: from_document` applies the sheet that each document names itself: see [`source`].
//!
//! With `watch: true` a change of a sheet, or of what it imports, asks for a reload; while it has mistakes, the last good one stays.
//!
//! With `input: html` or `html5` it is HTML that is transformed, read by libxml2's parser (as Diazo and lxml do) or as browsers
//! read it. With `output: html5` results are HTML that browsers read as the same tree, in UTF-8, whatever `xsl:output` says.
//!
//! With `cache: 64MiB` results are kept and found again by sheet, parameters and what the document is: its strong tag where the
//! answer is for everybody, else its bytes. `Cache-Status` tells, and what each sheet has done is logged when a worker ends.
//!
//! Bodies of other media types pass untouched, as do 204, 206 and 304. In a list, each sheet gets the tree that the one
//! before it made. Type, length, tags and ranges of the result are made right by [`tower_xslt`], which also does the work,
//! on threads of its own. Sheets are compiled at the start; a mistake in one stands at the setting that names it. They read
//! files in their own folders and in `folders`, and nothing else.
//!
//! A body of a request that does not parse is answered with 400, one of an answer with 502; a full queue with 503, a
//! transform that takes too long with 504, any other failure of a sheet with 500.
//!
//! The log tells a failure with the place in the sheet, the templates and the node of the document; with `debug: true` the
//! answer shows it, too. `on_error` lets the document pass, or another sheet stand in.
//!
//! Place it inside of `compress`, and outside of `decompress` (`on: response`) where what is inside compresses by itself.

mod documents;
mod faults;
mod files;
mod library;
mod on_error;
mod recent;
mod sheets;
mod source;
mod store;
mod totals;
pub mod trial;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, header};
use http_environ::{RequestId, Template, View};
use tower::{Layer, ServiceExt as _};
use tower_xslt::{
    Cache, InputKind, Limit, Limits, On, Otherwise, OutputKind, Policy, SourceFile, StoodIn, XsltError,
    XsltLayer,
};
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Size, sets_nothing};

use documents::{Documents, Listed};
use on_error::OnError;
use source::Source;
use store::Store;

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
    /// One sheet, or a list of them, applied in this order; or `from_document`. `sheets`, for that: folders, `route:/PATH` or
    /// `http://HOST` where the sheets may come from that documents name.
    source: Source,
    /// Parameters of the sheets: names and templates. They arrive as strings.
    params: Arc<[(String, Template)]>,
    /// Which bodies: of the `response` (the default) or of the `request`.
    on: On,
    /// How bodies are parsed, and so which: `xml` (the default), `html` (by libxml2's parser, as Diazo and lxml do) or `html5`
    /// (as browsers do).
    input: InputKind,
    /// How results are written: as `xsl:output` says (`sheet`, the default), or as `html5`: valid HTML in UTF-8, with doctype and
    /// charset where there is an `<html>`, a fragment where there is none.
    output: OutputKind,
    /// What stands in for a result that cannot be made: nothing (`fail`, the default), the document as it came (`pass`), or
    /// what another sheet makes of it (`fallback: sheet.xsl`; it gets the same parameters, and `error`).
    on_error: OnError,
    /// Whether the answer to a failure shows pieces of sheets and documents. For the author of a theme, not for the public.
    debug: bool,
    /// Further folders that `xsl:import` and `document()` may read.
    folders: Vec<PathBuf>,
    /// URIs that `document()` may read though the sheet puts them together: `route:/PATH`, or `http://HOST/PATH`.
    documents: Vec<Listed>,
    /// Whether a changed sheet or import reloads the gateway; no by default. Sheets of `from_document` are always followed.
    watch: bool,
    /// How many bytes of results are kept, to be found again by sheet, parameters and document; none by default. Results of sheets
    /// that read other documents by `document()` are never kept. Do not use it with sheets whose results depend on the time of day.
    cache: Option<Size>,
    /// `max_input` (16 MiB), `max_output` (64 MiB), `max_memory` (512 MiB), `max_time` (10s), `max_depth` of templates
    /// (3000), `max_operations` (100000000): what one transform may take.
    limits: Limits,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let source = Source::read(reader);
        let params = reader.pairs("params").into_iter().filter_map(|(name, text)| {
            let template = setting::template(reader, &text)?;
            Some((name.value, template))
        });
        let params = params.collect();
        let on = reader.one_of("on", &[("response", On::Response), ("request", On::Request)], On::Response);
        let inputs = [("xml", InputKind::Xml), ("html", InputKind::Html), ("html5", InputKind::Html5)];
        let input = reader.one_of("input", &inputs, InputKind::Xml);
        let outputs = [("sheet", OutputKind::Sheet), ("html5", OutputKind::Html5)];
        let output = reader.one_of("output", &outputs, OutputKind::Sheet);
        source.demands(reader, on, input);
        Self {
            source,
            params,
            on,
            input,
            output,
            on_error: reader.section("on_error", OnError::read).unwrap_or_default(),
            debug: reader.or("debug", false),
            folders: reader.or("folders", Vec::new()),
            documents: documents::read(reader),
            watch: reader.or("watch", false),
            cache: reader.optional("cache"),
            limits: limits(reader),
        }
    }
}

impl Settings {
    fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        policy.folders.clone_from(&self.folders);
        policy
    }

    fn store(&self) -> Arc<Store> {
        Arc::new(Store::new(self.limits.input_bytes, self.limits.time))
    }

    /// The layer with all other settings, but for those of logs and watching.
    fn equip(&self, layer: XsltLayer, store: Arc<Store>, otherwise: Otherwise) -> XsltLayer {
        let documents = Documents { listed: self.documents.clone(), places: self.source.places(), store };
        let params = Arc::clone(&self.params);
        let layer = layer
            .documents(documents)
            .on(self.on)
            .input(self.input)
            .output(self.output)
            .limits(self.limits.clone())
            .params(move |request| {
                let view = View::of_parts(request);
                let text =
                    |template: &Template| String::from_utf8_lossy(&template.render(&view)).into_owned();
                params.iter().map(|(name, template)| (name.clone(), text(template))).collect()
            })
            .otherwise(otherwise)
            // The error travels beside this answer, and `rescue` makes the one that is sent.
            .on_error(|_, _| http::Response::new(Bytes::new()));
        match self.cache {
            Some(size) => layer.cache(Cache::new(bytes(size))),
            None => layer,
        }
    }
}

fn limits(reader: &mut Reader<'_>) -> Limits {
    let mut limits = Limits::default();
    limits.input_bytes = reader.optional("max_input").map_or(limits.input_bytes, bytes);
    limits.output_bytes = reader.optional("max_output").map_or(limits.output_bytes, bytes);
    limits.memory = reader.optional("max_memory").map_or(limits.memory, bytes);
    limits.time = reader.or::<Duration>("max_time", limits.time);
    limits.template_depth = reader.or("max_depth", limits.template_depth);
    limits.operations = reader.or("max_operations", limits.operations);
    limits
}

fn bytes(size: Size) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

fn build(settings: &Settings) -> Result<BoxLayer, Diagnostic> {
    let mut tried = Vec::new();
    let layer = compile(settings, &mut tried);
    let watched = tried.iter().filter(|_| settings.watch).map(files::seen).collect();
    match layer {
        Ok(layer) => Ok(layer.watching(watched)),
        Err(mistake) => Err(mistake.mended_in(watched)),
    }
}

/// The layer with its sheets; `tried` gets their files, whatever becomes of them.
fn compile(settings: &Settings, tried: &mut Vec<SourceFile>) -> Result<BoxLayer, Diagnostic> {
    let policy = settings.policy();
    let otherwise = settings.on_error.build(&policy, tried)?;
    let store = settings.store();
    let (layer, library) = settings.source.layer(policy, Arc::clone(&store), tried)?;
    let layer = settings.equip(layer, store, otherwise);
    let counted = layer.clone();
    Ok(BoxLayer::new(Rescued { layer, on: settings.on, debug: settings.debug })
        .telling(move || totals::tell(&counted, library.as_ref())))
}

/// [`XsltLayer`] with the bodies of this crate, its failures answered by [`rescue`].
struct Rescued {
    layer: XsltLayer,
    on: On,
    debug: bool,
}

impl Layer<BoxService> for Rescued {
    type Service = BoxService;

    fn layer(&self, inner: BoxService) -> BoxService {
        let (on, debug) = (self.on, self.debug);
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
                rescued(answer.map(body), on, debug, &id)
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

fn rescued(mut answer: Response, on: On, debug: bool, id: &RequestId) -> Response {
    if let Some(StoodIn(error)) = answer.extensions_mut().remove() {
        let reason = crate::rescue::chain(&Failed(error));
        tracing::error!(request_id = %id, "{reason}; something else stands in, as `on_error` says");
    }
    let Some(error) = answer.extensions_mut().remove::<Arc<XsltError>>() else { return answer };
    let mut rescued = rescue(id, cause(&error, on), &Failed(Arc::clone(&error)));
    if let Some(vary) = answer.headers_mut().remove(header::VARY) {
        rescued.headers_mut().insert(header::VARY, vary);
    }
    if debug {
        *rescued.body_mut() = tower_xslt::page(&error).into();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        rescued.headers_mut().insert(header::CONTENT_TYPE, html);
    }
    rescued
}

/// A bad document is its sender's fault: the client's on the way in, that of what is inside on the way out.
fn cause(error: &XsltError, on: On) -> Cause {
    let sender = |of_the_client| if on == On::Request { of_the_client } else { Cause::BadGateway };
    match error {
        XsltError::Busy => Cause::Busy,
        XsltError::Limit(Limit::Time) => Cause::GatewayTimeout,
        XsltError::Limit(Limit::InputBytes) => sender(Cause::BodyTooLarge),
        XsltError::Fetch { .. } => Cause::BadGateway,
        XsltError::ContentEncoding(_) => sender(Cause::UnsupportedMediaType),
        // Who else would send a zero byte?
        XsltError::Parameter { .. } => Cause::BadRequest,
        XsltError::NotWellFormed(_)
        | XsltError::Body(_)
        | XsltError::Limit(Limit::Depth | Limit::Attributes | Limit::Entities | Limit::Text) => {
            sender(Cause::BadRequest)
        }
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
        if let XsltError::PolicyDenied { uri } = &*self.0
            && uri.starts_with("route:")
        {
            f.write_str(", setting documents: it lists what a sheet puts together")?;
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
