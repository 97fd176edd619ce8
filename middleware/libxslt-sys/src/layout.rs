//! Opaque types, and the prefixes of structs that the engine touches.
//!
//! A prefix ends with the last field that is needed; what follows differs between versions and is never touched. The
//! prefixes are the same from libxml2 2.9.11 and libxslt 1.1.33 on (older ones are refused by [`load`](crate::load)),
//! and `tests/layout.rs` compares every offset with the installed headers.

use std::ffi::{c_char, c_int, c_ulong, c_ushort, c_void};

macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug)]
        pub struct $name { _opaque: [u8; 0], _not_send: std::marker::PhantomData<*mut u8> }
    )* };
}

opaque! {
    /// `xmlParserInputBuffer`
    InputBuffer;
    /// `xmlCharEncodingHandler`
    EncodingHandler;
    /// `xmlOutputBuffer`
    OutputBuffer;
    /// `xmlDict`
    Dictionary;
    /// `xsltSecurityPrefs`
    SecurityPrefs;
}

/// `xmlParserCtxt`, up to `myDoc`
#[repr(C)]
#[derive(Debug)]
pub struct ParserContext {
    /// `sax`, `userData`
    pub events: [*mut c_void; 2],
    /// The document, as far as it is there
    pub document: *mut Document,
}

/// `xmlParserInput`, up to `filename`
#[repr(C)]
#[derive(Debug)]
pub struct ParserInput {
    /// Where it reads from
    pub buffer: *mut InputBuffer,
    /// Its URI, which belongs to it: memory of libxml2's allocator, or null
    pub filename: *const c_char,
}

/// `xmlError`, whole (the same in all versions)
#[repr(C)]
#[derive(Debug)]
pub struct Error {
    /// Which part of the library speaks
    pub domain: c_int,
    /// `xmlParserErrors`
    pub code: c_int,
    /// Ends with a line feed
    pub message: *const c_char,
    /// `xmlErrorLevel`: 1 warning, 2 error, 3 fatal
    pub level: c_int,
    /// The file, if known
    pub file: *const c_char,
    /// The line, 1 based; 0 if unknown
    pub line: c_int,
    /// Extra text; for XPath the expression
    pub str1: *const c_char,
    /// Extra text
    pub str2: *const c_char,
    /// Extra text
    pub str3: *const c_char,
    /// Extra number; for XPath the offset in the expression
    pub int1: c_int,
    /// The column, 0 if unknown
    pub int2: c_int,
    /// The parser context, if any
    pub context: *mut c_void,
    /// The node, if any
    pub node: *mut c_void,
}

/// The part that all nodes of a tree have in common, `xmlDoc` and `xmlDtd` among them
#[repr(C)]
#[derive(Debug)]
pub struct Node {
    /// Belongs to lxml, which casts it: never touched
    pub private: *mut c_void,
    /// `xmlElementType`
    pub kind: c_int,
    /// Name
    pub name: *const c_char,
    /// First child
    pub children: *mut Node,
    /// Last child
    pub last: *mut Node,
    /// Parent
    pub parent: *mut Node,
    /// Next sibling
    pub next: *mut Node,
    /// Previous sibling
    pub previous: *mut Node,
    /// The document
    pub document: *mut Document,
}

/// `xmlNode`, whole: what an element, a text or a comment has
#[repr(C)]
#[derive(Debug)]
pub struct Element {
    /// The common part
    pub node: Node,
    /// Its namespace
    pub namespace: *mut Namespace,
    /// Of texts and comments
    pub content: *const c_char,
    /// The first attribute
    pub attributes: *mut Attribute,
    /// The first namespace that is declared here
    pub declarations: *mut Namespace,
    /// `psvi`
    pub psvi: *mut c_void,
    /// The line, as far as it has room
    pub line: c_ushort,
    /// `extra`
    pub extra: c_ushort,
}

/// `xmlAttr`, up to `ns`
#[repr(C)]
#[derive(Debug)]
pub struct Attribute {
    /// The common part; `next` is the next attribute
    pub node: Node,
    /// Its namespace
    pub namespace: *mut Namespace,
}

/// `xmlNs`, up to `prefix`
#[repr(C)]
#[derive(Debug)]
pub struct Namespace {
    /// Another one that is declared at the same element
    pub next: *mut Namespace,
    /// `type`
    pub kind: c_int,
    /// Its name
    pub uri: *const c_char,
    /// Null for the default namespace
    pub prefix: *const c_char,
}

