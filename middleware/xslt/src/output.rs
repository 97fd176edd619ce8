//! Serialising: a tree to bytes, as `xsl:output` asks for it.

mod html;
mod sink;

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::NonNull;

use bytes::Bytes;
use libxslt_sys::{Stylesheet, Table};

use crate::current::text;
use crate::error::{Faults, Limit, XsltError};
use crate::tree::Tree;
use sink::Sink;

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OutputKind {
    /// As `xsl:output` says, byte for byte as `xsltproc` would
    #[default]
    Sheet,
    /// As HTML for browsers, in UTF-8, whatever `xsl:output` says. A tree with an `<html>` is a document and gets a doctype and a
    /// `<meta charset="utf-8">`; others are fragments. Elements of HTML, SVG and MathML get no prefixes, void elements no end
    /// tags. A script or style that the data would end too early does not end there.
    Html5,
}

/// The result of a transform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The result, written as the [`OutputKind`] says
    pub bytes: Bytes,
    /// Its media type and charset
    pub content_type: String,
}

/// What the sheet and its imports say by `xsl:output`, as far as it matters here.
#[derive(Debug, Default)]
pub(crate) struct OutputSpec {
    method: Option<String>,
    media_type: Option<String>,
    encoding: Option<String>,
    /// What `indent` says
    indents: Option<bool>,
    /// The method is one of another namespace.
    is_foreign: bool,
}

impl OutputSpec {
    /// Takes each attribute from the sheet of the highest import precedence that has it, as libxslt does.
    ///
    /// # Safety
    /// `style` is a compiled sheet.
    pub(crate) unsafe fn read(table: &Table, style: NonNull<Stylesheet>) -> Self {
        // SAFETY: the caller's.
        let is_foreign = !unsafe { style.as_ref() }.method_uri.is_null();
        let mut spec = Self { is_foreign, ..Self::default() };
        let mut next = style.as_ptr();
        // SAFETY: the sheet's imports live as long as itself, and so do their strings.
        unsafe {
            while let Some(sheet) = next.as_ref() {
                for (value, read) in [
                    (&mut spec.method, sheet.method),
                    (&mut spec.media_type, sheet.media_type),
                    (&mut spec.encoding, sheet.encoding),
                ] {
                    if value.is_none() && !read.is_null() {
                        *value = Some(text(read));
                    }
                }
                // -1 where nothing is said
                spec.indents = spec.indents.or((sheet.indent != -1).then_some(sheet.indent != 0));
                next = (table.xsltNextImport)(next);
            }
        }
        spec
    }

    /// The Content-Type of every result; `None` where the result itself decides between XML and HTML.
    pub(crate) fn content_type(&self) -> Option<String> {
        (self.method.is_some() || self.media_type.is_some()).then(|| self.content_type_of(false))
    }

    /// True for the html method in UTF-8.
    fn is_plain_html(&self, tree: &Tree) -> bool {
        // What is escaped depends on the tree, not on the method: libxslt makes trees for HTML for other methods, too.
        let is_html = tree.is_html() && self.method.as_deref().is_none_or(|method| method == "html");
        is_html && !self.is_foreign && self.encoding.as_deref().is_none_or(is_utf8)
    }

    fn content_type_of(&self, html: bool) -> String {
        let media_type = self.media_type.as_deref().unwrap_or(match self.method.as_deref() {
            Some("text") => "text/plain",
            Some("html") => "text/html",
            Some("xhtml") => "application/xhtml+xml",
            None if html => "text/html",
            _ => "text/xml",
        });
        // A sheet may say it itself: media-type="text/html; charset=utf-8".
        if media_type.to_ascii_lowercase().contains("charset=") {
            return media_type.to_owned();
        }
        let charset = self.encoding.as_deref().unwrap_or("utf-8");
        format!("{media_type}; charset={}", charset.to_ascii_lowercase())
    }
}

/// Writes the tree as `xsl:output` says. `expected` is a guess at the size.
///
/// # Safety
/// `style` is the compiled sheet that made the tree and `spec` was read from.
pub(crate) unsafe fn serialise(
    table: &Table,
    style: NonNull<Stylesheet>,
    spec: &OutputSpec,
    tree: &Tree,
    expected: usize,
    limit: usize,
) -> Result<(Bytes, String), XsltError> {
    let mut sink = Sink::new(expected, limit);
    // SAFETY: the caller's.
    let is_written = unsafe {
        write_html(table, spec, tree, &mut sink).is_ok() || {
            sink.begin_anew();
            write_by_libxslt(table, style, spec, tree, &mut sink)
        }
    };
    if sink.is_over() {
        Err(XsltError::Limit(Limit::OutputBytes))
    } else if is_written {
        Ok((sink.into_bytes().into(), spec.content_type_of(tree.is_html())))
    } else {
        Err(XsltError::Failed(Faults::new(Vec::new(), "the result cannot be written")))
    }
}

