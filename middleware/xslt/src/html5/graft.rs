//! The tree of libxml2: nodes of the arena become its own.

use std::ffi::{CStr, c_char, c_int, c_ushort};
use std::ptr::{NonNull, null, null_mut};

use html5ever::{Attribute, Namespace, QualName, ns};
use libxslt_sys::{Element, Node, Table};

use super::nodes::{Content, Id, Nodes};
use super::sink::DEEPEST;
use crate::error::{Limit, XsltError};
use crate::stop::Stop;
use crate::tree::Tree;

/// So many nodes are made between two looks at whether somebody waits for them.
const BETWEEN_LOOKS: u32 = 1_024;

const OUT_OF_MEMORY: XsltError = XsltError::Limit(Limit::Memory);

/// Makes the tree.
pub(super) fn graft(table: &'static Table, nodes: &Nodes, stop: &Stop) -> Result<Tree, XsltError> {
    // SAFETY: the document is made for us. Its dictionary, which holds the names, is freed with it.
    let tree = unsafe {
        let mut tree = Tree::own(table, (table.htmlNewDocNoDtD)(null(), null())).ok_or(OUT_OF_MEMORY)?;
        tree.pointer.as_mut().dictionary = (table.xmlDictCreate)();
        tree
    };
    let mut grafting = Grafting { table, nodes, tree: &tree, text: Vec::new() };
    let (mut parent, mut depth, mut count) = (tree.pointer.cast::<Node>(), 0, 0);
    let mut next = nodes.first_child(Id::DOCUMENT);
    while let Some(id) = next {
        count += 1;
        if count % BETWEEN_LOOKS == 0 && stop.is_stopped() {
            return Err(XsltError::Stopped);
        }
        let made = grafting.make(id, parent)?;
        if let Some(child) = nodes.first_child(id) {
            depth += 1;
            // Of those that were moved the arena knows only how deep they stood before.
            if depth > DEEPEST {
                return Err(XsltError::Limit(Limit::Depth));
            }
            (parent, next) = (made, Some(child));
            continue;
        }
        next = grafting.after_text(id);
        let mut around = id;
        while next.is_none() {
            let Some(up) = nodes.parent(around).filter(|up| *up != Id::DOCUMENT) else { break };
            // SAFETY: libxml2's node of `up`, which is in the tree, and so has a parent.
            parent = NonNull::new(unsafe { parent.as_ref() }.parent).ok_or(OUT_OF_MEMORY)?;
            (around, next, depth) = (up, nodes.next(up), depth - 1);
        }
    }
    Ok(tree)
}

struct Grafting<'a> {
    table: &'static Table,
    nodes: &'a Nodes,
    tree: &'a Tree,
    /// A string on its way to libxml2
    text: Vec<u8>,
}

