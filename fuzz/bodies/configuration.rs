//! The configuration: any text gives one, or diagnostics that can be shown.

use vestibule::gateway::kinds;
use vestibule_config::{Source, load_source};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let environment = |name: &str| (name == "PORT").then(|| "8123".to_owned());
    match load_source(&Source::from_text("site/vestibule.yaml", text), &kinds(), &environment) {
        Ok(config) => drop(config.warnings.render(true)),
        Err(diagnostics) => assert!(!diagnostics.render(false).is_empty()),
    }
}
