//! What stands in for a result that cannot be made.
//!
//! ```yaml
//! layers:
//!   - xslt: { stylesheet: theme.xsl, on_error: pass }
//!   - xslt: { stylesheet: theme.xsl, on_error: { fallback: plain.xsl } }
//! ```

use std::path::PathBuf;
use std::slice;

use tower_xslt::{Otherwise, Policy, SourceFile};
use vestibule_config::{Diagnostic, Reader, Spanned};

use super::source::compile;

/// The setting.
#[derive(Default)]
pub(super) enum OnError {
    #[default]
    Fail,
    Pass,
    Fallback(Spanned<PathBuf>),
}

impl OnError {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        if reader.is_mapping() {
            return Self::Fallback(reader.required("fallback"));
        }
        let word: Spanned<String> = reader.whole();
        match word.value.as_str() {
            "fail" => Self::Fail,
            "pass" => Self::Pass,
            other => {
                let mistake = format!("`on_error` cannot be `{other}`");
                reader
                    .mistake(&word.place, mistake)
                    .help("allowed here: fail, pass, or `{ fallback: sheet.xsl }`");
                Self::Fail
            }
        }
    }

    /// What the layer is told, with the sheet that it may need; `tried` gets its files.
    pub(super) fn build(
        &self,
        policy: &Policy,
        tried: &mut Vec<SourceFile>,
    ) -> Result<Otherwise, Diagnostic> {
        Ok(match self {
            Self::Fail => Otherwise::Fail,
            Self::Pass => Otherwise::Pass,
            Self::Fallback(sheet) => Otherwise::Fallback(compile(slice::from_ref(sheet), policy, tried)?),
        })
    }
}
