//! A configuration of one backend alone: what a process needs that must not know the rest.
//!
//! The variables are replaced already, and what is written stands where it stood in the whole text, as far as that can be:
//! so mistakes are told with the line and column that the user has written.

use std::sync::Arc;

use crate::diagnostic::Diagnostics;
use crate::document::{self, Entry, Node, Value};
use crate::env_file;
use crate::place::{Place, SourceText};
use crate::source::Source;
use crate::substitute::Lookup;

/// Which backend of a configuration is meant.
#[derive(Clone, Copy, Debug)]
pub enum Only<'a> {
    /// The app of this name.
    App(&'a str),
    /// The backend in a route whose kind is named at this place.
    InPlace(&'a Place),
}

/// The keys of a configuration that concern a backend.
const KEPT: [&str; 2] = ["python", "drain"];

impl Source {
    /// The same configuration with one backend and a route that leads there, and with nothing of the others. `None` where it
    /// has no such backend, or mistakes.
    pub fn narrowed(&self, only: Only<'_>, environment: Lookup<'_>) -> Option<Self> {
        let mut diagnostics = Diagnostics::new();
        let variables = self.env_file.as_ref().map(|file| env_file::parse(file, &mut diagnostics));
        let variables = variables.unwrap_or_default();
        let lookup = |name: &str| environment(name).or_else(|| variables.get(name).cloned());
        let root = document::read(&self.config, &lookup, &mut diagnostics)?;
        if diagnostics.has_errors() {
            return None;
        }
        let backend = match only {
            Only::App(name) => root.get("apps")?.entries().iter().find(|app| *app.key == name)?,
            Only::InPlace(place) => in_routes(root.get("routes")?, place)?,
        };
        let mut writer = Writer::default();
        let mut kept: Vec<&Entry> =
            root.entries().iter().filter(|entry| KEPT.contains(&entry.key.as_str())).collect();
        kept.push(backend);
        kept.sort_by_key(|entry| (entry.key.place.line(), entry.key.place.column()));
        for entry in kept {
            match only {
                Only::App(_) if std::ptr::eq(entry, backend) => writer.app(entry),
                Only::InPlace(_) if std::ptr::eq(entry, backend) => writer.route(entry),
                _ => writer.entry_of_root(entry),
            }
        }
        if let Only::App(name) = only {
            writer.line_after();
            writer.put("routes: [ { app: ");
            writer.quoted(name);
            writer.put(" } ]");
        }
        let config = Arc::new(SourceText::new(self.config.path(), writer.text));
        Some(Self { config, env_file: None })
    }
}

/// The entry of a route whose key stands at a place.
fn in_routes<'n>(routes: &'n Node, place: &Place) -> Option<&'n Entry> {
    let Value::List(routes) = &routes.value else { return None };
    routes.iter().find_map(|route| {
        let here = route.entries().iter().find(|entry| entry.key.place == *place);
        here.or_else(|| in_routes(route.get("routes")?, place))
    })
}

/// Writes YAML: the root in block style, everything in it in flow style, which may begin at any line and column.
struct Writer {
    text: String,
    /// Where the next character stands, both from 1.
    line: usize,
    column: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self { text: String::new(), line: 1, column: 1 }
    }
}

impl Writer {
    fn entry_of_root(&mut self, entry: &Entry) {
        self.root_key(&entry.key.place, &entry.key);
        self.node(&entry.value);
    }

    fn app(&mut self, app: &Entry) {
        // The mapping that the app stands in begins above it, unless that is in the first line.
        self.line_after();
        self.put("apps: {");
        self.entry(app);
        self.put("}");
    }

    fn route(&mut self, backend: &Entry) {
        self.line_after();
        self.put("routes: [{");
        self.entry(backend);
        self.put("}]");
    }

    fn root_key(&mut self, place: &Place, key: &str) {
        self.line_after();
        while self.line < place.line() {
            self.put("\n");
        }
        self.put(key);
        self.put(": ");
    }

    /// The beginning of a line.
    fn line_after(&mut self) {
        if self.column > 1 {
            self.put("\n");
        }
    }

    fn node(&mut self, node: &Node) {
        match &node.value {
            Value::Null => self.put("null"),
            Value::Scalar(text) => self.scalar(text, &node.place),
            Value::List(items) => {
                self.put("[");
                for (number, item) in items.iter().enumerate() {
                    self.put(if number > 0 { "," } else { "" });
                    self.node(item);
                }
                self.put("]");
            }
            Value::Map(entries) => {
                self.put("{");
                for (number, entry) in entries.iter().enumerate() {
                    self.put(if number > 0 { "," } else { "" });
                    self.entry(entry);
                }
                self.put("}");
            }
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.scalar(&entry.key, &entry.key.place);
        self.put(": ");
        self.node(&entry.value);
    }

    /// A scalar that is plain in the file stays so where that is safe: then what follows stands where it stood.
    fn scalar(&mut self, text: &str, place: &Place) {
        self.go_to(place);
        if place.written().is_none() && place.text() == text && is_safe(text) {
            self.put(text);
        } else {
            self.quoted(&text.replace("${", "$${"));
        }
    }

    fn quoted(&mut self, text: &str) {
        self.put("\"");
        for c in text.chars() {
            match c {
                '"' | '\\' => self.put(&format!("\\{c}")),
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                    self.put(&format!("\\u{:04X}", u32::from(c)));
                }
                c => self.put(c.encode_utf8(&mut [0; 4])),
            }
        }
        self.put("\"");
    }

