//! The prefixes of `layout` against the installed headers: a C program prints what its compiler sees.

use std::mem::{offset_of, size_of};
use std::process::Command;

use libxslt_sys::{
    Attribute, Document, Dtd, Element, Error, HtmlElement, Namespace, Node, ParserContext, ParserInput,
    Stylesheet, Template, TransformContext, XPathContext,
};

/// One line of the probe: a C expression, and the number it must have.
macro_rules! field {
    ($struct:literal, $field:literal, $rust:ty, $($name:tt)+) => {
        (format!("offsetof(struct {}, {})", $struct, $field), offset_of!($rust, $($name)+))
    };
}

#[test]
fn the_offsets_that_the_engine_relies_on_are_those_of_the_installed_headers() {
    let expected = [
        field!("_xmlParserCtxt", "myDoc", ParserContext, document),
        field!("_xmlParserInput", "filename", ParserInput, filename),
        field!("_xmlError", "code", Error, code),
        field!("_xmlError", "message", Error, message),
        field!("_xmlError", "level", Error, level),
        field!("_xmlError", "file", Error, file),
        field!("_xmlError", "line", Error, line),
        field!("_xmlError", "str1", Error, str1),
        field!("_xmlError", "int1", Error, int1),
        field!("_xmlError", "int2", Error, int2),
        ("sizeof(struct _xmlError)".to_owned(), size_of::<Error>()),
        field!("_xmlNode", "type", Node, kind),
        field!("_xmlNode", "name", Node, name),
        field!("_xmlNode", "doc", Node, document),
        field!("_xmlDoc", "type", Document, node.kind),
        field!("_xmlDoc", "URL", Document, url),
        field!("_xmlNode", "children", Node, children),
        field!("_xmlNode", "next", Node, next),
        field!("_xmlNode", "ns", Element, namespace),
        field!("_xmlNode", "content", Element, content),
        field!("_xmlNode", "properties", Element, attributes),
        field!("_xmlNode", "line", Element, line),
        field!("_xmlAttr", "name", Attribute, node.name),
        field!("_xmlAttr", "children", Attribute, node.children),
        field!("_xmlAttr", "next", Attribute, node.next),
        field!("_xmlAttr", "ns", Attribute, namespace),
        field!("_xmlNs", "href", Namespace, uri),
        field!("_xmlNs", "prefix", Namespace, prefix),
        field!("_xmlDoc", "dict", Document, dictionary),
        field!("_xmlNode", "parent", Node, parent),
        field!("_xmlNode", "prev", Node, previous),
        field!("_xsltTemplate", "match", Template, pattern),
        field!("_xsltTemplate", "name", Template, name),
        field!("_xsltTemplate", "mode", Template, mode),
        field!("_xsltTemplate", "elem", Template, element),
        field!("_xsltTemplate", "next", Template, next),
        field!("_xsltTemplate", "nbCalls", Template, calls),
        field!("_xsltTemplate", "time", Template, time),
        ("XSLT_TIMESTAMP_TICS_PER_SEC".to_owned(), 100_000),
        field!("_xsltStylesheet", "templates", Stylesheet, templates),
        field!("_xsltTransformContext", "profile", TransformContext, profile),
        field!("_xsltTransformContext", "templNr", TransformContext, template_count),
        field!("_xsltTransformContext", "templTab", TransformContext, template_table),
        field!("_xsltTransformContext", "node", TransformContext, node),
        field!("_xsltTransformContext", "inst", TransformContext, instruction),
        field!("_xmlDtd", "SystemID", Dtd, system_id),
        field!("_xmlDtd", "name", Dtd, node.name),
        field!("_xmlDtd", "ExternalID", Dtd, external_id),
        field!("_xmlNode", "nsDef", Element, declarations),
        field!("_xmlNs", "next", Namespace, next),
        field!("_htmlElemDesc", "name", HtmlElement, name),
        field!("_htmlElemDesc", "saveEndTag", HtmlElement, saves_end_tag),
        field!("_htmlElemDesc", "empty", HtmlElement, empty),
        field!("_htmlElemDesc", "isinline", HtmlElement, is_inline),
        field!("_xsltStylesheet", "methodURI", Stylesheet, method_uri),
        field!("_xsltStylesheet", "doc", Stylesheet, document),
        field!("_xsltStylesheet", "method", Stylesheet, method),
        field!("_xsltStylesheet", "encoding", Stylesheet, encoding),
        field!("_xsltStylesheet", "indent", Stylesheet, indent),
        field!("_xsltStylesheet", "mediaType", Stylesheet, media_type),
        field!("_xsltStylesheet", "errors", Stylesheet, errors),
        field!("_xsltTransformContext", "style", TransformContext, style),
        field!("_xsltTransformContext", "xpathCtxt", TransformContext, xpath),
        field!("_xsltTransformContext", "state", TransformContext, state),
        field!("_xsltTransformContext", "_private", TransformContext, private),
        field!("_xsltTransformContext", "parserOptions", TransformContext, parser_options),
        field!("_xsltTransformContext", "maxTemplateDepth", TransformContext, max_template_depth),
        field!("_xsltTransformContext", "maxTemplateVars", TransformContext, max_template_variables),
        field!("_xsltTransformContext", "opLimit", TransformContext, operation_limit),
        field!("_xsltTransformContext", "opCount", TransformContext, operation_count),
        field!("_xmlXPathContext", "lastError", XPathContext, last_error),
        field!("_xmlXPathContext", "opLimit", XPathContext, operation_limit),
        field!("_xmlXPathContext", "opCount", XPathContext, operation_count),
    ];
    let expressions: Vec<_> = expected.iter().map(|(expression, _)| expression.as_str()).collect();
    let found = probe(&expressions);
    for ((expression, ours), theirs) in expected.iter().zip(found) {
        assert_eq!(*ours, theirs, "{expression}");
    }
}

