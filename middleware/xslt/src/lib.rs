//! XSLT transforms as a layer for any tower stack, on libxslt.
//!
//! A [`Stylesheet`] is compiled once and shared by all threads; [`XsltLayer`] applies it to the bodies of answers, or of
//! requests, on threads of its own ([`Pool`]), within [`Limits`], and reading no files but those of the [`Policy`].
//! libxslt is opened at run time (Debian: `libxslt1.1`); nothing of it is needed to build. A program without Python may
//! have it linked instead: it depends on `libxslt-sys` with the feature `link`.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_xslt::{Body, Policy, Stylesheet, XsltLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # let folder = tempfile::tempdir()?;
//! # let theme = folder.path().join("theme.xsl");
//! # std::fs::write(&theme, r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
//! #     <xsl:param name="path"/>
//! #     <xsl:output method="html"/>
//! #     <xsl:template match="/news"><h1><xsl:value-of select="concat($path, ': ', title)"/></h1></xsl:template>
//! # </xsl:stylesheet>"#)?;
//! let stylesheet = Stylesheet::compile([theme], &Policy::default())?;
//! let layer = XsltLayer::new(stylesheet)
//!     .params(|request| vec![("path".to_owned(), request.uri.path().to_owned())]);
//!
//! let feed = service_fn(|_: Request<Body<Full<Bytes>>>| async {
//!     Response::builder()
//!         .header("content-type", "application/xml")
//!         .body(Full::from("<news><title>It rains</title></news>"))
//! });
//! let answer = layer.layer(feed).oneshot(Request::get("/today").body(Full::default())?).await?;
//!
//! assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
//! # #[expect(clippy::disallowed_methods, reason = "a result is as large as its limit")]
//! let page = answer.into_body().collect().await?.to_bytes();
//! assert_eq!(page, "<h1>/today: It rains</h1>\n");
//! # Ok(())
//! # }
//! ```
//!
//! In an axum program it is one line, see `examples/axum_xslt.rs`: `Router::new().route(…).layer(XsltLayer::new(stylesheet))`.
//!
//! # HTML
//!
//! [`InputKind::Html`] is read by libxml2's parser, as Diazo and lxml do; [`InputKind::Html5`] as browsers do, by `html5ever`.
//! Either way sheets name HTML's elements without a namespace. [`OutputKind::Html5`] writes what a browser reads as the tree that
//! the sheet made, in UTF-8 and with its charset told once, whatever `xsl:output` says.
//!
//! ```
//! use tower_xslt::{Input, InputKind, Limits, OutputKind, Policy, Stylesheet};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let theme = folder.path().join("theme.xsl");
//! # std::fs::write(&theme, r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
//! #     <xsl:template match="/html"><html><body class="themed"><xsl:copy-of select="body/node()"/></body></html></xsl:template>
//! # </xsl:stylesheet>"#)?;
//! // <xsl:template match="/html"><html><body class="themed"><xsl:copy-of select="body/node()"/></body></html></xsl:template>
//! let theme = Stylesheet::compile([theme], &Policy::default())?.writing(OutputKind::Html5);
//! let page = Input { bytes: b"<p>one<p>two<br>", kind: InputKind::Html5, charset: Some("utf-8") };
//! let themed = theme.transform(page, &[], &Limits::default())?;
//!
//! assert_eq!(themed.content_type, "text/html; charset=utf-8");
//! assert_eq!(
//!     themed.bytes,
//!     "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head>\
//!      <body class=\"themed\"><p>one</p><p>two<br></p></body></html>"
//! );
//! # Ok(())
//! # }
//! ```
//!
//! A layer is told by [`XsltLayer::input`] and [`XsltLayer::output`]. What the encoding of a document is, its byte order mark
//! says, or else its Content-Type, or else itself: by its XML declaration, or in HTML by a `<meta>`. HTML that says nothing is
//! taken for UTF-8 if it can be, or else for windows-1252.
//!
//! # What the layer does to an exchange
//!
//! On answers ([`On::Response`], the default) it takes Accept-Encoding, Range, If-Range and If-Modified-Since from the
//! request, for only a whole, plain document can be transformed, and a time says nothing about the stylesheet. An answer
//! whose Content-Type is XML is read whole and transformed; all others stream through untouched, as do those without a
//! body of their own (204, 206, 304). The result gets its Content-Type and charset (from `xsl:output`, unless the layer
//! [writes HTML](XsltLayer::output)); Content-Length is right; Accept-Ranges, Last-Modified and digests go. A tag `"abc"` becomes `"abc-xslt-…"`, marked by stylesheet and
//! parameters, and back again in If-None-Match: the service goes on answering 304. There is no tag where a sheet reads
//! other documents; one whose result depends on the time of day should not be given answers with tags.
//!
//! Where a transform fails, the exchange does, with the answer of [`XsltLayer::on_error`]; or the document goes on as it came,
//! or by way of another sheet: [`Otherwise`].
//!
//! On requests ([`On::Request`]) an XML body is transformed before the service sees it.
//!
//! A compressed body is an error: a layer that decompresses belongs inside of this one. One that compresses belongs
//! outside.
//!
//! # The process
//!
//! What libxml2 and libxslt hold per process is set up when the first stylesheet is compiled, or by [`init`], which a
//! program with an embedded Python calls before Python starts. Debian's lxml shares these libraries and goes on working,
//! as does the wheel from PyPI, which brings its own.

mod access;
mod association;
mod body;
mod cache;
mod compile;
mod counters;
mod current;
mod documents;
mod encoding;
mod engine;
mod error;
mod html5;
mod input;
mod layer;
mod limits;
mod memory;
mod output;
mod page;
mod place;
mod pool;
mod profile;
mod reference;
mod run;
mod sheet;
mod stop;
mod trace;
mod tree;
mod worn;

pub use body::{Body, BoxError};
pub use cache::Cache;
pub use counters::Counters;
pub use documents::{Fetched, SourceFile};
pub use engine::init;
pub use error::{Fault, Faults, Limit, Place, XsltError};
pub use input::{Input, InputKind};
pub use layer::{
    FetchDocument, Fetching, FindSheet, On, Otherwise, StoodIn, Xslt, XsltLayer, answer, debug_answer,
};
pub use libxslt_sys::LoadError;
pub use limits::Limits;
pub use output::{Output, OutputKind};
pub use page::page;
pub use place::Snippet;
pub use pool::{Pool, Task};
pub use profile::{Profile, TemplateCost, profile};
pub use reference::resolve;
pub use sheet::{Policy, Stylesheet};
pub use trace::{Call, Trace};
pub use worn::worn_out;
