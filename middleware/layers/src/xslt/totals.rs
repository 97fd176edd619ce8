//! What the sheets of a layer have done, for the log.

use std::sync::Arc;

use tower_xslt::{Stylesheet, XsltLayer};

use super::library::Library;

/// Logs a line for each sheet that a layer has used: those that it applies, or those that documents named of late.
pub(super) fn tell(layer: &XsltLayer, library: Option<&Arc<Library>>) {
    let named = library.map(|library| library.stylesheets()).unwrap_or_default();
    layer.stylesheet().iter().chain(&named).for_each(line);
}

fn line(stylesheet: &Stylesheet) {
    let counters = stylesheet.counters();
    if counters == tower_xslt::Counters::default() {
        return;
    }
    let run_ms = counters.run_time.as_secs_f64() * 1000.0;
    tracing::info!(
        stylesheet = stylesheet.name(),
        runs = counters.runs,
        run_ms,
        hits = counters.hits,
        misses = counters.misses,
        not_modified = counters.not_modified,
        "what a stylesheet has done"
    );
}
