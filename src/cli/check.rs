//! `vestibule check`: everything that `run` would do before it binds.

use std::path::Path;

use vestibule_config::{Config, Route, Target};

use super::{load, mistaken, show, tell};
use crate::gateway::Gateway;
use crate::supervisor::hosts;
use crate::worker::APPLICATIONS_END;
use crate::{backend, logs, runtime};

/// Reads the file, and builds all of it.
pub(super) fn run(file: &Path) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if !config.warnings.is_empty() {
        tell(&config.warnings.render(logs::colored()));
    }
    let summary = summary(&config);
    if let Err(error) = hosts::try_all(&config) {
        return super::refused(&error);
    }
    let built = runtime::of_one_core().map(|runtime| runtime.block_on(async { Gateway::build(config, 1) }));
    match built {
        Ok(Ok(gateway)) => {
            drop(gateway);
            // Whatever an import has started: the file is fine all the same if it does not end.
            backend::shutdown(APPLICATIONS_END);
            show(&format!("{} is fine: {summary}\n", file.display()))
        }
        Ok(Err(mistakes)) => mistaken(&mistakes),
        Err(error) => {
            tell(&format!("failed to start: {error}"));
            super::COULD_NOT_START
        }
    }
}

/// `3 applications, 12 routes`; without `apps`, what answers stands in the routes.
fn summary(config: &Config) -> String {
    let routes = plural(count(&config.routes), "route");
    match config.apps.len() {
        0 => routes,
        apps => format!("{}, {routes}", plural(apps, "application")),
    }
}

/// The routes of a tree that answer.
fn count(routes: &[Route]) -> usize {
    routes
        .iter()
        .map(|route| if let Target::Routes(children) = &route.target { count(children) } else { 1 })
        .sum()
}

fn plural(count: usize, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}
