//! Looking at a tree, node by node.

use std::ffi::{CStr, c_char};

use libxslt_sys::{
    Attribute, CDATA_SECTION_NODE, COMMENT_NODE, DTD_NODE, ELEMENT_NODE, Element, Namespace, Node, TEXT_NODE,
};

use super::Tree;

/// A node of a tree that nobody changes meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct NodeRef<'a>(&'a Node);

/// What a node is.
pub(crate) enum NodeKind<'a> {
    Element,
    /// True for a text that is to be written as it is (`disable-output-escaping`).
    Text(&'a [u8], bool),
    CdataSection(&'a [u8]),
    Comment(&'a [u8]),
    Doctype,
    Other,
}

/// An attribute of an element.
#[derive(Clone, Copy)]
pub(crate) struct AttributeRef<'a>(&'a Attribute);

/// What an attribute's value is made of.
pub(crate) enum Value<'a> {
    Nothing,
    Text(&'a [u8]),
    Pieces,
}

/// A name of an element or attribute. What is missing is empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct QName<'a> {
    pub(crate) uri: &'a [u8],
    pub(crate) prefix: &'a [u8],
    pub(crate) local: &'a [u8],
}

impl Tree {
    /// The document itself.
    pub(crate) fn document(&self) -> NodeRef<'_> {
        // SAFETY: the tree is alive; changing it takes a call of libxml2's, which nobody makes who has a `NodeRef`.
        NodeRef(unsafe { &self.pointer.as_ref().node })
    }
}

impl PartialEq for NodeRef<'_> {
    /// Whether it is the same node.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl<'a> NodeRef<'a> {
    pub(crate) fn kind(self) -> NodeKind<'a> {
        match self.0.kind {
            ELEMENT_NODE => NodeKind::Element,
            // SAFETY: a node of one of these kinds is a whole `xmlNode`; libxslt marks a text by its name.
            TEXT_NODE => unsafe {
                NodeKind::Text(bytes(self.whole().content), bytes(self.0.name) == b"textnoenc")
            },
            // SAFETY: as above.
            CDATA_SECTION_NODE => NodeKind::CdataSection(unsafe { bytes(self.whole().content) }),
            // SAFETY: as above.
            COMMENT_NODE => NodeKind::Comment(unsafe { bytes(self.whole().content) }),
            DTD_NODE => NodeKind::Doctype,
            _ => NodeKind::Other,
        }
    }

    pub(crate) fn is_element(self) -> bool {
        self.0.kind == ELEMENT_NODE
    }

    /// True for a text, also for one that is nothing but white space.
    pub(crate) fn is_text(self) -> bool {
        self.0.kind == TEXT_NODE
    }

    /// The name of an element.
    pub(crate) fn name(self) -> QName<'a> {
        // SAFETY: the tree is alive, and so are the name and the namespace of its element.
        unsafe { name(self.0, self.whole().namespace) }
    }

    /// Where the name of an element stands, as a string. The same name may stand in several places.
    pub(crate) fn name_pointer(self) -> *const c_char {
        self.0.name
    }

    /// False for an element without a namespace; also the empty one may be there.
    pub(crate) fn has_namespace(self) -> bool {
        // SAFETY: an element is a whole `xmlNode`.
        !unsafe { self.whole() }.namespace.is_null()
    }

    /// The namespaces that are declared at an element: prefixes, empty for the default one, and URIs.
    pub(crate) fn declarations(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        // SAFETY: an element is a whole `xmlNode`, its declarations are a list of `xmlNs`, with strings that live as long.
        unsafe {
            let first = self.whole().declarations.cast_const().as_ref();
            let all = std::iter::successors(first, |namespace| namespace.next.cast_const().as_ref());
            all.map(|namespace| (bytes(namespace.prefix), bytes(namespace.uri)))
        }
    }

    /// The attributes of an element.
    pub(crate) fn attributes(self) -> impl Iterator<Item = AttributeRef<'a>> {
        // SAFETY: an element is a whole `xmlNode`, its attributes are a list of `xmlAttr`.
        unsafe {
            let first = self.whole().attributes.cast_const().as_ref();
            let all = std::iter::successors(first, |attribute| {
                attribute.node.next.cast::<Attribute>().cast_const().as_ref()
            });
            all.map(AttributeRef)
        }
    }

    /// The first of the nodes in an element or a document.
    pub(crate) fn first_child(self) -> Option<Self> {
        let has_nodes = self.0.parent.is_null() || self.0.kind == ELEMENT_NODE;
        // SAFETY: the tree is alive.
        has_nodes.then(|| unsafe { node(self.0.children) })?
    }

    pub(crate) fn next(self) -> Option<Self> {
        // SAFETY: the tree is alive.
        unsafe { node(self.0.next) }
    }

    pub(crate) fn parent(self) -> Option<Self> {
        // SAFETY: the tree is alive.
        unsafe { node(self.0.parent) }
    }

    /// All of the nodes in an element or a document.
    pub(crate) fn children(self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.first_child(), |child| child.next())
    }

    /// # Safety
    /// It is an element, a text or a comment.
    unsafe fn whole(self) -> &'a Element {
        // SAFETY: the caller's.
        unsafe { &*std::ptr::from_ref(self.0).cast() }
    }
}

