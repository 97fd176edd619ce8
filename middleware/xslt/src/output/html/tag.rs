//! What libxml2 knows of the elements and attributes of HTML.

use std::cell::Cell;

use libxslt_sys::Table;

use crate::tree::walk::NodeRef;

/// What an element is to libxml2.
#[derive(Clone, Copy)]
pub(super) struct Tag<'t> {
    /// Its name, without a prefix
    pub(super) name: &'t [u8],
    pub(super) end: End,
    /// It is a block, and known.
    pub(super) is_block: bool,
    /// Text in it is no markup.
    pub(super) is_raw: bool,
}

/// Where an element has an end tag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Always,
    /// Where something is in it
    WithContent,
    /// Never, and nothing can be in it
    Never,
}

/// How many names are kept. A page of HTML has some twenty.
const KEPT: usize = 64;

const NOTHING: Tag<'static> = Tag { name: b"", end: End::Always, is_block: false, is_raw: false };

/// The tags of one tree. Its names stay as they are meanwhile, so that an address stands for a name.
pub(super) struct Tags<'t> {
    table: &'t Table,
    kept: [Cell<(usize, Tag<'t>)>; KEPT],
}

impl<'t> Tags<'t> {
    pub(super) fn new(table: &'t Table) -> Self {
        Self { table, kept: [const { Cell::new((0, NOTHING)) }; KEPT] }
    }

    /// That of an element.
    pub(super) fn of(&self, element: NodeRef<'t>) -> Tag<'t> {
        // The same name is another tag in a namespace, and no name stands in the upper half of all memory.
        let key = element.name_pointer().addr() << 1 | usize::from(element.has_namespace());
        let place = &self.kept[(key >> 3) % KEPT];
        let (kept, tag) = place.get();
        if kept == key {
            return tag;
        }
        let tag = self.look_up(element);
        place.set((key, tag));
        tag
    }

    #[cold]
    fn look_up(&self, element: NodeRef<'t>) -> Tag<'t> {
        let name = element.name().local;
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        let tag = Tag { name, is_raw: is(b"script") || is(b"style"), ..NOTHING };
        // SAFETY: the name is a string; what is found is a constant of libxml2.
        let known = unsafe { (self.table.htmlTagLookup)(element.name_pointer()).as_ref() };
        let Some(known) = known.filter(|_| !element.has_namespace()) else { return tag };
        let end = match (known.empty, known.saves_end_tag) {
            (0, 0) => End::Always,
            (0, _) if is(b"html") || is(b"body") => End::Always,
            (0, _) => End::WithContent,
            _ => End::Never,
        };
        Tag { end, is_block: known.is_inline == 0, ..tag }
    }
}

/// True for an attribute that is written without its value.
pub(super) fn is_boolean(name: &[u8]) -> bool {
    const NAMES: [&str; 13] = [
        "checked", "compact", "declare", "defer", "disabled", "ismap", "multiple", "nohref", "noresize",
        "noshade", "nowrap", "readonly", "selected",
    ];
    (5..=8).contains(&name.len()) && NAMES.iter().any(|boolean| name.eq_ignore_ascii_case(boolean.as_bytes()))
}

/// True for an attribute whose value is written as a URI.
pub(super) fn is_uri(name: &[u8], tag: Tag<'_>) -> bool {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    is(b"href") || is(b"action") || is(b"src") || (is(b"name") && tag.name.eq_ignore_ascii_case(b"a"))
}
