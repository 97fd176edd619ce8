//! Parsing: bytes to a tree.

use std::borrow::Cow;
use std::ffi::{CString, c_int};
use std::ptr::null;

use libxslt_sys::{
    HTML_PARSE_COMPACT, HTML_PARSE_NODEFDTD, HTML_PARSE_RECOVER, PARSE_BIG_LINES, PARSE_COMPACT,
    PARSE_DTDATTR, PARSE_DTDLOAD, PARSE_NOCDATA, PARSE_NOENT, PARSE_NONET, Table,
};

use crate::current::Scope;
use crate::encoding::{self, HtmlEncoding};
use crate::error::{Fault, Limit, XsltError};
use crate::html5;
use crate::limits::Limits;
use crate::memory::Held;
use crate::place::Snippet;
use crate::stop::Stop;
use crate::tree::{Parser, Tree};

/// `XML_ERR_ENTITY_LOOP`, which libxml2 before 2.11 also gives when entities expand to too much
const ENTITY_LOOP: c_int = 89;
/// `XML_ERR_RESOURCE_LIMIT`, from 2.11 on
const RESOURCE_LIMIT: c_int = 114;

/// xsltproc's options for documents. The external subset is asked for (libxml2 applies no defaults of attributes otherwise), and
/// left out.
const XML: c_int = PARSE_NOENT | PARSE_DTDATTR | PARSE_NOCDATA | PARSE_NONET | PARSE_COMPACT;
/// xsltproc's options for sheets. Their external entities may be read, within the policy.
const SHEET: c_int =
    PARSE_NOENT | PARSE_DTDLOAD | PARSE_DTDATTR | PARSE_NOCDATA | PARSE_NONET | PARSE_BIG_LINES;
const HTML: c_int = HTML_PARSE_RECOVER | HTML_PARSE_NODEFDTD | HTML_PARSE_COMPACT | PARSE_NONET;

/// How a document is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum InputKind {
    /// As XML. Internal entities are replaced and defaults of the internal subset apply; what stands outside of the
    /// document is refused.
    #[default]
    Xml,
    /// As HTML, by libxml2's parser, as Diazo and lxml do: whatever it gets, it makes a tree of it.
    Html,
    /// As HTML, as browsers do. Elements are named as in `Html`; those of SVG and MathML are in their namespaces.
    Html5,
}

/// A document as it came.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The bytes
    pub bytes: &'a [u8],
    /// What they are
    pub kind: InputKind,
    /// The charset of the Content-Type, which goes before what the document says of itself, but for a byte order mark
    pub charset: Option<&'a str>,
}

impl<'a> From<&'a [u8]> for Input<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, kind: InputKind::Xml, charset: None }
    }
}

/// Parses a document of unknown origin. The scope's access is `Nothing`.
pub(crate) fn parse_document(
    table: &'static Table,
    scope: &Scope<'_>,
    input: Input<'_>,
    limits: &Limits,
    stop: &Stop,
) -> Result<Tree, XsltError> {
    if input.bytes.len() > limits.input_bytes || c_int::try_from(input.bytes.len()).is_err() {
        return Err(XsltError::Limit(Limit::InputBytes));
    }
    let tree = match input.kind {
        InputKind::Xml => parse_xml(table, input.bytes, encoding::of_xml(input.bytes, input.charset)),
        InputKind::Html => parse_html(table, &input),
        InputKind::Html5 => return html5::parse(table, &input, stop),
    };
    judge(scope, tree).map_err(|error| match error {
        XsltError::NotWellFormed(mut fault) => {
            fault.source = fault.place.as_ref().and_then(|place| Snippet::around(input.bytes, place.line));
            XsltError::NotWellFormed(fault)
        }
        other => other,
    })
}

