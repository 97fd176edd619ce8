//! Which applications of a configuration run in processes of their own.

use std::path::{Path, PathBuf};

use vestibule_config::{Component, Config, Route, Target};

use crate::backend::{KINDS, Processes, Wanted};

/// An application that runs in processes of its own.
pub(crate) struct Hosted<'a> {
    /// Its place among them, which is the same in every process that reads the configuration.
    pub(crate) number: usize,
    pub(crate) name: String,
    pub(crate) component: &'a Component,
    pub(crate) processes: &'static Processes,
    pub(crate) wanted: Wanted,
}

impl Hosted<'_> {
    /// Where its processes listen, in a folder for such sockets.
    pub(crate) fn socket(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.sock", self.number))
    }
}

/// All of them, in the order of the file.
pub(crate) fn all(config: &Config) -> Vec<Hosted<'_>> {
    let mut all = Vec::new();
    for app in &config.apps {
        add(&mut all, &app.backend, &app.name);
    }
    add_routes(&mut all, &config.routes);
    all
}

/// The name of a backend that has none.
pub(crate) fn name_in_place(component: &Component) -> String {
    format!("{} at {}", component.kind.name, component.place)
}

fn add_routes<'a>(all: &mut Vec<Hosted<'a>>, routes: &'a [Route]) {
    for route in routes {
        match &route.target {
            Target::App(_) => {}
            Target::Routes(children) => add_routes(all, children),
            Target::Backend(component) => add(all, component, &name_in_place(component)),
        }
    }
}

fn add<'a>(all: &mut Vec<Hosted<'a>>, component: &'a Component, name: &str) {
    let row = KINDS.iter().find(|row| std::ptr::eq(&raw const row.kind, component.kind));
    let Some(processes) = row.and_then(|row| row.processes.as_ref()) else { return };
    let Some(wanted) = (processes.wanted)(&component.settings) else { return };
    all.push(Hosted { number: all.len(), name: name.to_owned(), component, processes, wanted });
}
