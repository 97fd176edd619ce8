//! Entity tags of results: the tag of what was transformed, with a mark of what it was transformed by.
//!
//! `"abc"` becomes `"abc-xslt-<mark>"` on its way out, and that becomes `"abc"` again on its way in: so conditional
//! requests keep working, and a tag of yesterday's stylesheet, or of other parameters, matches nothing.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use http::{HeaderMap, HeaderValue, header};

use crate::sheet::Stylesheet;

/// What stands between the original tag and the mark.
const INFIX: &str = "-xslt-";

/// The mark of one sheet with one set of parameters.
pub(super) struct Mark(String);

impl Mark {
    pub(super) fn new(fingerprint: u64, params: &[(String, String)]) -> Self {
        let mut hash = DefaultHasher::new();
        (fingerprint, params).hash(&mut hash);
        Self(format!("{INFIX}{:016x}", hash.finish()))
    }

    /// The tag of the result.
    pub(super) fn put(&self, tag: &HeaderValue) -> Option<HeaderValue> {
        let opaque = tag.to_str().ok()?.trim().strip_suffix('"')?;
        HeaderValue::from_str(&format!("{opaque}{}\"", self.0)).ok()
    }

    /// A list of tags (If-None-Match, If-Match) as the service knows them; `None` when nothing is left of it. Tags
    /// without a mark stay (of bodies that the layer leaves alone); those with another mark match nothing.
    pub(super) fn take(&self, list: &HeaderValue) -> Option<HeaderValue> {
        let tags: Vec<_> = split(list.to_str().ok()?)
            .filter_map(|tag| match (self.original(tag), tag.contains(INFIX)) {
                (Some(original), _) => Some(original),
                (None, marked) => (!marked).then(|| tag.to_owned()),
            })
            .collect();
        (!tags.is_empty()).then(|| HeaderValue::from_str(&tags.join(", ")).ok())?
    }

    /// True when the list holds the tag of the result that was made from what has this tag.
    pub(super) fn is_listed(&self, list: &HeaderValue, tag: &HeaderValue) -> bool {
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        let (Ok(list), Ok(tag)) = (list.to_str(), tag.to_str()) else { return false };
        split(list)
            .filter_map(|listed| self.original(listed))
            .any(|listed| opaque(&listed) == opaque(tag.trim()))
    }

    /// True when the list holds this tag of a result.
    pub(super) fn lists(list: &HeaderValue, tag: &HeaderValue) -> bool {
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let (Ok(list), Ok(tag)) = (list.to_str(), tag.to_str()) else { return false };
        list.trim() == "*" || split(list).any(|listed| opaque(listed) == opaque(tag))
    }

    /// Makes the validators those of the result.
    pub(super) fn validate(&self, stylesheet: &Stylesheet, headers: &mut HeaderMap) {
        headers.remove(header::LAST_MODIFIED);
        headers.remove(header::ACCEPT_RANGES);
        let tag = headers.remove(header::ETAG).filter(|_| !stylesheet.reads_documents());
        if let Some(tag) = tag.and_then(|tag| self.put(&tag)) {
            headers.insert(header::ETAG, tag);
        }
    }

    /// The tag without this mark.
    fn original(&self, tag: &str) -> Option<String> {
        Some(format!("{}\"", tag.strip_suffix('"')?.strip_suffix(&self.0)?))
    }
}

/// The tags of a list; commas inside of quotes belong to the tag.
fn split(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    list.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .map(str::trim)
    .filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    #[test]
    fn a_tag_comes_back_as_it_went() {
        let mark = Mark::new(7, &[]);
        for tag in ["\"abc\"", "W/\"abc\"", "\"a,b\"", "\"\""] {
            let marked = mark.put(&value(tag)).unwrap();
            assert_ne!(marked, tag);
            assert_eq!(mark.take(&marked).unwrap(), tag);
        }
    }

    #[test]
    fn only_tags_of_this_sheet_and_these_parameters_come_back() {
        let params = [("a".to_owned(), "b".to_owned())];
        let (mark, other_sheet, other_params) = (Mark::new(7, &[]), Mark::new(8, &[]), Mark::new(7, &params));
        for other in [other_sheet, other_params] {
            let list = format!("\"plain\", {}", other.put(&value("\"abc\"")).unwrap().to_str().unwrap());
            assert_eq!(mark.take(&value(&list)).unwrap(), "\"plain\"");
        }
        assert_eq!(mark.take(&Mark::new(8, &[]).put(&value("\"abc\"")).unwrap()), None);
    }

    #[test]
    fn a_star_stays() {
        assert_eq!(Mark::new(7, &[]).take(&value("*")).unwrap(), "*");
    }

    #[test]
    fn what_is_no_tag_gets_no_mark() {
        assert_eq!(Mark::new(7, &[]).put(&value("abc")), None);
    }
}
