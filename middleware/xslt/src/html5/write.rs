//! Writing a tree as HTML: the same nodes come out when a browser reads it, as far as HTML can say them.
//!
//! A tree with an `<html>` is a document: it gets a doctype, and `<meta charset="utf-8">` as the first thing in its head. All
//! other trees are fragments. What a sheet or a theme says of the encoding itself goes, as the result is UTF-8; so do
//! processing instructions, which HTML does not have, and the prefixes of HTML, SVG and MathML.

use std::borrow::Cow;

use bytes::Bytes;

use super::escape::{comment, escape_text, escape_value};
use super::raw_text::raw_text;
use super::vocabulary::{Content, is_boolean};
use crate::error::{Limit, XsltError};
use crate::tree::Tree;
use crate::tree::walk::{NodeKind, NodeRef, QName};

/// The Content-Type of what [`write`] writes.
pub(crate) const CONTENT_TYPE: &str = "text/html; charset=utf-8";

const HTML: &[u8] = b"http://www.w3.org/1999/xhtml";
const SVG: &[u8] = b"http://www.w3.org/2000/svg";
const MATHML: &[u8] = b"http://www.w3.org/1998/Math/MathML";
const XLINK: &[u8] = b"http://www.w3.org/1999/xlink";
const XML: &[u8] = b"http://www.w3.org/XML/1998/namespace";

const CHARSET: &[u8] = b"<meta charset=\"utf-8\">";

/// Writes the tree. `expected` is a guess at the size.
pub(crate) fn write(tree: &Tree, expected: usize, limit: usize) -> Result<Bytes, XsltError> {
    let document = tree.document();
    let html = document.children().find(|node| is_html(*node, b"html"));
    let has_head = html.is_some_and(|html| html.children().any(|node| is_html(node, b"head")));
    let mut writer = Writer {
        bytes: Vec::with_capacity(expected.min(limit)),
        limit,
        is_over: false,
        is_document: html.is_some(),
        has_head,
    };
    if writer.is_document {
        writer.put(b"<!DOCTYPE html>\n");
    }
    let mut next = document.first_child();
    while let Some(node) = next.filter(|_| !writer.is_over) {
        next = writer.open(node).or_else(|| writer.close_up_to_next(node));
    }
    if writer.is_over { Err(XsltError::Limit(Limit::OutputBytes)) } else { Ok(writer.bytes.into()) }
}

struct Writer {
    bytes: Vec<u8>,
    limit: usize,
    is_over: bool,
    is_document: bool,
    has_head: bool,
}

