//! What is written here is what libxslt writes: the same trees, both ways.

use std::fmt::Write as _;

use libxslt_sys::HTML_DOCUMENT_NODE;

use super::*;
use crate::access::Access;
use crate::current::Scope;
use crate::documents::Fetched;
use crate::input::parse_document;
use crate::output::{write_by_libxslt, write_html};
use crate::stop::Stop;
use crate::{Limits, Policy, Stylesheet};

/// A sheet of which nothing counts but its `xsl:output`.
fn sheet(output: &str) -> Stylesheet {
    let text = format!(
        "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'><xsl:output {output}/></xsl:stylesheet>"
    );
    let fetched = Fetched::from_iter([("http://sheets/output.xsl".to_owned(), text.into())]);
    Stylesheet::compile_fetched("http://sheets/output.xsl", &fetched, &Policy::default()).unwrap()
}

/// What is written of a document by us, if it is, and by libxslt.
fn both(sheet: &Stylesheet, document: &str) -> (Option<String>, String) {
    let (engine, last) = (sheet.0.engine, sheet.0.last());
    let scope = Scope::enter(engine.table, Access::Nothing);
    let tree = tree(engine.table, &scope, document);
    let text = |sink: Sink| String::from_utf8(sink.into_bytes()).unwrap();
    let (mut ours, mut theirs) = (Sink::new(0, usize::MAX), Sink::new(0, usize::MAX));
    // SAFETY: sheet and tree are alive, and the output was read from the sheet.
    unsafe {
        let is_ours = write_html(engine.table, &last.output, &tree, &mut ours).is_ok();
        assert!(write_by_libxslt(engine.table, last.style, &last.output, &tree, &mut theirs));
        (is_ours.then(|| text(ours)), text(theirs))
    }
}

/// A document as if it were a result.
fn tree(table: &'static Table, scope: &Scope<'_>, document: &str) -> Tree {
    let limits = Limits::default();
    let tree = parse_document(table, scope, document.as_bytes().into(), &limits, &Stop::default());
    let mut tree = tree.unwrap_or_else(|error| panic!("{document}: {error}"));
    // SAFETY: the tree is ours and alive.
    unsafe { tree.pointer.as_mut() }.node.kind = HTML_DOCUMENT_NODE;
    tree
}

/// Whether the installed libxml2 is one that writes the same.
fn is_ours() -> bool {
    agrees(crate::engine::engine().unwrap().table)
}

/// Writes a document both ways, with line feeds and without.
fn compare(document: &str) {
    for output in
        ["method='html' indent='no'", "method='html'", "method='html' encoding='utf-8' indent='yes'"]
    {
        let (ours, theirs) = both(&sheet(output), document);
        assert_eq!(ours, is_ours().then_some(theirs), "{output}: {document}");
    }
}

#[test]
fn tags_are_written_as_libxml2_knows_them() {
    for document in [
        "<html/>",
        "<html><head><title>t</title></head><body/></html>",
        "<HTML><Head/><BODY><P/><Br/><IMG/><DIV/></BODY></HTML>",
        "<html><head><meta name='a'/><link/><script/></head><body><p/><p>a</p><hr/><br/>text<img/><ul><li/><li>b</li></ul></body></html>",
        "<br>what stands in it is left out<b/></br>",
        "<div><br><i/></br><div/><p/></div>",
        "<table><tr><td/><td>1</td></tr><tr/></table>",
        "<unknown><div/><unknown/><div><div/></div></unknown>",
        "<p><div/><div/></p>",
        "<pre><div/>\n<div/></pre>",
        "<div><p/>text<p/><!-- c --><p/></div>",
        "<div>text<p/></div>",
        "<div><p/></div>",
        "<select><option selected='selected'>a</option><option SELECTED='x'/></select>",
    ] {
        compare(document);
    }
}

