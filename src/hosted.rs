//! Which applications of a configuration run in processes of their own.

use std::io;
use std::path::Path;
use std::sync::Arc;

use vestibule_config::{Component, Config, Only, Route, Source, SourceText, Target};

use crate::backend::KINDS;
use crate::backend::processes::Wanted;

/// A backend of a configuration.
pub(crate) struct Named<'a> {
    pub(crate) name: String,
    /// What the configuration knows it by.
    only: Only<'a>,
    pub(crate) component: &'a Component,
}

/// An application that runs in processes of its own.
pub(crate) struct Hosted<'a> {
    pub(crate) backend: Named<'a>,
    pub(crate) wanted: Wanted,
}

/// All of them, in an order that is the same in every process that reads the configuration.
pub(crate) fn all(config: &Config) -> Vec<Hosted<'_>> {
    backends(config).into_iter().filter_map(Named::hosted).collect()
}

/// All backends, in the order of the file.
pub(crate) fn backends(config: &Config) -> Vec<Named<'_>> {
    let of_apps = config.apps.iter().map(|app| Named {
        name: app.name.value.clone(),
        only: Only::App(&app.name),
        component: &app.backend,
    });
    let mut all = of_apps.collect();
    add_routes(&mut all, &config.routes);
    all
}

/// The name of a backend that has none.
pub(crate) fn name_in_place(component: &Component) -> String {
    format!("{} at {}", component.kind.name, component.place)
}

fn add_routes<'a>(all: &mut Vec<Named<'a>>, routes: &'a [Route]) {
    for route in routes {
        match &route.target {
            Target::App(_) => {}
            Target::Routes(children) => add_routes(all, children),
            Target::Backend(component) => {
                let only = Only::InPlace(&component.place);
                all.push(Named { name: name_in_place(component), only, component });
            }
        }
    }
}

impl<'a> Named<'a> {
    /// The processes of its own that it asks for.
    pub(crate) fn wanted(&self) -> Option<Wanted> {
        let row = KINDS.iter().find(|row| std::ptr::eq(&raw const row.kind, self.component.kind));
        row?.processes?(&self.component.settings)
    }

    fn hosted(self) -> Option<Hosted<'a>> {
        Some(Hosted { wanted: self.wanted()?, backend: self })
    }

    /// What a process of it is told of the configuration: nothing of the others, whose secrets may stand there. In another
    /// working directory, `folder`, its paths start from where they did.
    pub(crate) fn source(&self, config: &Config, folder: Option<&Path>) -> io::Result<Source> {
        let environment = |name: &str| std::env::var(name).ok();
        let lost = || io::Error::other(format!("the application {} is not where it was written", self.name));
        let narrowed = config.source.narrowed(self.only, &environment).ok_or_else(lost)?;
        if folder.is_none() {
            return Ok(narrowed);
        }
        let path = std::path::absolute(narrowed.config.path())?;
        let text = Arc::new(SourceText::new(path, narrowed.config.text()));
        Ok(Source { config: text, env_file: None })
    }
}