impl Writer {
    /// Writes a node; of an element that has something in it only the start tag, and gives the first node inside.
    fn open<'a>(&mut self, node: NodeRef<'a>) -> Option<NodeRef<'a>> {
        match node.kind() {
            NodeKind::Element if declares_charset(node) => None,
            NodeKind::Element => {
                self.start_tag(node);
                let first = node.first_child();
                if first.is_none() {
                    self.end_tag(node);
                }
                first
            }
            NodeKind::Text(text, as_it_is) => {
                self.text(node, text, as_it_is);
                None
            }
            NodeKind::CdataSection(text) => {
                self.text(node, text, false);
                None
            }
            NodeKind::Comment(text) => {
                comment(text, |part| self.put(part));
                None
            }
            NodeKind::Doctype | NodeKind::Other => None,
        }
    }

    /// Writes the end tags of the elements that end here, and gives the node that comes next.
    fn close_up_to_next<'a>(&mut self, mut node: NodeRef<'a>) -> Option<NodeRef<'a>> {
        loop {
            if let Some(next) = node.next() {
                return Some(next);
            }
            node = node.parent().filter(|parent| parent.is_element())?;
            self.end_tag(node);
        }
    }

    fn start_tag(&mut self, node: NodeRef<'_>) {
        self.put(b"<");
        self.name(node.name());
        self.attributes(node);
        self.put(b">");
        let is_top = |node: NodeRef<'_>| node.parent().is_some_and(|parent| parent.parent().is_none());
        if self.is_document && is_html(node, b"head") && node.parent().is_some_and(is_top) {
            self.put(CHARSET);
        } else if self.is_document && !self.has_head && is_html(node, b"html") && is_top(node) {
            self.put(b"<head>");
            self.put(CHARSET);
            self.put(b"</head>");
        }
        let begins_with_line_feed = || match node.first_child().map(NodeRef::kind) {
            Some(NodeKind::Text(text, _) | NodeKind::CdataSection(text)) => text.starts_with(b"\n"),
            _ => false,
        };
        if content_of(node) == Content::AfterLineFeed && begins_with_line_feed() {
            self.put(b"\n");
        }
    }

    /// What stands in a void element, against HTML's rules, has been written after it.
    fn end_tag(&mut self, node: NodeRef<'_>) {
        if content_of(node) != Content::Void {
            self.put(b"</");
            self.name(node.name());
            self.put(b">");
        }
    }

    fn text(&mut self, node: NodeRef<'_>, text: &[u8], as_it_is: bool) {
        let raw = node.parent().filter(|parent| content_of(*parent) == Content::Raw);
        match raw {
            Some(parent) => self.put(&raw_text(&lower(parent.name().local), text)),
            None if as_it_is => self.put(text),
            None => escape_text(text, |part| self.put(part)),
        }
    }

    fn attributes(&mut self, node: NodeRef<'_>) {
        let element = node.name();
        let named = || node.attributes().map(|attribute| (attribute.name(), attribute.texts()));
        let has_lang = named().any(|(name, _)| name.uri.is_empty() && name.local == b"lang");
        let written = named().filter(|(name, _)| {
            // Of XML's own attributes HTML knows one, by another name.
            !is_of_html(element) || name.uri != XML || (name.local == b"lang" && !has_lang)
        });
        let mut written = written.peekable();
        while let Some((name, value)) = written.next() {
            self.put(b" ");
            self.attribute_name(element, name);
            // A name may begin with the sign that would give a value to this one.
            let may_be_bare = written.peek().is_none_or(|(next, _)| !next.local.starts_with(b"="));
            if !(may_be_bare && is_on(element, name, value.clone())) {
                self.put(b"=\"");
                value.for_each(|text| escape_value(text, |part| self.put(part)));
                self.put(b"\"");
            }
        }
    }

    fn attribute_name(&mut self, element: QName<'_>, name: QName<'_>) {
        match name.uri {
            b"" if is_of_html(element) => self.put(&lower(name.local)),
            b"" => self.put(name.local),
            XML if is_of_html(element) => self.put(b"lang"),
            XML => self.prefixed(b"xml", name.local),
            XLINK => self.prefixed(b"xlink", name.local),
            _ => self.prefixed(name.prefix, name.local),
        }
    }

    fn name(&mut self, name: QName<'_>) {
        match name.uri {
            HTML | b"" => self.put(&lower(name.local)),
            SVG | MATHML => self.put(name.local),
            _ => self.prefixed(name.prefix, name.local),
        }
    }

    fn prefixed(&mut self, prefix: &[u8], local: &[u8]) {
        if !prefix.is_empty() {
            self.put(prefix);
            self.put(b":");
        }
        self.put(local);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.is_over |= self.bytes.len() + bytes.len() > self.limit;
        if !self.is_over {
            self.bytes.extend_from_slice(bytes);
        }
    }
}

fn is_of_html(name: QName<'_>) -> bool {
    matches!(name.uri, HTML | b"")
}

fn is_html(node: NodeRef<'_>, local: &[u8]) -> bool {
    node.is_element() && {
        let name = node.name();
        is_of_html(name) && name.local.eq_ignore_ascii_case(local)
    }
}

fn content_of(node: NodeRef<'_>) -> Content {
    match node.kind() {
        NodeKind::Element if is_of_html(node.name()) => Content::of(&lower(node.name().local)),
        _ => Content::Ordinary,
    }
}

/// True for a `<meta>` that tells the encoding of what the tree came from.
fn declares_charset(node: NodeRef<'_>) -> bool {
    is_html(node, b"meta")
        && node.attributes().any(|attribute| {
            let name = attribute.name();
            name.uri.is_empty()
                && (name.local.eq_ignore_ascii_case(b"charset")
                    || (name.local.eq_ignore_ascii_case(b"http-equiv")
                        && is(attribute.texts(), b"content-type")))
        })
}

/// True for a boolean attribute of HTML with a value that says no more than its name.
fn is_on<'a>(element: QName<'_>, name: QName<'_>, value: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
    // Custom elements give names meanings of their own.
    is_of_html(element)
        && !element.local.contains(&b'-')
        && name.uri.is_empty()
        && is_boolean(&lower(name.local))
        && (is(value.clone(), b"") || is(value, name.local))
}

/// True where the pieces are this text, in capitals or not.
fn is<'a>(value: impl Iterator<Item = &'a [u8]>, text: &[u8]) -> bool {
    value.flatten().map(u8::to_ascii_lowercase).eq(text.iter().map(u8::to_ascii_lowercase))
}

fn lower(name: &[u8]) -> Cow<'_, [u8]> {
    if name.iter().any(u8::is_ascii_uppercase) { name.to_ascii_lowercase().into() } else { name.into() }
}
