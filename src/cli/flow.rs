//! A value of the file on one line, as YAML writes it in flow style.

use vestibule_config::document::{Node, Value};

/// `{ root: /srv/www, index: [index.html] }`
pub(super) fn line(node: &Node) -> String {
    match &node.value {
        Value::Null => String::new(),
        Value::Scalar(text) => scalar(text),
        Value::List(items) => format!("[{}]", items.iter().map(line).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) if entries.is_empty() => "{}".into(),
        Value::Map(entries) => {
            let entries = entries.iter().map(|entry| match line(&entry.value) {
                value if value.is_empty() => entry.key.value.clone(),
                value => format!("{}: {value}", entry.key.value),
            });
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// As it is, unless it would read as something else between braces.
fn scalar(text: &str) -> String {
    let ambiguous = |c: char| matches!(c, '{' | '}' | '[' | ']' | ',' | '"' | '#' | '\'') || c.is_control();
    if text.is_empty() || text.trim() != text || text.contains(": ") || text.contains(ambiguous) {
        format!("{text:?}")
    } else {
        text.into()
    }
}
