//! The tree while it is read: nodes in one vector, tied by their numbers.

use std::rc::Rc;

use html5ever::tendril::StrTendril;
use html5ever::{Attribute, QualName};

/// A node's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(u32);

impl Id {
    pub(super) const DOCUMENT: Self = Self(0);

    pub(super) fn new(number: u32) -> Self {
        Self(number)
    }

    fn index(self) -> usize {
        // No platform of ours has smaller pointers.
        self.0 as usize
    }
}

#[derive(Debug)]
pub(super) enum Content {
    Document,
    Element { name: Rc<QualName>, attributes: Vec<Attribute> },
    Text(StrTendril),
    Comment(StrTendril),
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) line: u32,
    /// How many elements are around it, as far as it has not been moved since it got its parent.
    pub(super) depth: u32,
    parent: Option<Id>,
    first: Option<Id>,
    last: Option<Id>,
    previous: Option<Id>,
    next: Option<Id>,
}

/// All nodes; the first is the document.
#[derive(Debug)]
pub(super) struct Nodes(Vec<Node>);

impl Default for Nodes {
    fn default() -> Self {
        let mut nodes = Self(Vec::new());
        nodes.push(Content::Document, 0);
        nodes
    }
}

impl Nodes {
    /// Adds a node that has no parent yet. `None` where there are too many.
    pub(super) fn push(&mut self, content: Content, line: u32) -> Option<Id> {
        let id = Id(u32::try_from(self.0.len()).ok()?);
        let (parent, first, last, previous, next) = (None, None, None, None, None);
        self.0.push(Node { content, line, depth: 0, parent, first, last, previous, next });
        Some(id)
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        &self.0[id.index()]
    }

    pub(super) fn content_mut(&mut self, id: Id) -> &mut Content {
        &mut self.0[id.index()].content
    }

    pub(super) fn parent(&self, id: Id) -> Option<Id> {
        self.node(id).parent
    }

    pub(super) fn first_child(&self, id: Id) -> Option<Id> {
        self.node(id).first
    }

    pub(super) fn last_child(&self, id: Id) -> Option<Id> {
        self.node(id).last
    }

    pub(super) fn previous(&self, id: Id) -> Option<Id> {
        self.node(id).previous
    }

    pub(super) fn next(&self, id: Id) -> Option<Id> {
        self.node(id).next
    }

    /// Puts a node that has no parent into one, before a child or at the end. Gives its depth.
    pub(super) fn insert(&mut self, id: Id, parent: Id, before: Option<Id>) -> u32 {
        let previous = before.map_or_else(|| self.last_child(parent), |next| self.previous(next));
        let depth = self.node(parent).depth + 1;
        let node = self.node_mut(id);
        (node.parent, node.previous, node.next, node.depth) = (Some(parent), previous, before, depth);
        match previous {
            Some(previous) => self.node_mut(previous).next = Some(id),
            None => self.node_mut(parent).first = Some(id),
        }
        match before {
            Some(next) => self.node_mut(next).previous = Some(id),
            None => self.node_mut(parent).last = Some(id),
        }
        depth
    }

    /// Takes a node from its parent, if it has one.
    pub(super) fn detach(&mut self, id: Id) {
        let Some(parent) = self.parent(id) else { return };
        let (previous, next) = (self.previous(id), self.next(id));
        match previous {
            Some(previous) => self.node_mut(previous).next = next,
            None => self.node_mut(parent).first = next,
        }
        match next {
            Some(next) => self.node_mut(next).previous = previous,
            None => self.node_mut(parent).last = previous,
        }
        let node = self.node_mut(id);
        (node.parent, node.previous, node.next) = (None, None, None);
    }

    /// Moves all children of one to the end of another.
    pub(super) fn move_children(&mut self, from: Id, to: Id) {
        while let Some(child) = self.first_child(from) {
            self.detach(child);
            self.insert(child, to, None);
        }
    }

    fn node_mut(&mut self, id: Id) -> &mut Node {
        &mut self.0[id.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(nodes: &mut Nodes) -> Id {
        let content = Content::Text(StrTendril::new());
        nodes.push(content, 1).unwrap()
    }

    fn children(nodes: &Nodes, parent: Id) -> Vec<Id> {
        let forward: Vec<_> =
            std::iter::successors(nodes.first_child(parent), |child| nodes.next(*child)).collect();
        let mut back: Vec<_> =
            std::iter::successors(nodes.last_child(parent), |child| nodes.previous(*child)).collect();
        back.reverse();
        assert_eq!(forward, back);
        forward
    }

    #[test]
    fn nodes_come_go_and_move() {
        let mut nodes = Nodes::default();
        let [a, b, c, d] = std::array::from_fn(|_| element(&mut nodes));
        assert_eq!(nodes.insert(a, Id::DOCUMENT, None), 1);
        assert_eq!(nodes.insert(c, a, None), 2);
        nodes.insert(b, a, Some(c));
        nodes.insert(d, a, None);
        assert_eq!(children(&nodes, a), [b, c, d]);
        nodes.detach(c);
        nodes.detach(c);
        assert_eq!(children(&nodes, a), [b, d]);
        nodes.insert(c, Id::DOCUMENT, Some(a));
        nodes.move_children(a, c);
        assert_eq!((children(&nodes, a), children(&nodes, c)), (vec![], vec![b, d]));
        assert_eq!(children(&nodes, Id::DOCUMENT), [c, a]);
        for all in [b, d] {
            nodes.detach(all);
        }
        assert_eq!(children(&nodes, c), []);
    }
}
