//! `vestibule check`: everything that `run` would do before it binds.

use std::path::Path;

use vestibule_config::{Config, Route, Target};

use super::{load, show, tell};
use crate::logs;
use crate::supervisor::hosts;

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
    match hosts::try_all(&config) {
        Ok(()) => show(&format!("{} is fine: {summary}\n", file.display())),
        Err(error) => super::refused(&error),
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