#[test]
fn the_encoding_is_declared_once() {
    for document in [
        "<html><head/></html>",
        "<html><head><title/><meta http-equiv='content-type' content='text/html; charset=latin1'/></head></html>",
        "<html><head><meta http-equiv='Content-Type' content='text/html; charset=utf-8'/></head></html>",
        "<html><head><meta charset='utf-8'/></head></html>",
        "<head><title/></head>",
        "<div><meta http-equiv='Content-Type' content='text/html'/></div>",
    ] {
        compare(document);
    }
}

#[test]
fn texts_and_values_are_escaped_as_by_libxml2() {
    for document in [
        "<p>a &lt; b &gt; c &amp; d \" ' é \u{a0} \u{1f600} \u{7f} &#13; \t\n &lt;!-- &amp;{x}</p>",
        "<script>a &lt; b &amp;&amp; c</script>",
        "<div><STYLE>a &gt; b</STYLE><style>&lt;</style>&lt;</div>",
        "<script><b>&lt;</b>&lt;</script>",
        "<a title='\"'/>",
        "<a title=\"'\"/>",
        "<a title='\"&apos;\" &lt; &gt; &amp; é&#10;&#9;'/>",
        "<a title='' href='' name='' id=' '/>",
        "<a href=' a b&lt;d&gt;é%20#?&amp;x=1&#10;&apos;' name='a b' title='a b'/>",
        "<form action='a b' SRC='ü' name='a b'/>",
        "<img src='&#9; /a,b+c;d:e@f!g~h*i(j)_k-l.m' Name='ü'/>",
        "<A Name='ü'/>",
        "<input checked='checked' disabled='' data-checked='checked'/>",
    ] {
        compare(document);
    }
}

#[test]
fn namespaces_are_written_as_libxml2_writes_them() {
    for document in [
        "<html xmlns='http://www.w3.org/1999/xhtml'><head><title/></head><body><br/><p/><a href='a b'/></body></html>",
        "<div xmlns:x='urn:x' xmlns:y='urn:\"y'><x:p x:href='a b' href='a b'/><x:script>&lt;</x:script><y:br/><p/></div>",
        "<x:div xmlns:x=\"urn:'&quot;\"><br/><x:br/><div xml:lang='en'/></x:div>",
        "<div><br xmlns='urn:x'>a</br><br/><br xmlns='urn:x'/></div>",
    ] {
        compare(document);
    }
}

#[test]
fn a_doctype_is_written_as_libxml2_writes_it() {
    for document in [
        "<!DOCTYPE html><html/>",
        "<!DOCTYPE html SYSTEM 'about:legacy-compat'><html/>",
        "<!DOCTYPE html PUBLIC '-//W3C//DTD HTML 4.01//EN' 'http://www.w3.org/TR/html4/strict.dtd'><html/>",
        "<!DOCTYPE x SYSTEM \"it's.dtd\" [ <!ELEMENT x ANY> ]><!-- a --><x/><!-- b -->",
    ] {
        compare(document);
    }
}

#[test]
fn what_is_rare_is_left_to_libxml2() {
    let html = sheet("method='html'");
    for document in [
        "<div><?php echo 1 ?></div>",
        "<?php echo 1 ?><div/>",
        "<div title='&lt;!--#echo --&gt;'/>",
        "<a href='&lt;!--#echo --&gt;'/>",
        "<div onclick='&amp;{x};'/>",
        "<a href='?a[]=1'/>",
        "<a href='\"'/>",
        "<a name='\u{7f}'/>",
        "<div><!----></div>",
    ] {
        assert_eq!(both(&html, document).0, None, "{document}");
    }
    for output in [
        "method='xml'",
        "method='text'",
        "method='html' encoding='iso-8859-1'",
        "method='x:xhtml' xmlns:x='urn:x'",
    ] {
        let (ours, theirs) = both(&sheet(output), "<html>text</html>");
        assert_eq!((ours, theirs.is_empty()), (None, false), "{output}");
    }
}

