//! `routes`: the tree of nodes, each with what it asks of a request and the one target that answers.

use super::Check;
use super::component::Sort;
use crate::config::{Route, Target};
use crate::document::{Entry, Node, Value};
use crate::pattern::Pattern;
use crate::place::{Place, Spanned};
use crate::suggest;

/// The keys of a node beside the kinds of backends.
const KEYS: [&str; 6] = ["app", "layers", "match", "mount", "path", "routes"];

impl<'a> Check<'a> {
    /// Without routes there is no gateway.
    pub(super) fn report_no_routes(&mut self, root: &Node, start: &Place) -> Vec<Route> {
        // Of a file that is no mapping, its reader has said so, and of a key that is misspelt, too.
        let is_meant = |key: &str| suggest::nearest(key, ["routes"]).is_some();
        if matches!(root.value, Value::Null | Value::Map(_))
            && !root.entries().iter().any(|entry| is_meant(&entry.key))
        {
            self.diagnostics
                .error(start, "`routes` is missing: there is nothing to serve")
                .help("the least is `routes: [ { respond: { status: 200 } } ]`");
        }
        Vec::new()
    }

    pub(super) fn routes(&mut self, node: &'a Node) -> Vec<Route> {
        let Value::List(items) = &node.value else {
            self.diagnostics
                .error(&node.place, format!("a list of routes is expected here, this is {}", node.sort()));
            return Vec::new();
        };
        if items.is_empty() {
            self.diagnostics.error(&node.place, "an empty list of routes: there is nothing to serve");
        }
        items.iter().filter_map(|item| self.route(item)).collect()
    }

    fn route(&mut self, node: &'a Node) -> Option<Route> {
        let Value::Map(entries) = &node.value else {
            self.diagnostics
                .error(&node.place, format!("a route is a mapping, this is {}", node.sort()))
                .help("for instance `{ mount: /shop, app: shop }`");
            return None;
        };
        let known = self.report_unknown_keys(entries);
        let given = |key| node.get(key).filter(|node| !node.is_null());
        let mount = given("mount").and_then(|mount| self.mount(mount));
        let path = given("path").and_then(|path| self.path(path));
        self.report_mount_and_path(entries);
        let conditions = node.get("match").map(|node| self.conditions(node)).unwrap_or_default();
        let layers = given("layers").map(|node| self.layers(node)).unwrap_or_default();
        let target = self.target(node, entries, known)?;
        Some(Route { place: node.place.clone(), mount, path, conditions, layers, target })
    }

    /// Whether all keys are known.
    fn report_unknown_keys(&mut self, entries: &[Entry]) -> bool {
        let backends: Vec<&str> = self.kinds.backends.iter().map(|kind| kind.name).collect();
        let unknown = entries.iter().map(|entry| &entry.key);
        let unknown: Vec<_> = unknown
            .filter(|key| !KEYS.contains(&key.as_str()) && !backends.contains(&key.as_str()))
            .collect();
        for key in &unknown {
            let elsewhere = self.elsewhere(key);
            let mut mistake = self.diagnostics.error(&key.place, format!("unknown key `{}`", key.value));
            match elsewhere {
                Some(elsewhere) => mistake.help(elsewhere),
                None => mistake.did_you_mean(key, KEYS.into_iter().chain(backends.iter().copied())),
            };
            mistake.help(format!(
                "allowed here: {}, or a backend in place ({})",
                KEYS.join(", "),
                backends.join(", ")
            ));
        }
        unknown.is_empty()
    }

    /// `mount`: a literal prefix that ends at the boundary of a segment.
    fn mount(&mut self, node: &Node) -> Option<Spanned<String>> {
        let mount = self.text(node, "a prefix such as `/shop`")?;
        let (message, help) = if !mount.starts_with('/') {
            ("a mount begins with `/`", format!("did you mean `/{}`?", mount.value.trim_matches('/')))
        } else if mount.value != "/" && mount.ends_with('/') {
            (
                "a mount does not end with `/`",
                format!("`{}` holds for what is below it too", mount.trim_end_matches('/')),
            )
        } else if mount.contains(['{', '}', '*']) {
            ("a mount is a literal prefix", "a pattern stands in `path`".to_owned())
        } else if mount.contains("//") || mount.split('/').any(|segment| matches!(segment, "." | "..")) {
            ("no request matches this mount", "paths are matched with their `.` and `..` resolved".to_owned())
        } else {
            return Some(mount);
        };
        self.diagnostics.error(&mount.place, message).help(help);
        None
    }

