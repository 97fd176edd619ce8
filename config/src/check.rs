//! Checks a document and applies the defaults: one tree in, one [`Config`] out, every mistake recorded on the way.
//!
//! Nothing here stops at a mistake. What could not be read is left out of the [`Config`], which is thrown away if
//! there was any mistake; warnings are given of files without mistakes only.

mod component;
mod env;
mod limits;
mod listen;
mod predicate;
mod route;
mod shadow;
mod stack;
mod trust;
mod variables;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{App, Config};
use crate::diagnostic::Diagnostics;
use crate::document::{Node, Value};
use crate::kind::Kinds;
use crate::place::{Place, Spanned};
use crate::reader::Reader;
use crate::source::Source;

pub use self::env::read_env;
use stack::Stacks;

const MOST_WORKERS: usize = 1024;
const DRAIN: Duration = Duration::from_secs(30);

/// Checks the whole file.
pub(crate) fn check(source: &Source, root: &Node, kinds: &Kinds, diagnostics: &mut Diagnostics) -> Config {
    let start = Place::new(&source.config, 0, 0);
    let mut reader = Reader::new(root, &start, diagnostics);
    // Advice lists the keys in this order, and who may connect depends on who is trusted.
    reader.known(&["listen"]);
    let trust = reader.section("trust", trust::read);
    let listen = listen::read(&mut reader, kinds, trust.as_ref());
    let trust = trust.unwrap_or_default();
    let env = env::read_env(&mut reader, kinds.standard_variable);
    // `Source::read` has read it; here it is only known to be a key.
    reader.optional::<PathBuf>("env_file");
    let python = reader.optional("python");
    let workers = workers(&mut reader);
    let drain = reader.or("drain", DRAIN);
    let limits = reader.section("limits", limits::read).unwrap_or_default();
    reader.known(&["apps", "stacks", "layers", "routes"]);
    reader.finish();

    let mut check = Check::new(kinds, diagnostics);
    let given = |key| root.get(key).filter(|node| !node.is_null());
    let apps = given("apps").map(|node| check.apps(node)).unwrap_or_default();
    if let Some(node) = given("stacks") {
        check.stacks(node);
    }
    let layers = given("layers").map(|node| check.layers(node)).unwrap_or_default();
    let routes = match given("routes") {
        Some(node) => check.routes(node),
        None => check.report_no_routes(root, &start),
    };
    if !check.diagnostics.has_errors() {
        check.warn_of_unused(&apps);
        shadow::warn(&routes, check.diagnostics);
    }
    let config = Config {
        source: source.clone(),
        listen,
        trust,
        env,
        env_file: source.env_file.as_ref().map(|file| file.path().to_owned()),
        python,
        workers,
        drain,
        limits,
        apps,
        layers,
        routes,
        warnings: Diagnostics::new(),
    };
    if !check.blind {
        variables::check(&config, kinds, check.diagnostics);
    }
    config
}

fn workers(reader: &mut Reader<'_>) -> usize {
    let workers: Spanned<usize> = reader.or("workers", Spanned::new(1, Place::default()));
    if *workers == 0 {
        reader.mistake(&workers.place, "at least one worker is needed");
    } else if *workers > MOST_WORKERS {
        reader.mistake(&workers.place, format!("more than {MOST_WORKERS} workers are too many processes"));
    }
    workers.value
}

/// What the parts of the file that refer to each other share.
struct Check<'a> {
    kinds: &'a Kinds,
    diagnostics: &'a mut Diagnostics,
    /// The apps by name, also those that could not be read.
    app_index: HashMap<&'a str, usize>,
    used_apps: HashSet<usize>,
    stacks: Stacks<'a>,
    /// Whether some component could not be read: nobody knows then which variables are set.
    blind: bool,
}

impl<'a> Check<'a> {
    fn new(kinds: &'a Kinds, diagnostics: &'a mut Diagnostics) -> Self {
        Self {
            kinds,
            diagnostics,
            app_index: HashMap::new(),
            used_apps: HashSet::new(),
            stacks: Stacks::default(),
            blind: false,
        }
    }

    /// `apps`: name → one backend.
    fn apps(&mut self, node: &'a Node) -> Vec<App> {
        self.expect_mapping(node, "`apps` is a mapping of names to backends");
        let mut apps = Vec::new();
        for (index, entry) in node.entries().iter().enumerate() {
            self.app_index.insert(&entry.key, index);
            if let Some(backend) = self.backend(&entry.value, &entry.key.place) {
                apps.push(App { name: entry.key.clone(), backend });
            }
        }
        apps
    }

    fn expect_mapping(&mut self, node: &Node, expected: &str) {
        if !matches!(node.value, Value::Map(_)) {
            self.diagnostics.error(&node.place, format!("{expected}, this is {}", node.sort()));
        }
    }

    fn warn_of_unused(&mut self, apps: &[App]) {
        for (index, app) in apps.iter().enumerate() {
            if !self.used_apps.contains(&index) {
                let message = format!("no route uses the app `{}`", app.name.value);
                self.diagnostics.warning(&app.name.place, message);
            }
        }
        for name in self.stacks.unused() {
            self.diagnostics.warning(&name.place, format!("nothing uses the stack `{}`", name.value));
        }
    }
}
