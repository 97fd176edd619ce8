//! Where a run stands when it fails: in which templates, and at which node of the document.

use std::ffi::{CStr, c_int};
use std::fmt;

use libxslt_sys::{ATTRIBUTE_NODE, ELEMENT_NODE, NAMESPACE_DECL, Node, Table, Template, TransformContext};

use crate::current::text;
use crate::error::{Fault, Place};
use crate::place::path_of;

/// Nobody reads more of a stack than this.
const MOST_CALLS: usize = 12;

/// Where a run stood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The node of the document, as an XPath of local names: `/catalog/item[3]/@id`
    pub node: Option<String>,
    /// Its line in the document
    pub line: Option<u32>,
    /// The templates, the innermost first; of a deep stack only the innermost
    pub templates: Vec<Call>,
}

/// Which of the elements it is that have one name and whose start tags end in one line of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rank {
    /// 0-based, in document order
    pub(crate) index: usize,
    /// How many there are
    pub(crate) count: usize,
}

/// A template on the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// How it is written: `match="item" mode="short"`
    pub template: String,
    /// Where it stands
    pub place: Place,
}

impl Trace {
    /// # Safety
    /// The context is one of a run on this thread, which is calling back.
    pub(crate) unsafe fn read(table: &Table, context: *const TransformContext) -> Self {
        // SAFETY: the caller's; a run's stack holds templates of its sheet, and its current node is one of a tree that it
        // holds, or null.
        unsafe {
            let Some(context) = context.as_ref() else { return Self::default() };
            let count = usize::try_from(context.template_count).unwrap_or(0);
            let templates = (0..count).rev().take(MOST_CALLS).filter_map(|index| {
                let template = (*context.template_table.add(index)).as_ref()?;
                Call::of(table, template)
            });
            let templates = templates.collect();
            let node = context.node.as_ref().filter(|node| node.kind != NAMESPACE_DECL);
            Self {
                node: node.map(|node| path(node)),
                line: node.and_then(|node| line_of(table, node)),
                templates,
            }
        }
    }
}

impl Rank {
    /// That of the instruction that a run is at, if it is the element that a report names.
    ///
    /// # Safety
    /// As for [`Trace::read`].
    pub(crate) unsafe fn read(
        table: &Table,
        context: *const TransformContext,
        report: &Fault,
    ) -> Option<Self> {
        // SAFETY: the caller's; the instruction is an element of a sheet's tree, which is alive and changes no more.
        unsafe {
            let instruction = context.as_ref()?.instruction.as_ref()?;
            let is_named = |node: &Node| {
                node.kind == ELEMENT_NODE
                    && report.element.as_deref() == Some(&*name(node))
                    && report.place.as_ref().map(|place| place.line) == line_of(table, node)
            };
            let first = instruction.document.as_ref()?.node.children.cast_const().as_ref();
            let all = std::iter::successors(first, |node| following(node));
            let alike: Vec<_> = all.filter(|node| is_named(node)).collect();
            let index = alike.iter().position(|node| std::ptr::eq(*node, instruction))?;
            Some(Self { index, count: alike.len() })
        }
    }
}

impl Call {
    /// # Safety
    /// The template is one of a sheet that is alive.
    pub(crate) unsafe fn of(table: &Table, template: &Template) -> Option<Self> {
        // SAFETY: the caller's; a sheet holds its own tree, of which the template's element and its strings are parts.
        unsafe {
            let element = template.element.as_ref()?;
            let attributes = [("match", template.pattern), ("name", template.name), ("mode", template.mode)];
            let attributes = attributes.into_iter().filter(|(_, value)| !value.is_null());
            let attributes: Vec<_> =
                attributes.map(|(name, value)| format!("{name}=\"{}\"", text(value))).collect();
            let file = path_of(&text(element.document.as_ref()?.url));
            let line = line_of(table, element)?;
            Some(Self { template: attributes.join(" "), place: Place { file, line, column: None } })
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(node) = &self.node {
            write!(f, " at {node}")?;
        }
        if let Some(line) = self.line {
            write!(f, " (line {line} of the document)")?;
        }
        for (index, Call { template, place }) in self.templates.iter().enumerate() {
            let how = if index == 0 { ", in the template" } else { ", called by" };
            write!(f, "{how} {template} ({place})")?;
        }
        Ok(())
    }
}

/// # Safety
/// The node's tree is alive.
unsafe fn line_of(table: &Table, node: &Node) -> Option<u32> {
    // SAFETY: the caller's.
    u32::try_from(unsafe { (table.xmlGetLineNo)(node) }).ok().filter(|line| *line > 0)
}

/// The node after this one, in document order.
///
/// # Safety
/// The node's tree is alive.
unsafe fn following(node: &Node) -> Option<&Node> {
    // SAFETY: the caller's. Of nodes that are no elements, some have children that stand elsewhere.
    unsafe {
        if node.kind == ELEMENT_NODE && !node.children.is_null() {
            return node.children.as_ref();
        }
        let mut last = node;
        while last.next.is_null() {
            last = last.parent.as_ref()?;
        }
        last.next.as_ref()
    }
}

/// # Safety
/// The node's tree is alive.
unsafe fn path(node: &Node) -> String {
    let mut steps = Vec::new();
    let mut next = Some(node);
    while let Some(node) = next {
        // SAFETY: the caller's.
        unsafe {
            match node.kind {
                ELEMENT_NODE => steps.push(format!("{}{}", name(node), position(node))),
                ATTRIBUTE_NODE => steps.push(format!("@{}", name(node))),
                kind if node.parent.is_null() && kind != ELEMENT_NODE => break,
                _ => steps.push("node()".to_owned()),
            }
            next = node.parent.as_ref();
        }
    }
    steps.reverse();
    format!("/{}", steps.join("/"))
}

/// # Safety
/// The node is an element or an attribute of a tree that is alive.
unsafe fn name(node: &Node) -> String {
    // SAFETY: the caller's.
    unsafe { text(node.name) }
}

/// Which of the elements of its name it is, where there are several.
///
/// # Safety
/// The node is an element of a tree that is alive.
unsafe fn position(node: &Node) -> String {
    // SAFETY: the caller's; siblings have names if they are elements.
    unsafe {
        let is_alike = |other: &Node| {
            other.kind == ELEMENT_NODE && CStr::from_ptr(other.name) == CStr::from_ptr(node.name)
        };
        let count = |step: fn(&Node) -> *mut Node| {
            let mut count = 0;
            let mut next = step(node).as_ref();
            while let Some(other) = next {
                count += c_int::from(is_alike(other));
                next = step(other).as_ref();
            }
            count
        };
        match (count(|node| node.previous), count(|node| node.next)) {
            (0, 0) => String::new(),
            (before, _) => format!("[{}]", before + 1),
        }
    }
}