/// `xmlDoc`, up to `dict`
#[repr(C)]
#[derive(Debug)]
pub struct Document {
    /// The common part
    pub node: Node,
    /// `compression`, `standalone`
    pub declaration: [c_int; 2],
    /// `intSubset` to `refs`: seven pointers
    pub pointers: [*mut c_void; 7],
    /// The URI that it was read from
    pub url: *const c_char,
    /// `charset`
    pub charset: c_int,
    /// Holds the names, or is null; freed with the document
    pub dictionary: *mut Dictionary,
}

/// `xmlDtd`
#[repr(C)]
#[derive(Debug)]
pub struct Dtd {
    /// The common part
    pub node: Node,
    /// Hash tables of notations, elements, attributes and entities
    pub tables: [*mut c_void; 4],
    /// PUBLIC identifier
    pub external_id: *const c_char,
    /// SYSTEM identifier: the URI
    pub system_id: *const c_char,
}

/// `htmlElemDesc`, up to `isinline`: what libxml2 knows of an element of HTML
#[repr(C)]
#[derive(Debug)]
pub struct HtmlElement {
    /// Its name, in small letters
    pub name: *const c_char,
    /// `startTag`, `endTag`
    pub may_lack: [c_char; 2],
    /// Not 0 where an element with nothing in it is written without its end tag
    pub saves_end_tag: c_char,
    /// Not 0 where nothing can be in it
    pub empty: c_char,
    /// `depr`, `dtd`
    pub status: [c_char; 2],
    /// Not 0 where it is part of a line
    pub is_inline: c_char,
}

/// `xsltStylesheet`, up to `errors`
#[repr(C)]
#[derive(Debug)]
pub struct Stylesheet {
    /// `parent`, `next`, `imports`, `docList`
    pub links: [*mut c_void; 4],
    /// The stylesheet's own tree
    pub document: *mut Document,
    /// `stripSpaces`
    pub strip_spaces: *mut c_void,
    /// `stripAll`
    pub strip_all: c_int,
    /// `cdataSection`, `variables`
    pub parts: [*mut c_void; 2],
    /// Its own templates, without those of imports
    pub templates: *mut Template,
    /// `templatesHash` to `keys`: fourteen pointers that are none of our business
    pub tables: [*mut c_void; 14],
    /// xsl:output's method
    pub method: *const c_char,
    /// Its namespace
    pub method_uri: *const c_char,
    /// xsl:output's version
    pub version: *const c_char,
    /// xsl:output's encoding
    pub encoding: *const c_char,
    /// xsl:output's omit-xml-declaration
    pub omit_xml_declaration: c_int,
    /// `decimalFormat`
    pub decimal_format: *mut c_void,
    /// xsl:output's standalone
    pub standalone: c_int,
    /// xsl:output's doctype-public
    pub doctype_public: *const c_char,
    /// xsl:output's doctype-system
    pub doctype_system: *const c_char,
    /// xsl:output's indent
    pub indent: c_int,
    /// xsl:output's media-type
    pub media_type: *const c_char,
    /// `preComps`
    pub precomputed: *mut c_void,
    /// How many doubts there were when it was compiled
    pub warnings: c_int,
    /// How many mistakes
    pub errors: c_int,
}

/// `xsltTemplate`, up to `time`
#[repr(C)]
#[derive(Debug)]
pub struct Template {
    /// The next one of the sheet
    pub next: *mut Template,
    /// The sheet
    pub style: *mut Stylesheet,
    /// Its match attribute
    pub pattern: *const c_char,
    /// `priority`
    pub priority: std::ffi::c_float,
    /// Its name attribute
    pub name: *const c_char,
    /// Its namespace
    pub name_uri: *const c_char,
    /// Its mode attribute
    pub mode: *const c_char,
    /// Its namespace
    pub mode_uri: *const c_char,
    /// `content`
    pub content: *mut Node,
    /// The element itself
    pub element: *mut Node,
    /// `inheritedNsNr`
    pub inherited_count: c_int,
    /// `inheritedNs`
    pub inherited: *mut c_void,
    /// How often it was called by runs that were profiled
    pub calls: c_int,
    /// What these took without the templates that they called, in 10 µs
    pub time: c_ulong,
}