    /// `path`: a pattern whose captures become variables.
    fn path(&mut self, node: &Node) -> Option<Spanned<String>> {
        let path = self.text(node, "a pattern such as `/feeds/{name}`")?;
        match Pattern::parse(&path) {
            Ok(pattern) => {
                for name in pattern.names() {
                    self.report_capture(name, &path.place);
                }
                if pattern.has_star() {
                    let mut warning =
                        self.diagnostics.warning(&path.place, "`*` stands for itself in a `path`");
                    warning.help("`{name}` takes one segment, `{*rest}` at the end whatever is left");
                }
                Some(path)
            }
            Err(error) => {
                self.diagnostics.error(&path.place, format!("`{}` is not a pattern: {error}", path.value));
                // What it would have captured is not known.
                self.blind = true;
                None
            }
        }
    }

    fn text(&mut self, node: &Node, expected: &str) -> Option<Spanned<String>> {
        if let Value::Scalar(text) = &node.value {
            return Some(Spanned::new(text.clone(), node.place.clone()));
        }
        self.diagnostics.error(&node.place, format!("{expected} is expected here, this is {}", node.sort()));
        None
    }

    fn report_mount_and_path(&mut self, entries: &[Entry]) {
        let mut both = entries.iter().filter(|entry| matches!(entry.key.as_str(), "mount" | "path"));
        if let (Some(first), Some(second)) = (both.next(), both.next()) {
            self.diagnostics
                .error(&second.key.place, "a route has a `mount` or a `path`, not both")
                .note("the other one", &first.key.place)
                .help("nest a route with the `path` in `routes` under the `mount`");
        }
    }

    /// The one of `app`, `routes` and the kinds of backends that a node must have.
    fn target(&mut self, node: &'a Node, entries: &'a [Entry], keys_known: bool) -> Option<Target> {
        let is_target = |entry: &&Entry| {
            matches!(entry.key.as_str(), "app" | "routes")
                || Sort::Backend.find(self.kinds, &entry.key).is_some()
        };
        let targets: Vec<&Entry> = entries.iter().filter(is_target).collect();
        let Some(target) = targets.first() else {
            // An unknown key may have been meant to be the target.
            if keys_known {
                let backends: Vec<&str> = self.kinds.backends.iter().map(|kind| kind.name).collect();
                self.diagnostics.error(&node.place, "this route has nothing that answers").help(format!(
                    "one of these is needed: app, routes, or a backend in place ({})",
                    backends.join(", ")
                ));
            }
            return None;
        };
        for second in &targets[1..] {
            self.diagnostics
                .error(&second.key.place, format!("a second target beside `{}`", target.key.value))
                .note("the first one", &target.key.place)
                .help("a route has exactly one of `app`, `routes` and a backend in place");
        }
        let mut read: Vec<Option<Target>> = targets.iter().map(|target| self.read_target(target)).collect();
        read.swap_remove(0)
    }

    fn read_target(&mut self, entry: &'a Entry) -> Option<Target> {
        match entry.key.as_str() {
            "app" => self.app(&entry.value).map(Target::App),
            "routes" => Some(Target::Routes(self.routes(&entry.value))),
            _ => self.named(Sort::Backend, &entry.key, Some(&entry.value), &[]).map(Target::Backend),
        }
    }

    fn app(&mut self, node: &Node) -> Option<usize> {
        let name = self.text(node, "the name of an app")?;
        if let Some(index) = self.app_index.get(name.as_str()) {
            self.used_apps.insert(*index);
            return Some(*index);
        }
        let mut apps: Vec<(&str, usize)> =
            self.app_index.iter().map(|(name, index)| (*name, *index)).collect();
        apps.sort_unstable_by_key(|(_, index)| *index);
        let names = apps.into_iter().map(|(name, _)| name);
        self.diagnostics.error(&name.place, format!("unknown app `{}`", name.value)).allowed(&name, names);
        None
    }
}
