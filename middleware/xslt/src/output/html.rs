//! Results of the html method in UTF-8, byte for byte as libxml2 writes them.
//!
//! libxml2 hands each piece of a tag on by itself, through three functions and with its length counted anew, and copies each text
//! once more to escape it: a seventh of the instructions of a transform of 10 kB. Here that is a twentieth.
//!
//! libxml2 stays the measure. A document with what is rare is left to it as a whole: control characters, server-side includes
//! and `&{` in attributes, URIs with what is not for URIs, processing instructions, references to entities. So are all documents
//! where libxml2 is of a version that writes otherwise: up to 2.13 they agree.

mod escape;
mod tag;

use libxslt_sys::Table;

use super::sink::Sink;
use crate::tree::walk::{AttributeRef, NodeKind, NodeRef, QName, Value};
use crate::tree::{Doctype, Tree};
use escape::{escape_text, escape_uri, escape_value, quote_for};
use tag::{End, Tag, Tags, is_boolean, is_uri};

/// The first version of libxml2 that writes otherwise
const OTHERWISE: u32 = 21400;

/// Something that is left to libxml2
pub(super) struct LeftOut;

/// True where libxml2 writes what is written here.
pub(super) fn agrees(table: &Table) -> bool {
    table.version < OTHERWISE
}

/// Writes a tree, in which the encoding is declared already, with line feeds between blocks if it is to be indented.
pub(super) fn write<'t>(
    table: &'t Table,
    tree: &'t Tree,
    indents: bool,
    sink: &'t mut Sink,
) -> Result<(), LeftOut> {
    let mut writer = Writer { tags: Tags::new(table), sink, indents };
    let document = tree.document();
    if document.children().all(|node| matches!(node.kind(), NodeKind::Doctype)) {
        return Ok(());
    }
    if let Some(doctype) = tree.doctype() {
        writer.doctype(&doctype);
    }
    let mut next = document.first_child();
    while let Some(node) = next.filter(|_| !writer.sink.is_over()) {
        next = match writer.open(node)? {
            Some(first) => Some(first),
            None => writer.close_up_to_next(node),
        };
    }
    writer.sink.put(b"\n");
    Ok(())
}

struct Writer<'t> {
    tags: Tags<'t>,
    sink: &'t mut Sink,
    indents: bool,
}

impl<'t> Writer<'t> {
    fn doctype(&mut self, doctype: &Doctype) {
        self.sink.put(b"<!DOCTYPE ");
        self.sink.put(doctype.name.as_bytes());
        let system = doctype.system.as_deref();
        match (&doctype.public, system) {
            (Some(public), _) => {
                self.sink.put(b" PUBLIC ");
                self.quoted(public.as_bytes());
                if let Some(system) = system {
                    self.sink.put(b" ");
                    self.quoted(system.as_bytes());
                }
            }
            (None, None | Some("about:legacy-compat")) => {}
            (None, Some(system)) => {
                self.sink.put(b" SYSTEM ");
                self.quoted(system.as_bytes());
            }
        }
        self.sink.put(b">\n");
    }

