//! `input: html5` and `output: html5`: documents read as browsers read them, and written so that browsers read the same.

#[path = "html5/soup.rs"]
mod soup;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tower_xslt::{Input, InputKind, Limits, Output, OutputKind, Policy, Stylesheet, XsltError};

use soup::Soup;

/// The default limits, and no parameters.
fn run(
    sheet: &Stylesheet,
    bytes: &[u8],
    kind: InputKind,
    charset: Option<&str>,
) -> Result<Output, XsltError> {
    sheet.transform(Input { bytes, kind, charset }, &[], &Limits::default())
}

fn text(output: Result<Output, XsltError>) -> String {
    let output = output.unwrap_or_else(|error| panic!("failed to {error}"));
    String::from_utf8(output.bytes.to_vec()).expect("it is UTF-8")
}

fn sheet(name: &str) -> Stylesheet {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/html5").join(name);
    Stylesheet::compile([file], &Policy::default()).unwrap_or_else(|error| panic!("failed to {error}"))
}

/// Two sheets: one writes the nodes that it sees, the other copies them and has them written as HTML.
struct Sheets {
    tree: Stylesheet,
    copy: Stylesheet,
}

impl Sheets {
    fn new() -> Self {
        Self { tree: sheet("tree.xsl"), copy: sheet("copy.xsl").writing(OutputKind::Html5) }
    }

    fn tree(&self, html: &str) -> String {
        text(run(&self.tree, html.as_bytes(), InputKind::Html5, Some("utf-8")))
    }

    fn tree_of_xml(&self, xml: &str) -> String {
        text(run(&self.tree, xml.as_bytes(), InputKind::Xml, None))
    }

    fn written(&self, html: &str) -> String {
        text(run(&self.copy, html.as_bytes(), InputKind::Html5, Some("utf-8")))
    }

    fn written_from_xml(&self, xml: &str) -> String {
        text(run(&self.copy, xml.as_bytes(), InputKind::Xml, None))
    }
}

/// What html5lib makes of documents with charsets, written as `tree.xsl` does.
fn html5lib_trees<'a>(documents: impl Iterator<Item = (&'a [u8], Option<&'a str>)>) -> Vec<String> {
    let mut input = Vec::new();
    for (document, charset) in documents {
        input.extend(format!("{} {}\n", document.len(), charset.unwrap_or("-")).into_bytes());
        input.extend(document);
    }
    let output = html5lib(input);
    let mut rest = &*output;
    let mut trees = Vec::new();
    while let Some((length, after)) = rest.split_once('\n') {
        let (tree, others) = after.split_at(length.parse().expect("a length"));
        trees.push(tree.to_owned());
        rest = others;
    }
    trees
}

