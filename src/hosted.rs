//! Which applications of a configuration run in processes of their own.

use std::io;

use vestibule_config::{Component, Config, Only, Route, Source, Target};

use crate::backend::KINDS;
use crate::backend::processes::Wanted;

/// An application that runs in processes of its own.
pub(crate) struct Hosted<'a> {
    pub(crate) name: String,
    /// What the configuration knows it by.
    only: Only<'a>,
    pub(crate) component: &'a Component,
    pub(crate) wanted: Wanted,
}

impl Hosted<'_> {
    /// What a process of it is told of the configuration: nothing of the others, whose secrets may stand there.
    pub(crate) fn source(&self, config: &Config) -> io::Result<Source> {
        let environment = |name: &str| std::env::var(name).ok();
        config.source.narrowed(self.only, &environment).ok_or_else(|| {
            io::Error::other(format!("the application {} is no longer where it was written", self.name))
        })
    }
}

/// All of them, in an order that is the same in every process that reads the configuration.
pub(crate) fn all(config: &Config) -> Vec<Hosted<'_>> {
    let mut all = Vec::new();
    for app in &config.apps {
        add(&mut all, &app.backend, &app.name, Only::App(&app.name));
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
            Target::Backend(component) => {
                add(all, component, &name_in_place(component), Only::InPlace(&component.place));
            }
        }
    }
}

fn add<'a>(all: &mut Vec<Hosted<'a>>, component: &'a Component, name: &str, only: Only<'a>) {
    let row = KINDS.iter().find(|row| std::ptr::eq(&raw const row.kind, component.kind));
    let Some(wanted) = row.and_then(|row| row.processes?(&component.settings)) else { return };
    all.push(Hosted { name: name.to_owned(), only, component, wanted });
}