impl Grafting<'_> {
    /// Makes a node of libxml2's, the last child of this parent.
    fn make(&mut self, id: Id, parent: NonNull<Node>) -> Result<NonNull<Node>, XsltError> {
        let node = self.nodes.node(id);
        match &node.content {
            Content::Document => unreachable!("the document has no parent"),
            Content::Element { name, attributes } => {
                let element = self.element(name, parent)?;
                // SAFETY: it was just made, as a whole `xmlNode`, and nobody looks at it meanwhile.
                let whole: &mut Element = unsafe { element.cast().as_mut() };
                whole.line = c_ushort::try_from(node.line).unwrap_or(c_ushort::MAX);
                for attribute in attributes {
                    self.attribute(element, attribute)?;
                }
                Ok(element)
            }
            Content::Text(_) => self.adjacent_texts(id, parent),
            Content::Comment(text) => {
                let text = terminated(&mut self.text, text);
                // SAFETY: document and text are alive; libxml2 copies.
                let comment = unsafe { (self.table.xmlNewDocComment)(self.tree.pointer.as_ptr(), text) };
                self.append(parent, comment)
            }
        }
    }

    fn element(&mut self, name: &QualName, parent: NonNull<Node>) -> Result<NonNull<Node>, XsltError> {
        let (table, document) = (self.table, self.tree.pointer.as_ptr());
        let local = terminated(&mut self.text, &name.local);
        // SAFETY: document and name are alive; libxml2 copies the name.
        let element = unsafe { (table.xmlNewDocNode)(document, null_mut(), local, null()) };
        let element = self.append(parent, element)?;
        if let Some(uri) = uri_of(&name.ns) {
            // SAFETY: both are elements of the tree, or the parent is the document, which has no namespace of its own
            // to look at. A namespace that is declared further up lives as long as the element.
            unsafe {
                let around = parent.as_ref();
                let inherited = if around.kind == libxslt_sys::ELEMENT_NODE {
                    (*parent.as_ptr().cast::<Element>()).namespace
                } else {
                    null_mut()
                };
                let is_same =
                    inherited.as_ref().is_some_and(|inherited| CStr::from_ptr(inherited.uri) == uri);
                let namespace = if is_same {
                    inherited
                } else {
                    (table.xmlNewNs)(element.as_ptr(), uri.as_ptr(), null())
                };
                (*element.as_ptr().cast::<Element>()).namespace = namespace;
            }
        }
        Ok(element)
    }

    fn attribute(&mut self, element: NonNull<Node>, attribute: &Attribute) -> Result<(), XsltError> {
        let Attribute { name, value } = attribute;
        let namespace = match (&name.ns, &name.prefix) {
            // Declarations come with the elements that need them.
            (space, _) if *space == ns!(xmlns) => return Ok(()),
            (space, Some(prefix)) if *space == ns!(xlink) || *space == ns!(xml) => {
                self.namespace(element, space, prefix)
            }
            _ => null_mut(),
        };
        terminated(&mut self.text, &name.local);
        let at = self.text.len();
        self.text.extend_from_slice(value.as_bytes());
        self.text.push(0);
        let (name, value) = (self.text.as_ptr().cast(), self.text[at..].as_ptr().cast());
        // SAFETY: element, namespace and strings are alive; libxml2 copies the strings.
        let made = unsafe { (self.table.xmlNewNsProp)(element.as_ptr(), namespace, name, value) };
        if made.is_null() { Err(OUT_OF_MEMORY) } else { Ok(()) }
    }

    /// The namespace of an attribute, declared here if it is not further up. (That of `xml` always is.)
    fn namespace(
        &mut self,
        element: NonNull<Node>,
        space: &str,
        prefix: &str,
    ) -> *mut libxslt_sys::Namespace {
        let (table, document) = (self.table, self.tree.pointer.as_ptr());
        let uri = terminated(&mut self.text, space);
        // SAFETY: document, element and strings are alive; libxml2 copies the strings.
        unsafe {
            let known = (table.xmlSearchNsByHref)(document, element.as_ptr(), uri);
            if !known.is_null() {
                return known;
            }
            let mut text = Vec::new();
            let prefix = terminated(&mut text, prefix);
            (table.xmlNewNs)(element.as_ptr(), uri, prefix)
        }
    }

    /// One text of all that stand side by side: XPath knows no others.
    fn adjacent_texts(&mut self, id: Id, parent: NonNull<Node>) -> Result<NonNull<Node>, XsltError> {
        self.text.clear();
        let mut next = Some(id);
        while let Some(Content::Text(text)) = next.map(|id| &self.nodes.node(id).content) {
            self.text.extend_from_slice(text.as_bytes());
            next = next.and_then(|id| self.nodes.next(id));
        }
        let length = c_int::try_from(self.text.len()).map_err(|_| XsltError::Limit(Limit::Text))?;
        let start = self.text.as_ptr().cast();
        // SAFETY: the document is alive, and there are so many bytes; libxml2 copies them.
        let text = unsafe { (self.table.xmlNewDocTextLen)(self.tree.pointer.as_ptr(), start, length) };
        self.append(parent, text)
    }

    /// The sibling after a node, or after the texts that it stands for.
    fn after_text(&self, id: Id) -> Option<Id> {
        let mut next = self.nodes.next(id);
        if matches!(self.nodes.node(id).content, Content::Text(_)) {
            while let Some(after) = next.filter(|id| matches!(self.nodes.node(*id).content, Content::Text(_)))
            {
                next = self.nodes.next(after);
            }
        }
        next
    }

    fn append(&self, parent: NonNull<Node>, child: *mut Node) -> Result<NonNull<Node>, XsltError> {
        let child = NonNull::new(child).ok_or(OUT_OF_MEMORY)?;
        // SAFETY: both are of one document, and nobody else knows the child. libxml2 allocates nothing here, as no text
        // follows a text.
        unsafe { (self.table.xmlAddChild)(parent.as_ptr(), child.as_ptr()) };
        Ok(child)
    }
}

/// The URI of a namespace whose elements are not HTML's.
fn uri_of(space: &Namespace) -> Option<&'static CStr> {
    match space {
        space if *space == ns!(svg) => Some(c"http://www.w3.org/2000/svg"),
        space if *space == ns!(mathml) => Some(c"http://www.w3.org/1998/Math/MathML"),
        _ => None,
    }
}

/// A string as C wants it, in this buffer. (html5ever makes U+FFFD of every NUL.)
fn terminated(buffer: &mut Vec<u8>, text: &str) -> *const c_char {
    buffer.clear();
    buffer.extend_from_slice(text.as_bytes());
    buffer.push(0);
    buffer.as_ptr().cast()
}
