//! From a path, or from texts already read, to a checked configuration.

use std::path::Path;

use crate::check;
use crate::config::Config;
use crate::diagnostic::Diagnostics;
use crate::document;
use crate::env_file;
use crate::kind::Kinds;
use crate::source::Source;
use crate::substitute::Lookup;

/// Reads and checks a file. All mistakes are told at once.
pub fn load(path: &Path, kinds: &Kinds, environment: Lookup<'_>) -> Result<Config, Diagnostics> {
    load_source(&Source::read(path, environment)?, kinds, environment)
}

/// Checks texts that were already read. A variable of the process environment prevails over the `env_file`'s.
pub fn load_source(source: &Source, kinds: &Kinds, environment: Lookup<'_>) -> Result<Config, Diagnostics> {
    let mut diagnostics = Diagnostics::new();
    let variables =
        source.env_file.as_ref().map(|file| env_file::parse(file, &mut diagnostics)).unwrap_or_default();
    let lookup = |name: &str| environment(name).or_else(|| variables.get(name).cloned());
    let Some(root) = document::read(&source.config, &lookup, &mut diagnostics) else {
        return Err(diagnostics);
    };
    let config = check::check(source, &root, kinds, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    Ok(Config { warnings: diagnostics, ..config })
}