/// `xsltTransformContext`, up to `opCount`
#[repr(C)]
#[derive(Debug)]
pub struct TransformContext {
    /// The stylesheet
    pub style: *mut Stylesheet,
    /// `type`
    pub kind: c_int,
    /// `templ`
    pub template: *mut c_void,
    /// How many templates are on the stack
    pub template_count: c_int,
    /// `templMax`
    pub template_room: c_int,
    /// The stack of templates, the innermost last
    pub template_table: *mut *mut Template,
    /// `vars`
    pub variables: *mut c_void,
    /// `varsNr`, `varsMax`
    pub variable_counts: [c_int; 2],
    /// `varsTab`
    pub variable_table: *mut c_void,
    /// `varsBase`
    pub variable_base: c_int,
    /// `extFunctions` to `document`: seven pointers
    pub pointers: [*mut c_void; 7],
    /// The current node of the document
    pub node: *mut Node,
    /// `nodeList`, `output`, `insert`
    pub building: [*mut c_void; 3],
    /// The XPath context
    pub xpath: *mut XPathContext,
    /// `xsltTransformState`
    pub state: c_int,
    /// `globalVars`
    pub globals: *mut c_void,
    /// `inst`: the element of the sheet that is being run
    pub instruction: *mut Node,
    /// `xinclude`
    pub xinclude: c_int,
    /// `outputFile`
    pub output_file: *const c_char,
    /// `profile`
    pub profile: c_int,
    /// `prof`
    pub profiled: std::ffi::c_long,
    /// `profNr`, `profMax`
    pub profile_counts: [c_int; 2],
    /// `profTab`
    pub profile_table: *mut c_void,
    /// Belongs to lxml, which casts it: stays null
    pub private: *mut c_void,
    /// `extrasNr`, `extrasMax`
    pub extra_counts: [c_int; 2],
    /// `extras` to `persistRVT`: eight pointers
    pub more_pointers: [*mut c_void; 8],
    /// `ctxtflags`
    pub flags: c_int,
    /// `lasttext`
    pub last_text: *const c_char,
    /// `lasttsize`, `lasttuse`, `debugStatus`
    pub last_counts: [c_int; 3],
    /// `traceCode`
    pub trace_code: *mut c_ulong,
    /// `parserOptions`
    pub parser_options: c_int,
    /// `dict`, `tmpDoc`
    pub dictionary: [*mut c_void; 2],
    /// `internalized`, `nbKeys`, `hasTemplKeyPatterns`
    pub key_counts: [c_int; 3],
    /// `currentTemplateRule` to `localRVTBase`: seven pointers
    pub current_pointers: [*mut c_void; 7],
    /// `keyInitLevel`, `depth`
    pub depths: [c_int; 2],
    /// How deep templates may call each other
    pub max_template_depth: c_int,
    /// How many variables and parameters may be in scope
    pub max_template_variables: c_int,
    /// How many instructions may run; 0 is no limit. (An `unsigned long`: as wide as a pointer on every Unix.)
    pub operation_limit: usize,
    /// How many have run
    pub operation_count: usize,
}

/// `xmlXPathContext`, up to `opCount`
#[repr(C)]
#[derive(Debug)]
pub struct XPathContext {
    /// `doc`, `node`
    pub nodes: [*mut c_void; 2],
    /// `nb_variables_unused`, `max_variables_unused`
    pub variable_counts: [c_int; 2],
    /// `varHash`
    pub variables: *mut c_void,
    /// `nb_types`, `max_types`
    pub type_counts: [c_int; 2],
    /// `types`
    pub types: *mut c_void,
    /// `nb_funcs_unused`, `max_funcs_unused`
    pub function_counts: [c_int; 2],
    /// `funcHash`
    pub functions: *mut c_void,
    /// `nb_axis`, `max_axis`
    pub axis_counts: [c_int; 2],
    /// `axis`, `namespaces`
    pub axes: [*mut c_void; 2],
    /// `nsNr`
    pub namespace_count: c_int,
    /// `user`
    pub user: *mut c_void,
    /// `contextSize`, `proximityPosition`, `xptr`
    pub positions: [c_int; 3],
    /// `here` to `tmpNsList`: eleven pointers
    pub pointers: [*mut c_void; 11],
    /// `tmpNsNr`
    pub temporary_count: c_int,
    /// `userData`, `error`
    pub reporting: [*mut c_void; 2],
    /// `lastError`
    pub last_error: Error,
    /// `debugNode`, `dict`
    pub debug: [*mut c_void; 2],
    /// `flags`
    pub flags: c_int,
    /// `cache`
    pub cache: *mut c_void,
    /// How many operations all expressions of a run may take; 0 is no limit
    pub operation_limit: usize,
    /// How many they have taken
    pub operation_count: usize,
}