/// Writes what need not be left to libxslt.
///
/// # Safety
/// `spec` was read from the compiled sheet that made the tree.
unsafe fn write_html(
    table: &Table,
    spec: &OutputSpec,
    tree: &Tree,
    sink: &mut Sink,
) -> Result<(), html::LeftOut> {
    if !(spec.is_plain_html(tree) && html::agrees(table)) {
        return Err(html::LeftOut);
    }
    let encoding = spec.encoding.as_deref().unwrap_or("UTF-8");
    let encoding = CString::new(encoding).map_err(|_| html::LeftOut)?;
    // SAFETY: the tree is ours and alive. Here, too, libxslt would begin with this; doing it once more changes nothing.
    unsafe { (table.htmlSetMetaEncoding)(tree.pointer.as_ptr(), encoding.as_ptr()) };
    html::write(table, tree, spec.indents.unwrap_or(true), sink)
}

/// False where that has failed.
///
/// # Safety
/// As for [`serialise`].
unsafe fn write_by_libxslt(
    table: &Table,
    style: NonNull<Stylesheet>,
    spec: &OutputSpec,
    tree: &Tree,
    sink: &mut Sink,
) -> bool {
    let encoding =
        spec.encoding.as_deref().filter(|name| !is_utf8(name)).and_then(|name| CString::new(name).ok());
    // SAFETY: the sink outlives the buffer, which is closed here; the handler belongs to the buffer then. Sheet and tree
    // are alive.
    unsafe {
        let handler = encoding
            .as_ref()
            .map_or(std::ptr::null_mut(), |name| (table.xmlFindCharEncodingHandler)(name.as_ptr()));
        let buffer = (table.xmlOutputBufferCreateIO)(write, close, std::ptr::from_mut(sink).cast(), handler);
        let saved = (table.xsltSaveResultTo)(buffer, tree.pointer.as_ptr(), style.as_ptr());
        saved.min((table.xmlOutputBufferClose)(buffer)) >= 0
    }
}

/// libxslt writes UTF-8 without an encoder.
fn is_utf8(name: &str) -> bool {
    name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8")
}

unsafe extern "C" fn write(sink: *mut c_void, bytes: *const c_char, length: c_int) -> c_int {
    // SAFETY: the sink is the one of `write_by_libxslt`, which nobody else uses meanwhile; libxml2 gives that many bytes.
    let (sink, bytes) = unsafe {
        let Ok(length) = usize::try_from(length) else { return -1 };
        (&mut *sink.cast::<Sink>(), std::slice::from_raw_parts(bytes.cast::<u8>(), length))
    };
    sink.put(bytes);
    if sink.is_over() { -1 } else { length }
}

unsafe extern "C" fn close(_sink: *mut c_void) -> c_int {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(method: Option<&str>, media_type: Option<&str>, encoding: Option<&str>) -> OutputSpec {
        let owned = |value: Option<&str>| value.map(str::to_owned);
        OutputSpec {
            method: owned(method),
            media_type: owned(media_type),
            encoding: owned(encoding),
            ..OutputSpec::default()
        }
    }

    #[test]
    fn the_content_type_follows_xsl_output() {
        assert_eq!(spec(None, None, None).content_type_of(true), "text/html; charset=utf-8");
        assert_eq!(spec(None, None, None).content_type_of(false), "text/xml; charset=utf-8");
        assert_eq!(
            spec(Some("text"), None, Some("ISO-8859-1")).content_type_of(false),
            "text/plain; charset=iso-8859-1"
        );
        assert_eq!(
            spec(None, Some("a/b; charset=x"), Some("UTF-8")).content_type_of(false),
            "a/b; charset=x"
        );
    }

    #[test]
    fn the_content_type_is_known_ahead_unless_the_result_decides_it() {
        assert_eq!(spec(None, None, Some("UTF-8")).content_type(), None);
        assert_eq!(
            spec(Some("html"), None, None).content_type().as_deref(),
            Some("text/html; charset=utf-8")
        );
    }
}
