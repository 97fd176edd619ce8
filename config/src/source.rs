//! The bytes that a configuration is read from.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document;
use crate::from_node::FromNode;
use crate::place::{Place, SourceText};
use crate::substitute::Lookup;

/// The text of a configuration and of its `env_file`, as read once: the supervisor hands to its workers the very text that
/// it has checked itself.
#[derive(Clone, Debug)]
pub struct Source {
    /// The configuration.
    pub config: Arc<SourceText>,
    /// The file that its `env_file` names.
    pub env_file: Option<Arc<SourceText>>,
}

impl Source {
    /// Reads the file and the `env_file` that it names.
    pub fn read(path: &Path, environment: Lookup<'_>) -> Result<Self, Diagnostics> {
        let config = Arc::new(read_text(path, &Place::default())?);
        let mut diagnostics = Diagnostics::new();
        let node = document::read_key(&config, "env_file", environment, &mut diagnostics);
        if diagnostics.has_errors() {
            return Err(diagnostics);
        }
        let env_file = match node.filter(|node| !node.is_null()) {
            // A value of the wrong sort is reported with all other mistakes, by `check`.
            Some(node) => PathBuf::from_node(&node, &mut diagnostics)
                .map(|path| read_text(&path, &node.place).map(Arc::new))
                .transpose()?,
            None => None,
        };
        Ok(Self { config, env_file })
    }

    /// Puts together texts that were read before, for instance by the supervisor of a worker.
    pub fn from_texts(config: (PathBuf, String), env_file: Option<(PathBuf, String)>) -> Self {
        let text = |(path, text): (PathBuf, String)| Arc::new(SourceText::new(path, text));
        Self { config: text(config), env_file: env_file.map(text) }
    }

    /// A configuration without an `env_file`, for instance a test's.
    pub fn from_text(path: impl AsRef<Path>, text: impl Into<String>) -> Self {
        Self::from_texts((path.as_ref().to_owned(), text.into()), None)
    }
}

/// Reads a file that is named at a place, or on the command line when that is unknown.
fn read_text(path: &Path, named: &Place) -> Result<SourceText, Diagnostics> {
    let cannot =
        |why: String| Diagnostic::error(format!("cannot read `{}`: {why}", path.display())).at(named);
    let fail = |why: String| Diagnostics::from(cannot(why));
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        // Whoever has just installed the program has none yet.
        ErrorKind::NotFound if named.is_unknown() => {
            let hint =
                "write one (`vestibule --help` shows a small one), or name the file behind the command";
            Diagnostics::from(cannot("there is no such file".into()).help(hint))
        }
        _ => fail(error.to_string()),
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SourceText::new(path, text)),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.split(|byte| *byte == b'\n').count();
            Err(fail(format!("line {line} is not UTF-8")))
        }
    }
}
