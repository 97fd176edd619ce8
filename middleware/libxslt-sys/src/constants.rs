//! Constants of the headers: kinds of nodes, options of the parsers, states and preferences.

use std::ffi::c_int;

/// `XML_CHAR_ENCODING_NONE`: the document says its encoding
pub const CHAR_ENCODING_NONE: c_int = 0;
/// `XML_ELEMENT_NODE`
pub const ELEMENT_NODE: c_int = 1;
/// `XML_ATTRIBUTE_NODE`
pub const ATTRIBUTE_NODE: c_int = 2;
/// `XML_TEXT_NODE`
pub const TEXT_NODE: c_int = 3;
/// `XML_CDATA_SECTION_NODE`
pub const CDATA_SECTION_NODE: c_int = 4;
/// `XML_COMMENT_NODE`
pub const COMMENT_NODE: c_int = 8;
/// `XML_DTD_NODE`
pub const DTD_NODE: c_int = 14;
/// `XML_NAMESPACE_DECL`: not a node at all, but an `xmlNs`
pub const NAMESPACE_DECL: c_int = 18;
/// `XML_HTML_DOCUMENT_NODE`
pub const HTML_DOCUMENT_NODE: c_int = 13;

/// `XML_PARSE_NOENT`: entities are replaced by what they stand for
pub const PARSE_NOENT: c_int = 1 << 1;
/// `XML_PARSE_DTDLOAD`: external subsets are read
pub const PARSE_DTDLOAD: c_int = 1 << 2;
/// `XML_PARSE_DTDATTR`: attribute defaults of external subsets apply
pub const PARSE_DTDATTR: c_int = 1 << 3;
/// `XML_PARSE_NONET`
pub const PARSE_NONET: c_int = 1 << 11;
/// `XML_PARSE_NOCDATA`: CDATA sections become text
pub const PARSE_NOCDATA: c_int = 1 << 14;
/// `XML_PARSE_COMPACT`: short texts are kept inside their node
pub const PARSE_COMPACT: c_int = 1 << 16;
/// `XML_PARSE_BIG_LINES`: line numbers over 65535
pub const PARSE_BIG_LINES: c_int = 1 << 22;
/// `HTML_PARSE_RECOVER`
pub const HTML_PARSE_RECOVER: c_int = 1;
/// `HTML_PARSE_NODEFDTD`: no doctype is made up
pub const HTML_PARSE_NODEFDTD: c_int = 1 << 2;
/// `HTML_PARSE_COMPACT`
pub const HTML_PARSE_COMPACT: c_int = 1 << 16;

/// `XSLT_STATE_OK`
pub const STATE_OK: c_int = 0;
/// `XSLT_STATE_STOPPED`: a run ends at its next instruction
pub const STATE_STOPPED: c_int = 2;

/// `XSLT_SECPREF_WRITE_FILE`
pub const SECPREF_WRITE_FILE: c_int = 2;
/// `XSLT_SECPREF_CREATE_DIRECTORY`
pub const SECPREF_CREATE_DIRECTORY: c_int = 3;
/// `XSLT_SECPREF_READ_NETWORK`
pub const SECPREF_READ_NETWORK: c_int = 4;
/// `XSLT_SECPREF_WRITE_NETWORK`
pub const SECPREF_WRITE_NETWORK: c_int = 5;