#[test]
fn a_result_is_no_larger_than_it_may_be() {
    let (sheet, document) = (sheet("method='html' indent='no'"), "<p title='&lt;'>&amp;</p>");
    let whole = both(&sheet, document).1.len();
    let (table, output) = (sheet.0.engine.table, &sheet.0.last().output);
    let scope = Scope::enter(table, Access::Nothing);
    for limit in 0..=whole {
        let mut sink = Sink::new(0, limit);
        // SAFETY: the output was read from the sheet, which is alive, as is the tree.
        let _ = unsafe { write_html(table, output, &tree(table, &scope, document), &mut sink) };
        assert_eq!(sink.is_over(), is_ours() && limit < whole, "{limit}");
        assert!(sink.into_bytes().len() <= limit);
    }
}

#[test]
fn any_tree_is_written_as_libxml2_writes_it() {
    let (html, indented) = (sheet("method='html' indent='no'"), sheet("method='html'"));
    let mut written = 0;
    for seed in 0..400 {
        let document = Dice(seed).document();
        for sheet in [&html, &indented] {
            let (ours, theirs) = both(sheet, &document);
            if let Some(ours) = ours {
                assert_eq!(ours, theirs, "{seed}: {document}");
                written += 1;
            }
        }
    }
    assert_eq!(written > 600, is_ours(), "{written}");
}

/// Makes up documents.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn choose<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let sides = u64::try_from(from.len()).unwrap();
        from[usize::try_from(self.roll(sides)).unwrap()]
    }

    fn document(&mut self) -> String {
        let mut text =
            self.choose(&["", "", "<!DOCTYPE html>", "<!DOCTYPE a PUBLIC 'p' 's'>", "<!-- c -->"]).to_owned();
        text.push_str("<html xmlns:x='urn:x'>");
        self.nodes(5, &mut text);
        text.push_str("</html>");
        text
    }

    fn nodes(&mut self, depth: u64, text: &mut String) {
        for _ in 0..self.roll(5) {
            match self.roll(8) {
                0..5 if depth > 0 => self.element(depth - 1, text),
                0..7 => text.push_str(self.choose(TEXTS)),
                _ if self.roll(400) == 0 => text.push_str("<?pi?>"),
                _ => text.push_str("<!-- & < \" -->"),
            }
        }
    }

    fn element(&mut self, depth: u64, text: &mut String) {
        let name = self.choose(NAMES);
        write!(text, "<{name}").unwrap();
        for number in 0..self.roll(4) {
            let attribute = self.choose(ATTRIBUTES);
            // One that is there already would be no XML.
            let attribute = if number == 0 { attribute.to_owned() } else { format!("{attribute}{number}") };
            write!(text, " {attribute}='{}{}'", self.choose(TEXTS), self.choose(TEXTS)).unwrap();
        }
        text.push('>');
        self.nodes(depth, text);
        write!(text, "</{name}>").unwrap();
    }
}

const NAMES: &[&str] = &[
    "div", "p", "span", "br", "BR", "table", "tr", "td", "a", "A", "script", "style", "pre", "param", "head",
    "meta", "body", "ul", "li", "img", "input", "form", "x:p", "x:br", "section", "video", "option", "b",
    "title", "h1",
];
const ATTRIBUTES: &[&str] = &[
    "href",
    "src",
    "action",
    "name",
    "title",
    "class",
    "id",
    "checked",
    "selected",
    "x:href",
    "HREF",
    "Name",
    "style",
    "content",
    "http-equiv",
    "xml:lang",
];
const TEXTS: &[&str] = &[
    "",
    " ",
    "\n  ",
    "text",
    "a b",
    "&lt;",
    "&gt;&amp;",
    "\"",
    "&apos;",
    "é\u{a0}\u{1f600}",
    "&#13;",
    "&#9;x",
    "{}[]|",
    "Content-Type",
    "text/html; charset=x",
    "%20+,;",
    "&amp;",
    "\u{7f}",
];
