//! The bytes that a configuration is read from.

use std::path::Path;
use std::sync::Arc;

use crate::place::SourceText;

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
    /// A configuration without an `env_file`, for instance a test's.
    pub fn from_text(path: impl AsRef<Path>, text: impl Into<String>) -> Self {
        Self { config: Arc::new(SourceText::new(path.as_ref(), text)), env_file: None }
    }
}