fn html5lib(input: Vec<u8>) -> String {
    let venv = std::env::var("VESTIBULE_TEST_VENV").expect("VESTIBULE_TEST_VENV is not set: start tests/run");
    let mut python = Command::new("timeout")
        .args(["--kill-after=5s", "120s"])
        .arg(format!("{venv}/bin/python"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/html5/html5lib_trees.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("timeout is there");
    let mut stdin = python.stdin.take().expect("it is a pipe");
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let output = python.wait_with_output().expect("its output is read");
    assert!(output.status.success(), "{}: html5lib is in tests/requirements.txt", output.status);
    writing.join().expect("it does not panic").expect("it reads all");
    String::from_utf8(output.stdout).expect("it writes UTF-8")
}

/// Corrections that browsers make, each at least once.
const DOCUMENTS: &[&str] = &[
    "",
    "text",
    "<!DOCTYPE html><title>a&amp;b &copy; &notit; &#x80; &#0; &bogus;</title><p>one<p>two<p>three</div></p>",
    "<!-- before --><html lang=a><!-- in --></html><!-- after --> text",
    "<b>1<p>2</b>3<a href=1>4<a href=2>5</a></p>",
    "<p><b a><b b><b c><b d><b a><b a><b a><p>x</p>",
    "<table>text<tr><td>1<tr><b>2</b><caption>c<col><td>3</table>4",
    "<table><td><table><td>inner</table></td><form><input type=hidden><input></table>",
    "<ul><li>1<li>2<ul><li>3</ul><dl><dt>a<dd>b<dt>c</dl></ul>",
    "<h1>1<h2>2</h1><nobr>3<nobr>4<button>5<button>6",
    "<svg viewbox=1 preserveaspectratio=2><lineargradient><title><b>x</b></title><foreignobject><p>y</foreignobject><p>out",
    "<math><mi>x<annotation-xml encoding=text/html><p>y</annotation-xml><mglyph><mtext><b>z</math>",
    "<svg><a xlink:href=1 xml:lang=de xmlns:xlink=2><![CDATA[a<b]]></a><script>x</script></svg><p xml:lang=de>",
    "<script><!-- <script> </script> --> </script><style></p></style><textarea>\n\n<b></textarea><pre>\nx</pre>",
    "<title><b>&lt;</title><xmp><b></xmp><iframe><b></iframe><noscript><p>n</noscript><plaintext></p>",
    "<head><meta name=a><link><base></head> <title>late</title><body a=1><body a=2 b=3>",
    "<frameset><frame><noframes><p></noframes></frameset>",
    "<div a=1 A=2 @click=f :x \"q=1 <y =z>a\rb\r\nc</div foo><br/ ><img/><p/>x",
    "<a><table><a>x</table><marquee><a></marquee><applet><p></applet>y<ruby>a<rt>b<rp>c</ruby>",
    "<!DOCTYPE html PUBLIC x y><?pi x?></#><!x><!--a--!><!-->",
];

#[test]
fn trees_are_those_of_html5lib() {
    let (sheets, mut soup) = (Sheets::new(), Soup::new());
    let soups: Vec<_> = (0..600).map(|_| soup.html()).collect();
    let documents: Vec<_> = DOCUMENTS.iter().copied().chain(soups.iter().map(String::as_str)).collect();
    let theirs = html5lib_trees(documents.iter().map(|document| (document.as_bytes(), Some("utf-8"))));
    assert_eq!(theirs.len(), documents.len());
    for (document, theirs) in documents.iter().zip(theirs) {
        assert_eq!(sheets.tree(document).trim_end(), theirs.trim_end(), "{document}");
    }
}

#[test]
fn encodings_are_those_of_html5lib() {
    let tree = sheet("tree.xsl");
    let documents: &[(&[u8], Option<&str>)] = &[
        (b"<meta charset=koi8-r><p>\xc1\xc2", None),
        (b"<meta charset=koi8-r><p>\xc1\xc2", Some("windows-1251")),
        (b"\xef\xbb\xbf<meta charset=koi8-r><p>\xc3\xa9", Some("windows-1251")),
        (b"\xff\xfe<\0p\0>\0\xe9\0", None),
        (b"<meta http-equiv=content-type content='text/html; charset=shift_jis'><p>\x82\xa0", None),
        (b"<title>\xc3\xa9</title><meta charset=utf-8>", None),
        (b"<p>\xe9 \x80", None),
        (b"<p>\xe9", Some("iso-8859-1")),
        (b"<p>\xa4", Some("iso-8859-15")),
        (b"<p>\xff", Some("utf-8")),
    ];
    for ((document, charset), theirs) in documents.iter().zip(html5lib_trees(documents.iter().copied())) {
        let ours = text(run(&tree, document, InputKind::Html5, *charset));
        assert_eq!(ours.trim_end(), theirs.trim_end(), "{} {charset:?}", String::from_utf8_lossy(document));
    }
}

#[test]
fn what_is_written_is_read_as_the_same_tree() {
    let (sheets, mut soup) = (Sheets::new(), Soup::new());
    let trees: Vec<_> = (0..300).map(|_| soup.tree()).collect();
    let written: Vec<_> = trees.iter().map(|tree| sheets.written_from_xml(tree)).collect();
    let theirs = html5lib_trees(written.iter().map(|html| (html.as_bytes(), None)));
    for ((tree, html), theirs) in trees.iter().zip(&written).zip(theirs) {
        let expected = sheets.tree_of_xml(tree);
        assert_eq!(sheets.tree(html), expected, "{html}");
        assert_eq!(theirs.trim_end(), expected.trim_end(), "{html}");
    }
}

#[test]
fn what_was_read_is_written_and_read_again() {
    let sheets = Sheets::new();
    for html in [
        "<!DOCTYPE html><head><meta charset=utf-8><template><p>t<tr></template></head><template shadowrootmode=open><b>x</template>",
        "<meta charset=utf-8><div @click='f(\"a\")' :class=x *ngIf=y [z]=1 #r a\"b=c <d =e>x</div>",
        "<meta charset=utf-8><select><option>1<optgroup><option selected>2</select><noscript><p>a &amp; b</noscript>",
    ] {
        let written = sheets.written(html);
        assert_eq!(sheets.tree(&written), sheets.tree(html), "{written}");
    }
}

#[test]
fn a_fragment_stays_one() {
    let sheets = Sheets::new();
    for (xml, html) in [
        ("<p>a<br/>b</p>", "<p>a<br>b</p>"),
        ("<div xmlns='http://www.w3.org/1999/xhtml'><img alt=''/></div>", "<div><img alt=\"\"></div>"),
        ("<title>a &lt; b</title>", "<title>a &lt; b</title>"),
        ("<tr><td/></tr>", "<tr><td></td></tr>"),
        ("<!-- only this -->", "<!-- only this -->"),
    ] {
        // XML has one root; the fragment is what stands in it.
        let sheet = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
            <xsl:template match="/"><xsl:copy-of select="*/node()"/></xsl:template></xsl:stylesheet>"#;
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("inside.xsl"), sheet).expect("it can be written");
        let inside =
            Stylesheet::compile([folder.path().join("inside.xsl")], &Policy::default()).expect("it compiles");
        let inside = inside.writing(OutputKind::Html5);
        let both = format!("<x>{xml}{xml}</x>");
        assert_eq!(text(run(&inside, both.as_bytes(), InputKind::Xml, None)), format!("{html}{html}"));
        if !xml.starts_with("<!--") {
            assert_eq!(sheets.written_from_xml(xml), html);
        }
    }
}

#[test]
fn a_document_has_a_doctype_and_tells_its_charset_once() {
    let sheets = Sheets::new();
    let head = |inside: &str| format!("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">{inside}</head>");
    for (xml, expected) in [
        ("<html/>", head("") + "</html>"),
        ("<html><body>é</body></html>", head("") + "<body>é</body></html>"),
        ("<html><head><title>t</title></head></html>", head("<title>t</title>") + "</html>"),
        (
            "<html><head><meta charset='latin1'/><meta name='a'/></head></html>",
            head("<meta name=\"a\">") + "</html>",
        ),
        (
            "<HTML><HEAD><META HTTP-EQUIV='Content-Type' content='text/html; charset=koi8-r'/></HEAD></HTML>",
            head("") + "</html>",
        ),
        (
            "<html xmlns='http://www.w3.org/1999/xhtml'><head/><body><meta charset='x'/></body></html>",
            head("") + "<body></body></html>",
        ),
        (
            "<?xml-stylesheet href='x'?><!-- c --><html><?php x?></html>",
            head("").replacen('\n', "\n<!-- c -->", 1) + "</html>",
        ),
    ] {
        assert_eq!(sheets.written_from_xml(xml), expected);
    }
}

#[test]
fn names_are_written_as_html_has_them() {
    let sheets = Sheets::new();
    for (xml, html) in [
        ("<h:p xmlns:h='http://www.w3.org/1999/xhtml'><h:br/></h:p>", "<p><br></p>"),
        (
            "<p xmlns:s='http://www.w3.org/2000/svg' xmlns:x='http://www.w3.org/1999/xlink'><s:svg viewBox='1'><s:use x:href='#a'/></s:svg></p>",
            "<p><svg viewBox=\"1\"><use xlink:href=\"#a\"></use></svg></p>",
        ),
        (
            "<m:math xmlns:m='http://www.w3.org/1998/Math/MathML'><m:mi>x</m:mi></m:math>",
            "<math><mi>x</mi></math>",
        ),
        ("<p xml:lang='de' xml:space='preserve' xml:id='x'/>", "<p lang=\"de\"></p>"),
        ("<p xml:lang='de' lang='en'/>", "<p lang=\"en\"></p>"),
        (
            "<input checked='checked' disabled='' value='' open='left'/>",
            "<input checked disabled value=\"\" open=\"left\">",
        ),
        ("<x-y open='open' hidden=''/>", "<x-y open=\"open\" hidden=\"\"></x-y>"),
        ("<P Class='A'><BR/></P>", "<p class=\"A\"><br></p>"),
        ("<f:x xmlns:f='urn:f' f:a='1'/>", "<f:x f:a=\"1\"></f:x>"),
        ("<p><br>after</br></p>", "<p><br>after</p>"),
        (
            "<a href='?a=1&amp;b=&lt;&quot;'>&#160;&amp;</a>",
            "<a href=\"?a=1&amp;b=&lt;&quot;\">&nbsp;&amp;</a>",
        ),
    ] {
        assert_eq!(sheets.written_from_xml(xml), html);
    }
}

#[test]
fn data_does_not_end_what_it_stands_in() {
    let sheets = Sheets::new();
    for (xml, element) in [
        ("<script>f('&lt;/script>&lt;img src=x onerror=g()>')</script>", "script"),
        ("<script>&lt;!-- &lt;script></script>", "script"),
        ("<style>a { } &lt;/style>&lt;img src=x onerror=g()></style>", "style"),
        ("<title>&lt;/title>&lt;img src=x onerror=g()></title>", "title"),
        ("<textarea>&lt;/textarea>&lt;img src=x onerror=g()></textarea>", "textarea"),
        ("<iframe>&lt;/iframe>&lt;img src=x onerror=g()></iframe>", "iframe"),
    ] {
        let html = format!("<!DOCTYPE html>{}<p>after", sheets.written_from_xml(xml));
        let tree = sheets.tree(&html);
        assert!(!tree.contains("< img>"), "{html}\n{tree}");
        assert!(tree.contains(&format!("< {element}>")) && tree.contains("< p>"), "{html}\n{tree}");
    }
    let tree = sheets.tree(&sheets.written_from_xml("<p><!-->&lt;img src=x>--><!--->b--></p>"));
    assert!(!tree.contains("< img>"), "{tree}");
}

#[test]
fn every_beginning_of_a_document_is_read_and_written() {
    let sheets = Sheets::new();
    for document in DOCUMENTS {
        for end in 0..=document.len() {
            let written = text(run(&sheets.copy, &document.as_bytes()[..end], InputKind::Html5, None));
            assert!(written.starts_with("<!DOCTYPE html>\n"), "{written}");
        }
    }
}
