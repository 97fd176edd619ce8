//! What sheets are made of and read: files, and documents that were fetched before.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::reference::resolve;

/// Documents that were fetched before a sheet is compiled or run, by the URI that stands in the sheet. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Fetched(Arc<BTreeMap<String, Bytes>>);

impl Fetched {
    /// The document of a URI.
    pub fn get(&self, uri: impl AsRef<[u8]>) -> Option<&Bytes> {
        self.0.get(std::str::from_utf8(uri.as_ref()).ok()?)
    }
}

impl FromIterator<(String, Bytes)> for Fetched {
    fn from_iter<T: IntoIterator<Item = (String, Bytes)>>(documents: T) -> Self {
        Self(Arc::new(documents.into_iter().collect()))
    }
}

/// A file that a sheet was compiled from, or looked for.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Where it is
    pub path: PathBuf,
    /// What it was like just before it was read; `None` where it was not there, or nothing could be told
    pub metadata: Option<Metadata>,
}

impl SourceFile {
    pub(crate) fn now(path: PathBuf) -> Self {
        Self { metadata: path.metadata().ok(), path }
    }
}

/// The URIs that a sheet's source calls `document()` with as they stand, and that are no files. `base` is the sheet's own.
///
/// It is looked for in the text, not in the expressions: one in a comment is fetched for nothing, and what is put together
/// by an expression is not found, which is what the policy says of it.
pub(crate) fn literals(source: &str, base: &str) -> Vec<String> {
    let mut rest = source;
    let mut found = Vec::new();
    while let Some((_, after)) = rest.split_once("document") {
        rest = after;
        let argument = after.trim_start().strip_prefix('(').map(str::trim_start);
        let quoted = ["'", "\"", "&quot;", "&apos;"]
            .into_iter()
            .find_map(|quote| Some(argument?.strip_prefix(quote)?.split_once(quote)?.0));
        let Some(literal) = quoted else { continue };
        let uri = resolve(base, &literal.replace("&amp;", "&"));
        if !literal.is_empty() && !is_file(&uri) && !found.contains(&uri) {
            found.push(uri);
        }
    }
    found
}

fn is_file(uri: &str) -> bool {
    uri.starts_with('/') || uri.starts_with("file:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_uris_that_are_no_files_are_found() {
        let source = r#"<a b="document('route:/x?a=1&amp;b=2')/y | document ( &quot;route:/z&quot; )"
            c='document("route:/z", /)' d="document('local.xml') | document(concat('route:/', $n)) | document('')"/>"#;
        assert_eq!(literals(source, "/srv/a.xsl"), ["route:/x?a=1&b=2", "route:/z"]);
    }

    #[test]
    fn what_stands_in_a_fetched_sheet_starts_from_where_that_is() {
        let source =
            "<a b=\"document('../b.xml')\" c=\"document('/c.xml') | document('file:///etc/passwd')\"/>";
        assert_eq!(literals(source, "route:/x/y/z.xsl"), ["route:/x/b.xml", "route:/c.xml"]);
    }
}
