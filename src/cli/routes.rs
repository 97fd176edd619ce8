//! `vestibule routes`: the tree of routes as a table, in the order in which they are tried.
//!
//! ```text
//! ROUTE                           LAYERS                      ANSWERS
//! (all)                           access_log, request_id
//! if env { DEPLOY: maintenance }                              respond { status: 503 }
//! /shop/...                       compress
//!   if cookie { beta: 1 }                                     beta
//!   else                                                      shop
//! ```

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use vestibule_config::document::{self, Node, Value};
use vestibule_config::{Component, Condition, Config, Diagnostics, Place, Route, Target};

use super::{flow, load, show};

/// Prints the tree of a file.
pub(super) fn run(file: &Path) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let color =
        io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    show(&table(&config, color))
}

/// The whole text.
fn table(config: &Config, color: bool) -> String {
    let written = Written::of(config);
    let mut routes = vec![Row::titles(["ROUTE", "LAYERS", "ANSWERS"])];
    if !config.layers.is_empty() {
        routes.push(Row { cells: ["(all)".into(), names(&config.layers), String::new()], title: false });
    }
    add_routes(&config.routes, config, &written, 0, &mut routes);
    let mut text = columns(&routes, color);
    if !config.apps.is_empty() {
        let mut apps = vec![Row::titles(["APP", "KIND", "SETTINGS"])];
        for app in &config.apps {
            let settings = written.settings(&app.backend);
            apps.push(Row {
                cells: [app.name.value.clone(), app.backend.kind.name.into(), settings],
                title: false,
            });
        }
        text.push('\n');
        text.push_str(&columns(&apps, color));
    }
    text
}

fn add_routes(routes: &[Route], config: &Config, written: &Written, depth: usize, rows: &mut Vec<Row>) {
    for (number, route) in routes.iter().enumerate() {
        let asked = asked(route, written).unwrap_or_else(|| if number == 0 { "all" } else { "else" }.into());
        let answers = match &route.target {
            Target::App(index) => config.apps[*index].name.value.clone(),
            Target::Routes(_) => String::new(),
            Target::Backend(component) => written.component(component),
        };
        let route_cell = format!("{}{asked}", "  ".repeat(depth));
        rows.push(Row { cells: [route_cell, names(&route.layers), answers], title: false });
        if let Target::Routes(children) = &route.target {
            add_routes(children, config, written, depth + 1, rows);
        }
    }
}

/// What a route asks of a request; `None` if nothing.
fn asked(route: &Route, written: &Written) -> Option<String> {
    let mount = route.mount.as_ref().map(|mount| format!("{}/...", mount.trim_end_matches('/')));
    let place = mount.or_else(|| route.path.as_ref().map(|path| path.value.clone()));
    let conditions =
        (!route.conditions.is_empty()).then(|| format!("if {}", all_of(&route.conditions, written)));
    match (place, conditions) {
        (Some(place), Some(conditions)) => Some(format!("{place} {conditions}")),
        (place, conditions) => place.or(conditions),
    }
}

fn all_of(conditions: &[Condition], written: &Written) -> String {
    let each = conditions.iter().map(|condition| match condition {
        Condition::Is(component) => written.component(component),
        Condition::Not(conditions) => format!("not ({})", all_of(conditions, written)),
        Condition::Any(lists) => {
            let lists = lists.iter().map(|conditions| all_of(conditions, written));
            format!("any of ({})", lists.collect::<Vec<_>>().join(" | "))
        }
    });
    each.collect::<Vec<_>>().join(" and ")
}

fn names(layers: &[Component]) -> String {
    layers.iter().map(|layer| layer.kind.name).collect::<Vec<_>>().join(", ")
}

/// The settings of the file's components as they are written there: a component knows the place of its name.
struct Written(HashMap<(usize, usize), String>);

impl Written {
    fn of(config: &Config) -> Self {
        let mut settings = HashMap::new();
        // Nothing is replaced: a secret that stands in the environment is not shown.
        let as_written = |name: &str| Some(format!("${{{name}}}"));
        if let Some(root) = document::read(&config.source.config, &as_written, &mut Diagnostics::new()) {
            collect(&root, &mut settings);
        }
        Self(settings)
    }

    fn settings(&self, component: &Component) -> String {
        self.0.get(&key(&component.place)).cloned().unwrap_or_default()
    }

    /// `static { root: /srv/www }`
    fn component(&self, component: &Component) -> String {
        format!("{} {}", component.kind.name, self.settings(component)).trim_end().into()
    }
}

fn collect(node: &Node, settings: &mut HashMap<(usize, usize), String>) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                settings.insert(key(&entry.key.place), flow::line(&entry.value));
                collect(&entry.value, settings);
            }
        }
        Value::List(items) => items.iter().for_each(|item| collect(item, settings)),
        Value::Null | Value::Scalar(_) => {}
    }
}

fn key(place: &Place) -> (usize, usize) {
    (place.line(), place.column())
}

struct Row {
    cells: [String; 3],
    title: bool,
}

impl Row {
    fn titles(titles: [&str; 3]) -> Self {
        Self { cells: titles.map(Into::into), title: true }
    }
}

/// The rows with their cells one below the other; the titles bold on a terminal.
fn columns(rows: &[Row], color: bool) -> String {
    let width = |column: usize| rows.iter().map(|row| row.cells[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    let mut text = String::new();
    for Row { cells: [one, two, three], title } in rows {
        let line = format!("{one:first$}  {two:second$}  {three}");
        let (bold, plain) = if *title && color { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{bold}{}{plain}", line.trim_end());
    }
    text
}