    /// Leaves room up to a place, unless that is past already. No line but the root's begins in the first column.
    fn go_to(&mut self, place: &Place) {
        while self.line < place.line() {
            self.put("\n");
        }
        if self.column == 1 {
            self.put(" ");
        }
        while self.line == place.line() && self.column < place.column() {
            self.put(" ");
        }
    }

    fn put(&mut self, text: &str) {
        for c in text.chars() {
            (self.line, self.column) =
                if c == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
        self.text.push_str(text);
    }
}

/// Whether a plain scalar can stand in flow style as it is.
fn is_safe(text: &str) -> bool {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_'))
        && text.chars().all(is_safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
listen: "127.0.0.1:80"
env: { TOKEN: "${SECRET}" }
python: /srv/venv
x-shared: &shared { threads: 2, note: null }
apps:
  # with a comment
  shop:
    wsgi:
      <<: *shared
      app: "shop.wsgi:application"
      path:
        - shop
        - "${HERE}/lib"
      env: { LITERAL: "$${SECRET}", TEXT: "a\tb \"quoted\" \\ caf\u00e9\u2028", EMPTY: "", EXACT: 'null' }
  blog: { wsgi: { app: blog, env: { OTHERS: "${SECRET}" } } }
drain: 5s
routes:
- { mount: /blog, app: blog }
- mount: /in
  routes:
    - { mount: /place, layers: [ x ], wsgi: { app: here, env: { OTHERS: mine } } }
"#;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "SECRET" => Some("of-others".into()),
            "HERE" => Some("/srv".into()),
            _ => None,
        }
    }

    fn narrowed(only: Only<'_>) -> Source {
        Source::from_text("a.yaml", WHOLE).narrowed(only, &lookup).expect("it is there")
    }

    fn root(source: &Source) -> Node {
        let mut diagnostics = Diagnostics::new();
        let root = document::read(&source.config, &lookup, &mut diagnostics);
        assert!(!diagnostics.has_errors(), "{}", diagnostics.render(false));
        root.expect("it is YAML")
    }

    /// Both have the same values; where they are written at places of their own, these, too.
    fn assert_same(one: &Node, other: &Node) {
        match (&one.value, &other.value) {
            (Value::Null, Value::Null) => {}
            (Value::Scalar(text), Value::Scalar(copy)) => {
                assert_eq!(text, copy);
                if one.place.written().is_none() {
                    assert_eq!(one.place.to_string(), other.place.to_string(), "{text}");
                }
            }
            (Value::List(items), Value::List(copies)) => {
                assert_eq!(items.len(), copies.len());
                items.iter().zip(copies).for_each(|(item, copy)| assert_same(item, copy));
            }
            (Value::Map(entries), Value::Map(copies)) => {
                assert_eq!(entries.len(), copies.len());
                for (entry, copy) in entries.iter().zip(copies) {
                    assert_eq!(entry.key.value, copy.key.value);
                    assert_same(&entry.value, &copy.value);
                }
            }
            (one, other) => panic!("{one:?} is not {other:?}"),
        }
    }

    #[test]
    fn an_app_is_the_same_at_its_own_place_and_nothing_else_is_there() {
        let source = narrowed(Only::App("shop"));
        let (whole, alone) = (root(&Source::from_text("a.yaml", WHOLE)), root(&source));
        let app = |root: &Node| root.get("apps").and_then(|apps| apps.get("shop")).cloned().expect("the app");
        assert_same(&app(&whole), &app(&alone));
        for key in KEPT {
            assert_same(whole.get(key).unwrap(), alone.get(key).unwrap());
        }
        assert_eq!(alone.get("apps").unwrap().entries().len(), 1);
        assert_eq!(alone.entries().len(), 4, "{}", source.config.text());
        assert!(!source.config.text().contains("of-others") && !source.config.text().contains("blog"));
        let Value::List(routes) = &alone.get("routes").unwrap().value else { panic!("no list") };
        assert!(matches!(&routes[0].get("app").unwrap().value, Value::Scalar(name) if name == "shop"));
    }

    #[test]
    fn a_backend_in_a_route_keeps_its_place_and_loses_what_is_around_it() {
        let whole = root(&Source::from_text("a.yaml", WHOLE));
        let Value::List(routes) = &whole.get("routes").unwrap().value else { panic!("no list") };
        let Value::List(inner) = &routes[1].get("routes").unwrap().value else { panic!("no list") };
        let key = &inner[0].entries().iter().find(|entry| *entry.key == "wsgi").unwrap().key;
        let source = narrowed(Only::InPlace(&key.place));
        let alone = root(&source);
        let Value::List(routes) = &alone.get("routes").unwrap().value else { panic!("no list") };
        let [entry] = routes[0].entries() else { panic!("one entry") };
        assert_eq!(entry.key.place.to_string(), key.place.to_string());
        assert_same(inner[0].get("wsgi").unwrap(), &entry.value);
        assert!(!source.config.text().contains("of-others") && !source.config.text().contains("mount"));
    }

    #[test]
    fn flow_style_from_the_first_line_on_is_no_obstacle() {
        let text = "{ python: v, apps: { shop: { wsgi: { app: a } } }, routes: [ { app: shop } ] }";
        let source = Source::from_text("a.yaml", text).narrowed(Only::App("shop"), &lookup).unwrap();
        let alone = root(&source);
        assert!(alone.get("python").is_some() && alone.get("apps").unwrap().get("shop").is_some());
    }

    #[test]
    fn what_is_not_there_is_none() {
        let source = Source::from_text("a.yaml", WHOLE);
        assert!(source.narrowed(Only::App("wiki"), &lookup).is_none());
        assert!(source.narrowed(Only::InPlace(&Place::default()), &lookup).is_none());
    }
}