#[test]
fn the_constants_that_the_engine_relies_on_are_those_of_the_installed_headers() {
    let expected = [
        ("XML_CHAR_ENCODING_NONE", libxslt_sys::CHAR_ENCODING_NONE),
        ("XML_ELEMENT_NODE", libxslt_sys::ELEMENT_NODE),
        ("XML_ATTRIBUTE_NODE", libxslt_sys::ATTRIBUTE_NODE),
        ("XML_TEXT_NODE", libxslt_sys::TEXT_NODE),
        ("XML_CDATA_SECTION_NODE", libxslt_sys::CDATA_SECTION_NODE),
        ("XML_DTD_NODE", libxslt_sys::DTD_NODE),
        ("XML_COMMENT_NODE", libxslt_sys::COMMENT_NODE),
        ("XML_HTML_DOCUMENT_NODE", libxslt_sys::HTML_DOCUMENT_NODE),
        ("XML_PARSE_NOENT", libxslt_sys::PARSE_NOENT),
        ("XML_PARSE_DTDLOAD", libxslt_sys::PARSE_DTDLOAD),
        ("XML_PARSE_DTDATTR", libxslt_sys::PARSE_DTDATTR),
        ("XML_PARSE_NONET", libxslt_sys::PARSE_NONET),
        ("XML_PARSE_NOCDATA", libxslt_sys::PARSE_NOCDATA),
        ("XML_PARSE_COMPACT", libxslt_sys::PARSE_COMPACT),
        ("XML_PARSE_BIG_LINES", libxslt_sys::PARSE_BIG_LINES),
        ("HTML_PARSE_RECOVER", libxslt_sys::HTML_PARSE_RECOVER),
        ("HTML_PARSE_NODEFDTD", libxslt_sys::HTML_PARSE_NODEFDTD),
        ("HTML_PARSE_COMPACT", libxslt_sys::HTML_PARSE_COMPACT),
        ("XSLT_STATE_OK", libxslt_sys::STATE_OK),
        ("XSLT_STATE_STOPPED", libxslt_sys::STATE_STOPPED),
        ("XSLT_SECPREF_WRITE_FILE", libxslt_sys::SECPREF_WRITE_FILE),
        ("XSLT_SECPREF_CREATE_DIRECTORY", libxslt_sys::SECPREF_CREATE_DIRECTORY),
        ("XSLT_SECPREF_READ_NETWORK", libxslt_sys::SECPREF_READ_NETWORK),
        ("XSLT_SECPREF_WRITE_NETWORK", libxslt_sys::SECPREF_WRITE_NETWORK),
    ];
    let names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
    for ((name, ours), theirs) in expected.iter().zip(probe(&names)) {
        assert_eq!(usize::try_from(*ours).expect("no constant is negative"), theirs, "{name}");
    }
}

/// What the C compiler says these expressions are.
fn probe(expressions: &[&str]) -> Vec<usize> {
    let lines: Vec<_> =
        expressions.iter().map(|e| format!("    printf(\"%zu\\n\", (size_t)({e}));\n")).collect();
    let lines = lines.concat();
    let source = format!(
        "#include <stddef.h>\n#include <stdio.h>\n#include <libxml/xpath.h>\n#include <libxml/HTMLparser.h>\n\
         #include <libxslt/xsltInternals.h>\n#include <libxslt/security.h>\n#include <libxslt/xsltutils.h>\nint main(void) {{\n{lines}    return 0;\n}}\n"
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, program) = (folder.path().join("probe.c"), folder.path().join("probe"));
    std::fs::write(&file, source).expect("the probe can be written");
    let built = Command::new("cc")
        .args(["-I/usr/include/libxml2", "-o"])
        .args([&program, &file])
        .output()
        .expect("a C compiler (apt-get install gcc)");
    assert!(
        built.status.success(),
        "the probe does not compile; install the headers (apt-get install libxslt1-dev):\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let output = Command::new(&program).output().expect("the probe runs").stdout;
    let output = String::from_utf8(output).expect("the probe prints numbers");
    output.lines().map(|line| line.parse().expect("the probe prints numbers")).collect()
}
