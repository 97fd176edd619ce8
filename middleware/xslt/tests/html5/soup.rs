//! Documents at random, the same ones every time.

/// Makes them.
pub(crate) struct Soup(u64);

/// Elements that the parser treats in a way of their own, one or two of each sort; but for those that html5lib has
/// mistakes in (`textarea` after formatting elements, `li` and `dd` in tables, spaces in `pre` and `frameset`) or is older than
/// (`template`, `select`).
const NAMES: &[&str] = &[
    "a",
    "address",
    "applet",
    "b",
    "body",
    "br",
    "button",
    "caption",
    "col",
    "desc",
    "div",
    "dl",
    "em",
    "font",
    "foreignObject",
    "form",
    "h1",
    "h2",
    "head",
    "hr",
    "html",
    "i",
    "iframe",
    "image",
    "img",
    "input",
    "link",
    "math",
    "meta",
    "mi",
    "mtext",
    "nobr",
    "noscript",
    "object",
    "p",
    "script",
    "span",
    "style",
    "svg",
    "table",
    "tbody",
    "td",
    "th",
    "title",
    "tr",
    "ul",
    "x-y",
];

const ATTRIBUTES: &[&str] =
    &["", "", "", "", " A=1 a=2", " class='a&b'", " definitionurl=q", " id=x", " viewbox", " xlink:href=h"];

const TEXTS: &[&str] = &[
    "text",
    " ",
    "\n",
    "a&lt;b",
    "&nbsp",
    "é",
    "<!--c-->",
    "<br/>",
    "<p/>",
    "</",
    "<",
    "<![CDATA[x]]>",
    "<?pi?>",
];

/// What has to be written with care, as XML would have it.
const CAREFUL: &[&str] = &[
    "a",
    "&lt;b&gt;",
    "&amp;lt;",
    "\u{a0}",
    "\"'",
    "é €",
    "&lt;/script",
    "&lt;!--",
    "--&gt;",
    " ",
    "\n",
    "&#13;",
];

impl Soup {
    pub(crate) fn new() -> Self {
        Self(1)
    }

    fn number(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % below
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.number(words.len())]
    }

    /// Tags and texts one after the other, as nobody would write them.
    pub(crate) fn html(&mut self) -> String {
        let mut html = String::new();
        for _ in 0..self.number(30) {
            let name = self.one_of(NAMES);
            match self.number(8) {
                0..=3 => html.extend(["<", name, self.one_of(ATTRIBUTES), ">"]),
                // In SVG, these two end tags mean something else since html5lib was made.
                4 | 5 if !matches!(name, "br" | "p") => html.extend(["</", name, ">"]),
                _ => html += self.one_of(TEXTS),
            }
        }
        html
    }

    /// A tree that HTML can say, as XML.
    pub(crate) fn tree(&mut self) -> String {
        let (title, script) = (self.text(), self.script());
        let body = self.flow(4);
        format!(
            "<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>{title}</title><script>{script}</script>\
             <style>a &gt; b {{ }}</style></head><body{}>{body}</body></html>",
            self.attributes()
        )
    }

    fn text(&mut self) -> String {
        let length = self.number(4);
        (0..=length).map(|_| self.one_of(CAREFUL)).collect()
    }

    /// One that HTML can say: others are the tests' of their own.
    fn script(&mut self) -> &'static str {
        self.one_of(&[
            "if (a &lt; b &amp;&amp; c) f('&lt;p>')",
            "&lt;!--\nf()\n//--&gt;",
            "&lt;!-- f('&lt;script>g()&lt;/script>') --&gt;",
            "",
        ])
    }

    fn attributes(&mut self) -> String {
        const NAMES: [&str; 5] = ["class", "data-x", "href", "title", "checked"];
        let mut attributes = String::new();
        for name in NAMES {
            if self.number(4) == 0 {
                // Who writes XML escapes line feeds in values.
                let text = self.text().replace('"', "&quot;").replace('\n', "&#10;");
                let value = if name == "checked" { String::new() } else { text };
                attributes.extend([" ", name, "=\"", &value, "\""]);
            }
        }
        attributes
    }

    fn element(&mut self, name: &str, inside: &str) -> String {
        format!("<{name}{}>{inside}</{name}>", self.attributes())
    }

    fn flow(&mut self, depth: usize) -> String {
        let count = if depth == 0 { 0 } else { self.number(5) };
        (0..count).map(|_| self.block(depth - 1)).collect()
    }

    fn block(&mut self, depth: usize) -> String {
        match self.number(12) {
            0 => {
                let inside = self.phrasing(depth);
                self.element("p", &inside)
            }
            1 => {
                let name = self.one_of(&["div", "section", "blockquote", "x-y"]);
                let inside = self.flow(depth);
                self.element(name, &inside)
            }
            2 => {
                let name = self.one_of(&["pre", "textarea", "listing"]);
                let begin = self.one_of(&["", "\n", "\n\n"]);
                let inside = format!("{begin}{}", self.text());
                self.element(name, &inside)
            }
            3 => {
                let inside = self.flow(depth);
                let items = self.element("li", &inside);
                self.element("ul", &items)
            }
            4 => {
                // html5lib keeps the first line feed of a `<pre>` in a cell.
                let (cell, name) = (self.phrasing(depth), self.one_of(&["td", "th"]));
                let cell = self.element(name, &cell);
                format!("<table><caption>{}</caption><tbody><tr>{cell}</tr></tbody></table>", self.text())
            }
            5 => {
                let inside = self.flow(depth);
                format!(
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1 1\"><linearGradient/><a xmlns:l=\"http://www.w3.org/1999/xlink\" \
                     l:href=\"#x\" xml:lang=\"de\">{}</a><foreignObject><div xmlns=\"\">{inside}</div></foreignObject></svg>",
                    self.text()
                )
            }
            6 => format!(
                "<math xmlns=\"http://www.w3.org/1998/Math/MathML\"><mi>{}</mi><mspace definitionURL=\"u\"/></math>",
                self.text()
            ),
            7 => format!("<script>{}</script>", self.script()),
            8 => self
                .one_of(&["<hr/>", "<br class=\"x\"/>", "<img alt=\"\"/>", "<input disabled=\"\"/>"])
                .to_owned(),
            9 => self.one_of(&["<!-- a - b -->", "<!---->", "<!--x&amp;<>-->"]).to_owned(),
            10 => "<xmp>a&lt;b&gt;&amp;amp;</xmp><style>a &gt; b { }</style>".to_owned(),
            _ => self.text(),
        }
    }

    fn phrasing(&mut self, depth: usize) -> String {
        let count = if depth == 0 { 0 } else { self.number(4) };
        (0..count)
            .map(|_| {
                let name = self.one_of(&["b", "em", "span", "label"]);
                let inside = format!("{}{}", self.text(), self.phrasing(depth - 1));
                self.element(name, &inside)
            })
            .collect()
    }
}
