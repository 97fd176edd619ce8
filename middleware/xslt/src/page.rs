//! The page that shows a failure to the author of a theme: what went wrong, where in the sheet, where in the document.

use std::fmt::{self, Write as _};

use crate::error::{Fault, Limit, XsltError};
use crate::place::Snippet;
use crate::trace::Trace;

const STYLE: &str = "
:root { color-scheme: light dark; --line: #d8dde3; --soft: #f3f5f7; --mark: #fdecea; --bad: #b3261e; --dim: #68727d }
@media (prefers-color-scheme: dark) { :root { --line: #3a4149; --soft: #22272d; --mark: #4a2523; --bad: #ff8a80; --dim: #98a2ad } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 3rem auto; padding: 0 1.5rem }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; color: var(--bad) }
h2 { font-size: .8rem; letter-spacing: .06em; text-transform: uppercase; color: var(--dim); margin: 1.6rem 0 .4rem }
p { margin: 0 0 .6rem }
.what { font-size: 1.1rem; overflow-wrap: anywhere }
.fault { border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.3rem 1.3rem; margin: 1.4rem 0 }
code, pre, ol { font-family: ui-monospace, monospace; font-size: .88rem }
code { overflow-wrap: anywhere }
pre { background: var(--soft); border-radius: 8px; margin: 0; padding: .6rem 0; overflow-x: auto; tab-size: 4 }
pre span { display: block; padding: 0 1rem; min-width: max-content }
pre b { font-weight: normal; color: var(--dim); display: inline-block; min-width: 3.5ch; margin-right: 1.5ch; text-align: right }
pre .here { background: var(--mark) }
pre .caret { color: var(--bad) }
ol { margin: 0; padding-left: 1.6rem }
ol span { color: var(--dim) }
footer { color: var(--dim); font-size: .85rem; margin-top: 2rem }";

/// The page, in HTML. It shows pieces of stylesheets and documents, and so is for those who write them, never for the
/// public: [`debug_answer`](crate::debug_answer) answers with it.
pub fn page(error: &XsltError) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, error);
    page
}

fn write_page(page: &mut String, error: &XsltError) -> fmt::Result {
    let title = title(error);
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}\n</style></head>\n<body><h1>{title}</h1>\n"
    )?;
    match error {
        XsltError::Compile(faults) | XsltError::Failed(faults) => {
            faults.iter().try_for_each(|fault| write_fault(page, fault))?;
        }
        XsltError::NotWellFormed(fault) => write_fault(page, fault)?,
        XsltError::Terminated { message, trace } => {
            write!(page, "<div class=\"fault\"><p class=\"what\">{}</p>", Escaped(message))?;
            write_trace(page, trace)?;
            page.push_str("</div>\n");
        }
        other => {
            writeln!(
                page,
                "<div class=\"fault\"><p class=\"what\">{}</p></div>",
                Escaped(&other.to_string())
            )?;
        }
    }
    page.push_str("<footer>This page is shown because debugging is switched on for this transform.</footer></body></html>\n");
    Ok(())
}

fn title(error: &XsltError) -> &'static str {
    match error {
        XsltError::Compile(_) | XsltError::Unreadable { .. } => "The stylesheet does not compile",
        XsltError::NotWellFormed(_) => "The document is not well-formed",
        XsltError::Terminated { .. } => "The stylesheet ended itself",
        XsltError::Limit(Limit::InputBytes | Limit::Depth | Limit::Entities | Limit::Text) => {
            "The document is over a limit"
        }
        XsltError::Limit(_) => "The transform is over a limit",
        XsltError::PolicyDenied { .. } => "The transform asked for something that it may not have",
        _ => "The transform failed",
    }
}

fn write_fault(page: &mut String, fault: &Fault) -> fmt::Result {
    write!(page, "<div class=\"fault\"><p class=\"what\">{}</p>", Escaped(&fault.message))?;
    if let Some(place) = &fault.place {
        write!(page, "<p><code>{}</code>", Escaped(&place.to_string()))?;
        if let Some(element) = &fault.element {
            write!(page, " in <code>&lt;{}&gt;</code>", Escaped(element))?;
        }
        page.push_str("</p>");
        if let Some(source) = &fault.source {
            write_snippet(page, source, place.line, place.column)?;
        }
    }
    if let Some(trace) = &fault.trace {
        write_trace(page, trace)?;
    }
    page.push_str("</div>\n");
    Ok(())
}

fn write_snippet(page: &mut String, source: &Snippet, here: u32, column: Option<u32>) -> fmt::Result {
    page.push_str("<pre>");
    for (number, line) in (source.first..).zip(&source.lines) {
        let class = if number == here { " class=\"here\"" } else { "" };
        write!(page, "<span{class}><b>{number}</b>{}</span>", Escaped(line))?;
        let before = column.and_then(|column| line.get(..usize::try_from(column).ok()?.checked_sub(1)?));
        if let (true, Some(before)) = (number == here, before) {
            // Tabs stay, so that the caret stands below its place however wide they are.
            let indent: String = before.chars().map(|c| if c == '\t' { c } else { ' ' }).collect();
            write!(page, "<span class=\"caret\"><b></b>{indent}^</span>")?;
        }
    }
    page.push_str("</pre>");
    Ok(())
}

fn write_trace(page: &mut String, trace: &Trace) -> fmt::Result {
    if let Some(node) = &trace.node {
        write!(page, "<h2>At this node of the document</h2><p><code>{}</code>", Escaped(node))?;
        if let Some(line) = trace.line {
            write!(page, ", line {line}")?;
        }
        page.push_str("</p>");
    }
    if !trace.templates.is_empty() {
        page.push_str("<h2>In these templates, the innermost first</h2><ol>");
        for call in &trace.templates {
            let (template, place) = (&call.template, call.place.to_string());
            write!(page, "<li>{} <span>{}</span></li>", Escaped(template), Escaped(&place))?;
        }
        page.push_str("</ol>");
    }
    Ok(())
}

/// Text in HTML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Faults, Place};

    #[test]
    fn what_sheets_and_documents_say_is_text() {
        let evil = "<script>alert(1)</script>";
        let fault = Fault {
            place: Some(Place { file: format!("/{evil}.xsl"), line: 2, column: Some(2) }),
            element: Some(evil.to_owned()),
            trace: Some(Trace { node: Some(evil.to_owned()), ..Trace::default() }),
            source: Snippet::around(format!("1\n{evil}").as_bytes(), 2),
            ..Fault::bare(evil)
        };
        let terminated =
            XsltError::Terminated { message: evil.to_owned(), trace: Box::new(Trace::default()) };
        for error in [XsltError::Failed(Faults::new(vec![fault], "")), terminated] {
            let page = page(&error);
            assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
        }
    }

    #[test]
    fn the_caret_stands_below_its_column() {
        let mut html = String::new();
        write_snippet(&mut html, &Snippet { first: 7, lines: vec!["a".into(), "\té<b>".into()] }, 8, Some(4))
            .unwrap();
        assert_eq!(
            html,
            "<pre><span><b>7</b>a</span><span class=\"here\"><b>8</b>\té&lt;b&gt;</span>\
             <span class=\"caret\"><b></b>\t ^</span></pre>"
        );
    }
}