fn parse_xml(table: &'static Table, bytes: &[u8], charset: Option<&str>) -> Option<Tree> {
    let length = c_int::try_from(bytes.len()).ok()?;
    let charset = charset.and_then(|charset| CString::new(charset).ok());
    let charset = charset.as_deref().map_or(null(), std::ffi::CStr::as_ptr);
    let (parser, start) = (Parser::xml(table)?, bytes.as_ptr().cast());
    // SAFETY: the bytes and the charset outlive the call; the tree keeps neither.
    let read =
        unsafe { (table.xmlCtxtReadMemory)(parser.pointer.as_ptr(), start, length, null(), charset, XML) };
    // SAFETY: the tree was made for us.
    unsafe { Tree::own(table, read) }
}

/// libxml2 finds the encoding of HTML late, if at all: by then, text before the `<meta>` has been misread. So it gets UTF-8.
fn parse_html(table: &'static Table, input: &Input<'_>) -> Option<Tree> {
    let text = HtmlEncoding::of(input.bytes, input.charset).decode(input.bytes);
    let mut held = Held::default();
    if matches!(text, Cow::Owned(_)) {
        held.add(text.len());
    }
    let length = c_int::try_from(text.len()).ok()?;
    let (parser, start, charset) = (Parser::html(table)?, text.as_ptr().cast(), c"UTF-8".as_ptr());
    // SAFETY: the text outlives the call; the tree does not keep it.
    let read =
        unsafe { (table.htmlCtxtReadMemory)(parser.pointer.as_ptr(), start, length, null(), charset, HTML) };
    // SAFETY: the tree was made for us.
    unsafe { Tree::own(table, read) }
}

/// Parses a stylesheet's file.
pub(crate) fn parse_sheet(
    table: &'static Table,
    scope: &Scope<'_>,
    bytes: &[u8],
    uri: &CString,
) -> Option<Tree> {
    let length = c_int::try_from(bytes.len()).ok()?;
    let parser = Parser::xml(table)?;
    let (parser, start) = (parser.pointer.as_ptr(), bytes.as_ptr().cast());
    // SAFETY: the bytes and the URI outlive the call; the tree keeps neither.
    let read =
        unsafe { (table.xmlCtxtReadMemory)(parser, start, length, uri.as_ptr(), std::ptr::null(), SHEET) };
    // SAFETY: the tree was made for us.
    let tree = unsafe { Tree::own(table, read) };
    scope.with(|current| current.denied.is_empty()).then_some(tree)?
}

/// What the parser's outcome and its complaints come to.
fn judge(scope: &Scope<'_>, tree: Option<Tree>) -> Result<Tree, XsltError> {
    let (denied, undeclared, parse) =
        scope.with(|current| (current.denied(), current.undeclared.take(), current.parse.take()));
    if let Some(uri) = denied {
        return Err(XsltError::PolicyDenied { uri });
    }
    let tree = match (tree, parse) {
        (Some(tree), None) => tree,
        (_, parse) => {
            let (code, fault) = parse.unwrap_or_else(|| (0, Fault::bare("the document is empty")));
            return Err(
                limit_of(code, &fault.message).map_or(XsltError::NotWellFormed(fault), XsltError::Limit)
            );
        }
    };
    match (undeclared, tree.external_subset()) {
        (None, _) => Ok(tree),
        // libxml2 would leave the entity out: text would be missing, and nobody told.
        (Some(_), Some(uri)) => Err(XsltError::PolicyDenied { uri }),
        (Some(fault), None) => Err(XsltError::NotWellFormed(fault)),
    }
}

/// The limit of libxml2's own that an error of its parser stands for. Before 2.13 there is no code for most of them.
fn limit_of(code: c_int, message: &str) -> Option<Limit> {
    let says = |words: &str| message.contains(words);
    match code {
        _ if says("xcessive depth") || says("aximum depth") => Some(Limit::Depth),
        ENTITY_LOOP => Some(Limit::Entities),
        RESOURCE_LIMIT if says("amplification") => Some(Limit::Entities),
        RESOURCE_LIMIT => Some(Limit::Text),
        _ if says("XML_PARSE_HUGE") || says("huge text node") || says("too long") => Some(Limit::Text),
        _ => None,
    }
}
