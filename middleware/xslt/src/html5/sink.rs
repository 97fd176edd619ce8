//! What html5ever tells of the tree becomes nodes of the arena.
//!
//! It cannot be told to stop. Where a limit is met, nothing is kept any more, and whoever feeds it looks at [`Sink::check`].

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use html5ever::interface::{ElemName, ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::StrTendril;
use html5ever::{Attribute, ExpandedName, LocalName, Namespace, QualName, local_name, ns};

use super::nodes::{Content, Id, Node, Nodes};
use crate::error::{Limit, XsltError};
use crate::memory::Held;

/// How deep elements may stand in each other; browsers make siblings of what is deeper.
pub(super) const DEEPEST: u32 = 512;
/// How many attributes an element may have: finding one among them is linear, in libxml2 as in html5ever.
const MOST_ATTRIBUTES: usize = 1_000;

/// A node, as html5ever holds it.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    id: Id,
    /// Of elements
    name: Rc<QualName>,
    is_integration_point: bool,
}

/// The name of an element, borrowed.
#[derive(Debug)]
pub(super) struct Name<'a>(&'a QualName);

impl ElemName for Name<'_> {
    fn ns(&self) -> &Namespace {
        &self.0.ns
    }

    fn local_name(&self) -> &LocalName {
        &self.0.local
    }
}

/// Collects the nodes.
pub(super) struct Sink {
    nodes: RefCell<Nodes>,
    held: RefCell<Held>,
    line: Cell<u32>,
    over: Cell<Option<Limit>>,
    /// Handles that were given out since a limit was met: they stand for no node, but must not be the same one.
    beyond: Cell<u32>,
    nameless: Rc<QualName>,
}

impl Default for Sink {
    fn default() -> Self {
        Self {
            nodes: RefCell::default(),
            held: RefCell::default(),
            line: Cell::new(1),
            over: Cell::new(None),
            beyond: Cell::new(u32::MAX),
            nameless: Rc::new(QualName::new(None, ns!(), local_name!(""))),
        }
    }
}

impl Sink {
    /// Fails once a limit was met.
    pub(super) fn check(&self) -> Result<(), XsltError> {
        self.over.get().map_or(Ok(()), |limit| Err(XsltError::Limit(limit)))
    }

    /// The nodes, and the memory that they take.
    pub(super) fn into_nodes(self) -> (Nodes, Held) {
        (self.nodes.into_inner(), self.held.into_inner())
    }

    fn fail(&self, limit: Limit) {
        self.over.set(self.over.get().or(Some(limit)));
    }

    fn is_over(&self) -> bool {
        self.over.get().is_some()
    }

    /// Counts memory that a node takes.
    fn hold(&self, bytes: usize) {
        if !self.held.borrow_mut().add(bytes) {
            self.fail(Limit::Memory);
        }
    }

    fn push(&self, content: Content) -> Id {
        self.hold(size_of::<Node>());
        if !self.is_over() {
            if let Some(id) = self.nodes.borrow_mut().push(content, self.line.get()) {
                return id;
            }
            self.fail(Limit::Memory);
        }
        // From the other end: no two have met before the next look at the limits.
        self.beyond.set(self.beyond.get().wrapping_sub(1));
        Id::new(self.beyond.get())
    }

    fn insert(&self, parent: Id, before: Option<Id>, child: NodeOrText<Handle>) {
        let id = match child {
            NodeOrText::AppendNode(child) => child.id,
            NodeOrText::AppendText(text) if self.joins(parent, before, &text) => return,
            NodeOrText::AppendText(text) => {
                self.hold(text.len());
                self.push(Content::Text(text))
            }
        };
        if self.is_over() {
            return;
        }
        let mut nodes = self.nodes.borrow_mut();
        nodes.detach(id);
        let depth = nodes.insert(id, parent, before);
        if depth > DEEPEST && matches!(nodes.node(id).content, Content::Element { .. }) {
            self.fail(Limit::Depth);
        }
    }