    /// Writes a node; of an element that has something in it only the start tag, and gives the first node inside.
    fn open(&mut self, node: NodeRef<'t>) -> Result<Option<NodeRef<'t>>, LeftOut> {
        match node.kind() {
            NodeKind::Element => return self.element(node),
            NodeKind::Text(text, as_it_is) => {
                let is_raw =
                    as_it_is || parent_element(node).is_some_and(|parent| self.tags.of(parent).is_raw);
                if is_raw { self.sink.put(text) } else { escape_text(text, self.sink)? }
            }
            NodeKind::CdataSection(text) => self.sink.put(text),
            // Whether it is empty or not there at all is the same here, but not to libxml2.
            NodeKind::Comment(b"") | NodeKind::Other => return Err(LeftOut),
            NodeKind::Comment(text) => {
                self.sink.put(b"<!--");
                self.sink.put(text);
                self.sink.put(b"-->");
            }
            NodeKind::Doctype => {}
        }
        Ok(None)
    }

    fn element(&mut self, node: NodeRef<'t>) -> Result<Option<NodeRef<'t>>, LeftOut> {
        let tag = self.tags.of(node);
        self.sink.put(b"<");
        self.element_name(node, tag);
        for (prefix, uri) in node.declarations() {
            self.declaration(prefix, uri);
        }
        for attribute in node.attributes() {
            self.attribute(node, tag, attribute)?;
        }
        let first = node.first_child().filter(|_| tag.end != End::Never);
        if let Some(first) = first {
            self.sink.put(b">");
            self.break_inside(node, tag, first);
        } else {
            if tag.end == End::Always {
                self.sink.put(b"></");
                self.element_name(node, tag);
            }
            self.sink.put(b">");
            self.break_after(node, tag);
        }
        Ok(first)
    }

    /// Writes the end tags of the elements that end here, and gives the node that comes next.
    fn close_up_to_next(&mut self, mut node: NodeRef<'t>) -> Option<NodeRef<'t>> {
        loop {
            if let Some(next) = node.next() {
                return Some(next);
            }
            let last = node;
            node = parent_element(node)?;
            let tag = self.tags.of(node);
            self.break_inside(node, tag, last);
            self.sink.put(b"</");
            self.element_name(node, tag);
            self.sink.put(b">");
            self.break_after(node, tag);
        }
    }

    /// Breaks the line between a tag and what stands next to it inside of its element; not in `p`, `pre` and `param`, and with
    /// libxml2 not in all that begins like them.
    fn break_inside(&mut self, node: NodeRef<'t>, tag: Tag<'t>, neighbour: NodeRef<'t>) {
        let has_several = || neighbour.next().is_some() || node.first_child() != Some(neighbour);
        if self.indents
            && tag.is_block
            && !neighbour.is_text()
            && !tag.name.starts_with(b"p")
            && has_several()
        {
            self.sink.put(b"\n");
        }
    }

    /// Breaks the line between an element and what follows.
    fn break_after(&mut self, node: NodeRef<'t>, tag: Tag<'t>) {
        let may_break =
            || parent_element(node).is_some_and(|parent| !self.tags.of(parent).name.starts_with(b"p"));
        if self.indents && tag.is_block && node.next().is_some_and(|next| !next.is_text()) && may_break() {
            self.sink.put(b"\n");
        }
    }

    fn declaration(&mut self, prefix: &[u8], uri: &[u8]) {
        if prefix == b"xml" {
            return;
        }
        self.sink.put(b" xmlns");
        if !prefix.is_empty() {
            self.sink.put(b":");
            self.sink.put(prefix);
        }
        self.sink.put(b"=");
        self.quoted(uri);
    }

    fn attribute(
        &mut self,
        element: NodeRef<'t>,
        tag: Tag<'t>,
        attribute: AttributeRef<'t>,
    ) -> Result<(), LeftOut> {
        let name = attribute.name();
        self.sink.put(b" ");
        self.name(name);
        let value = match attribute.value() {
            Value::Text(value) if !is_boolean(name.local) => value,
            Value::Text(_) | Value::Nothing => return Ok(()),
            Value::Pieces => return Err(LeftOut),
        };
        if is_uri(name.local, tag) && !attribute.has_namespace() && !element.has_namespace() {
            self.sink.put(b"=\"");
            escape_uri(value, self.sink)?;
            self.sink.put(b"\"");
        } else {
            let quote = quote_for(value);
            self.sink.put(b"=");
            self.sink.put(quote);
            escape_value(value, quote, self.sink)?;
            self.sink.put(quote);
        }
        Ok(())
    }

    fn element_name(&mut self, element: NodeRef<'t>, tag: Tag<'t>) {
        if element.has_namespace() {
            self.name(element.name());
        } else {
            self.sink.put(tag.name);
        }
    }

    fn name(&mut self, name: QName<'_>) {
        if !name.prefix.is_empty() {
            self.sink.put(name.prefix);
            self.sink.put(b":");
        }
        self.sink.put(name.local);
    }

    /// Writes what is not escaped, but for the quotation marks around it.
    fn quoted(&mut self, text: &[u8]) {
        let quote = quote_for(text);
        self.sink.put(quote);
        for (number, part) in text.split(|byte| quote == [*byte]).enumerate() {
            if number > 0 {
                self.sink.put(b"&quot;");
            }
            self.sink.put(part);
        }
        self.sink.put(quote);
    }
}

/// The element around a node.
fn parent_element(node: NodeRef<'_>) -> Option<NodeRef<'_>> {
    node.parent().filter(|parent| parent.is_element())
}

#[cfg(test)]
mod tests;