impl<'a> AttributeRef<'a> {
    pub(crate) fn name(self) -> QName<'a> {
        // SAFETY: the tree is alive, and so are the name and the namespace of its attribute.
        unsafe { name(&self.0.node, self.0.namespace) }
    }

    pub(crate) fn has_namespace(self) -> bool {
        !self.0.namespace.is_null()
    }

    /// The value, as far as it is text, piece by piece.
    pub(crate) fn texts(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        // SAFETY: the value is a list of nodes, of which the texts are whole `xmlNode`s.
        unsafe {
            let texts = siblings(self.0.node.children).filter(|text| text.kind == TEXT_NODE);
            texts.map(|text| bytes((*std::ptr::from_ref(text).cast::<Element>()).content))
        }
    }

    pub(crate) fn value(self) -> Value<'a> {
        // SAFETY: as above.
        match unsafe { node(self.0.node.children) } {
            None => Value::Nothing,
            // SAFETY: a text is a whole `xmlNode`.
            Some(text) if text.is_text() && text.0.next.is_null() => unsafe {
                Value::Text(bytes(text.whole().content))
            },
            Some(_) => Value::Pieces,
        }
    }
}

/// # Safety
/// The pointer is null or one to a node, and its tree stays as it is for this lifetime.
unsafe fn node<'a>(pointer: *const Node) -> Option<NodeRef<'a>> {
    // SAFETY: the caller's.
    unsafe { pointer.as_ref() }.map(NodeRef)
}

/// # Safety
/// The pointer is null or one to a node, and its tree stays as it is for this lifetime.
unsafe fn siblings<'a>(first: *const Node) -> impl Iterator<Item = &'a Node> + Clone {
    // SAFETY: the caller's.
    unsafe { std::iter::successors(first.as_ref(), |node| node.next.cast_const().as_ref()) }
}

/// # Safety
/// The node has a name or none, its namespace is null or alive, and all of it stays so for this lifetime.
unsafe fn name(node: &Node, namespace: *const Namespace) -> QName<'_> {
    // SAFETY: the caller's.
    unsafe {
        let (uri, prefix) = namespace
            .as_ref()
            .map_or((&[][..], &[][..]), |namespace| (bytes(namespace.uri), bytes(namespace.prefix)));
        QName { uri, prefix, local: bytes(node.name) }
    }
}

/// # Safety
/// The pointer is null or one to a string that stays as it is for this lifetime.
unsafe fn bytes<'a>(text: *const c_char) -> &'a [u8] {
    // SAFETY: the caller's.
    if text.is_null() { &[] } else { unsafe { CStr::from_ptr(text) }.to_bytes() }
}
