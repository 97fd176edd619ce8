//! How much a transform may take.

use std::time::Duration;

/// The limits of one transform. What libxml2 bounds by itself (256 nested elements, 10 MB in one text node, the
/// expansion of entities) stays bounded beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Size of the document, in bytes (default 16 MiB)
    pub input_bytes: usize,
    /// Size of the result, in bytes (default 64 MiB)
    pub output_bytes: usize,
    /// How deep templates may call each other (default 3,000, libxslt's own)
    pub template_depth: u32,
    /// How many variables and parameters may be in scope (default 15,000, libxslt's own)
    pub template_variables: u32,
    /// How many instructions may be run, and how many steps of XPath taken (default 100,000,000)
    pub operations: u64,
    /// Memory for the document's tree, the result's and everything between, in bytes (default 512 MiB). It is counted where
    /// this crate is the first in its process to use libxml2, which cannot be known where libxml2 is linked.
    pub memory: usize,
    /// Wall time, waiting for a thread included (default 10 s). [`Pool::transform`](crate::Pool::transform) keeps it;
    /// [`Stylesheet::transform`](crate::Stylesheet::transform), which blocks, has nobody who could.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            input_bytes: 16 << 20,
            output_bytes: 64 << 20,
            template_depth: 3_000,
            template_variables: 15_000,
            operations: 100_000_000,
            memory: 512 << 20,
            time: Duration::from_secs(10),
        }
    }
}