    /// Adds a text to the one that it would follow; false where there is none.
    fn joins(&self, parent: Id, before: Option<Id>, text: &StrTendril) -> bool {
        if self.is_over() {
            return true;
        }
        let mut nodes = self.nodes.borrow_mut();
        let previous = before.map_or_else(|| nodes.last_child(parent), |next| nodes.previous(next));
        let Some(Content::Text(all)) = previous.map(|previous| nodes.content_mut(previous)) else {
            return false;
        };
        self.hold(text.len());
        all.push_tendril(text);
        true
    }

    fn add_attributes(&self, existing: &mut Vec<Attribute>, added: Vec<Attribute>) {
        if existing.len() + added.len() > MOST_ATTRIBUTES {
            self.fail(Limit::Attributes);
            return;
        }
        self.hold(added.iter().map(|attribute| size_of::<Attribute>() + attribute.value.len()).sum());
        existing.extend(added);
    }

    fn nameless(&self, id: Id) -> Handle {
        Handle { id, name: Rc::clone(&self.nameless), is_integration_point: false }
    }
}

impl TreeSink for Sink {
    type Handle = Handle;
    type Output = Self;
    type ElemName<'a> = Name<'a>;

    fn finish(self) -> Self {
        self
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        self.nameless(Id::DOCUMENT)
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> Name<'a> {
        Name(&target.name)
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, flags: ElementFlags) -> Handle {
        let name = Rc::new(name);
        let mut own = Vec::new();
        self.hold(size_of::<QualName>());
        self.add_attributes(&mut own, attributes);
        let id = self.push(Content::Element { name: Rc::clone(&name), attributes: own });
        Handle { id, name, is_integration_point: flags.mathml_annotation_xml_integration_point }
    }

    fn create_comment(&self, text: StrTendril) -> Handle {
        self.hold(text.len());
        self.nameless(self.push(Content::Comment(text)))
    }

    /// HTML has none: `<?x>` is a comment.
    fn create_pi(&self, target: StrTendril, data: StrTendril) -> Handle {
        let mut text = target;
        text.push_tendril(&data);
        self.create_comment(text)
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.insert(parent.id, None, child);
    }

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        let parent = if self.is_over() { None } else { self.nodes.borrow().parent(sibling.id) };
        if let Some(parent) = parent {
            self.insert(parent, Some(sibling.id), child);
        }
    }

    fn append_based_on_parent_node(&self, element: &Handle, previous: &Handle, child: NodeOrText<Handle>) {
        let has_parent = !self.is_over() && self.nodes.borrow().parent(element.id).is_some();
        if has_parent {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, target: &Handle) -> Handle {
        target.clone()
    }

    fn same_node(&self, x: &Handle, y: &Handle) -> bool {
        x.id == y.id
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn add_attrs_if_missing(&self, target: &Handle, attributes: Vec<Attribute>) {
        if self.is_over() {
            return;
        }
        let mut nodes = self.nodes.borrow_mut();
        if let Content::Element { attributes: own, .. } = nodes.content_mut(target.id) {
            let has = |name: ExpandedName<'_>| own.iter().any(|attribute| attribute.name.expanded() == name);
            let missing =
                attributes.into_iter().filter(|attribute| !has(attribute.name.expanded())).collect();
            self.add_attributes(own, missing);
        }
    }

    fn remove_from_parent(&self, target: &Handle) {
        if !self.is_over() {
            self.nodes.borrow_mut().detach(target.id);
        }
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        if !self.is_over() {
            self.nodes.borrow_mut().move_children(node.id, new_parent.id);
        }
    }

    fn is_mathml_annotation_xml_integration_point(&self, handle: &Handle) -> bool {
        handle.is_integration_point
    }

    fn set_current_line(&self, line: u64) {
        self.line.set(u32::try_from(line).unwrap_or(u32::MAX));
    }

    /// A `<template shadowrootmode>` is a template like others: browsers attach what it holds when they read the result.
    fn allow_declarative_shadow_roots(&self, _: &Handle) -> bool {
        false
    }
}
