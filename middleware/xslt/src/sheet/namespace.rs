//! The namespace of XSLT in compiled sheets.
//!
//! Of each element that a run comes to, libxslt asks whether it is one of XSLT: whether its namespace is the text of 36 letters that
//! libxslt has as a constant. libxml2, which compares the two, looks at their addresses first, and at 10 kB of XML compared
//! them 630 times letter by letter: 3 % of the transform. So the namespaces of a sheet point to libxslt's constant while it is in use.

use std::ffi::{CStr, c_char};
use std::ptr::NonNull;

use libxslt_sys::{Document, ELEMENT_NODE, Element, Namespace, Node, Stylesheet};

use crate::engine::{Engine, XSLT_NAMESPACE};

/// The namespaces that point to the constant, each with its own copy of the text, which libxml2 is to free.
#[derive(Default)]
pub(super) struct Shared(Vec<(NonNull<Namespace>, *const c_char)>);

impl Shared {
    /// Shares the constant with all elements of a sheet that templates are made of, and of its imports and includes.
    ///
    /// # Safety
    /// `style` is a compiled sheet, which outlives this or is given back its texts before, and which no other thread knows yet.
    pub(super) unsafe fn with_libxslt(engine: &Engine, style: NonNull<Stylesheet>) -> Self {
        let mut shared = Self::default();
        let Some(constant) = engine.xslt_namespace else { return shared };
        // SAFETY: the caller's: the documents of a sheet, their nodes and namespaces live as long as the sheet.
        unsafe {
            let mut next = style.as_ptr();
            while let Some(sheet) = next.as_ref() {
                for document in documents(sheet) {
                    elements(document).for_each(|element| shared.share((*element).namespace, constant));
                }
                next = (engine.table.xsltNextImport)(next);
            }
        }
        shared
    }

    /// # Safety
    /// The namespace is null, or alive until [`put_back`](Self::put_back).
    unsafe fn share(&mut self, namespace: *mut Namespace, constant: NonNull<c_char>) {
        let Some(mut namespace) = NonNull::new(namespace) else { return };
        // SAFETY: the caller's; the URI of a namespace is null or a string.
        unsafe {
            let uri = namespace.as_ref().uri;
            if !uri.is_null() && uri != constant.as_ptr() && CStr::from_ptr(uri) == XSLT_NAMESPACE {
                namespace.as_mut().uri = constant.as_ptr();
                self.0.push((namespace, uri));
            }
        }
    }

    /// Leaves the sheet as libxml2 has made it.
    pub(super) fn put_back(&mut self) {
        for (mut namespace, uri) in self.0.drain(..) {
            // SAFETY: the sheet is alive, as `with_libxslt` was promised, and so are its namespaces.
            unsafe { namespace.as_mut() }.uri = uri;
        }
    }
}

/// The sheet's own document, and those of its includes that have templates.
///
/// # Safety
/// The sheet is alive for as long as what this gives is in use.
unsafe fn documents(sheet: &Stylesheet) -> Vec<*mut Document> {
    let mut documents = vec![sheet.document];
    let mut next = sheet.templates;
    // SAFETY: the caller's; a template's element is null or one of a document of its sheet.
    unsafe {
        while let Some(template) = next.as_ref() {
            documents.extend(template.element.as_ref().map(|element| element.document));
            next = template.next;
        }
    }
    documents.sort_unstable();
    documents.dedup();
    documents.retain(|document| !document.is_null());
    documents
}

/// All elements of a document.
///
/// # Safety
/// The document is alive, and nobody changes its nodes, for as long as the iterator is in use.
unsafe fn elements(document: *mut Document) -> impl Iterator<Item = *mut Element> {
    // SAFETY: the caller's; an element is a whole `xmlNode`, and its links lead to nodes of its document or are null.
    unsafe {
        let first = (*document).node.children;
        let nodes = std::iter::successors(NonNull::new(first), |node| NonNull::new(following(node.as_ptr())));
        nodes.filter(|node| node.as_ref().kind == ELEMENT_NODE).map(|node| node.as_ptr().cast())
    }
}

/// The next node in the order of the document; null after the last.
///
/// # Safety
/// The node is alive, and so is its document.
unsafe fn following(mut node: *mut Node) -> *mut Node {
    // SAFETY: the caller's.
    unsafe {
        // What other kinds of nodes have below them is no part of the tree.
        if (*node).kind == ELEMENT_NODE && !(*node).children.is_null() {
            return (*node).children;
        }
        while !node.is_null() && (*node).next.is_null() {
            node = (*node).parent;
        }
        node.as_ref().map_or(std::ptr::null_mut(), |node| node.next)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Policy, Stylesheet};

    /// Of all XSLT elements in the sheet's own documents and those of its imports and includes: whether the constant is theirs.
    fn recognised(sheet: &Stylesheet) -> Vec<bool> {
        let (engine, mut next) = (sheet.0.engine, sheet.0.last().style.as_ptr());
        let mut recognised = Vec::new();
        // SAFETY: the sheet is alive, and nobody changes it.
        unsafe {
            while let Some(style) = next.as_ref() {
                let elements = documents(style).into_iter().flat_map(|document| elements(document));
                let uris = elements.filter_map(|element| Some((*element).namespace.as_ref()?.uri));
                let uris = uris.filter(|uri| CStr::from_ptr(*uri) == XSLT_NAMESPACE);
                recognised.extend(
                    uris.map(|uri| Some(uri) == engine.xslt_namespace.map(|uri| uri.as_ptr().cast_const())),
                );
                next = (engine.table.xsltNextImport)(next);
            }
        }
        recognised
    }

    #[test]
    fn libxslt_recognises_the_elements_of_a_sheet_by_address_and_libxml2_frees_its_own_text() {
        let sheet = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sheets/imports.xsl");
        let mut sheet = Stylesheet::compile([sheet], &Policy::default()).unwrap();
        let of_all = recognised(&sheet);
        assert!(of_all.len() > 10 && of_all.iter().all(|is_shared| *is_shared), "{of_all:?}");
        let sheets = std::sync::Arc::get_mut(&mut sheet.0).unwrap();
        sheets.list[0].namespaces.put_back();
        assert!(recognised(&sheet).iter().all(|is_shared| !is_shared));
    }
}
