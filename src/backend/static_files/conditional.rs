//! Validators of a file, and the conditions that requests make of them (RFC 9110 sections 8.8 and 13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::negotiate::Coding;
use crate::backend::beneath::State;

/// Within this time a file may change again without its time of modification telling: file systems count in steps.
pub(super) const STEP: Duration = Duration::from_secs(2);

/// What tells one state of a representation from another. A file without a believable time has neither.
pub(super) struct Validators {
    /// The entity tag in its quotes, and whether it is weak.
    tag: Option<(String, bool)>,
    modified: Option<SystemTime>,
    now: SystemTime,
}

/// What the conditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    /// 304
    NotModified,
    /// 412
    Failed,
}

impl Validators {
    /// The tag is made of time and size, and strong unless the file is so new that it may still change unnoticed.
    pub(super) fn of(file: &State, coding: Option<Coding>, now: SystemTime) -> Self {
        let since_1970 = file.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Archives and images that are built reproducibly set all times to 0 or 1.
        if since_1970.as_secs() <= 1 {
            return Self { tag: None, modified: None, now };
        }
        let (separator, coding) = coding.map_or(("", ""), |coding| ("-", coding.name()));
        let tag = format!("\"{:x}-{:x}{separator}{coding}\"", since_1970.as_nanos(), file.size);
        let is_weak = now.duration_since(file.modified).is_ok_and(|age| age < STEP) || file.modified > now;
        // A Last-Modified must not lie in the future (section 8.8.2.1).
        Self { tag: Some((tag, is_weak)), modified: Some(whole_seconds(file.modified.min(now))), now }
    }

    /// Writes ETag and Last-Modified.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        self.describe_tag(headers);
        if let Some(modified) = self.modified {
            insert(headers, LAST_MODIFIED, httpdate::fmt_http_date(modified));
        }
    }

    /// Writes ETag, which is all that a 304 repeats.
    pub(super) fn describe_tag(&self, headers: &mut HeaderMap) {
        if let Some((tag, is_weak)) = &self.tag {
            insert(headers, ETAG, if *is_weak { format!("W/{tag}") } else { tag.clone() });
        }
    }

    /// Judges the conditions of a GET or HEAD in the order of section 13.2.2.
    pub(super) fn judge(&self, headers: &HeaderMap) -> Verdict {
        // Most requests make none: one look at all names costs less than one for each condition.
        if !headers.keys().any(|name| name.as_str().starts_with("if-")) {
            return Verdict::Proceed;
        }
        if headers.contains_key(IF_MATCH) {
            if !self.is_listed(headers, &IF_MATCH, Self::matches_strongly) {
                return Verdict::Failed;
            }
        } else if let (Some(since), Some(modified)) = (date(headers, &IF_UNMODIFIED_SINCE), self.modified)
            && modified > since
        {
            return Verdict::Failed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            if self.is_listed(headers, &IF_NONE_MATCH, Self::matches_weakly) {
                return Verdict::NotModified;
            }
        } else if let (Some(since), Some(modified)) = (date(headers, &IF_MODIFIED_SINCE), self.modified)
            && modified <= since
        {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }

    /// Whether a Range is to be heeded: there is no If-Range, or it names this very state (section 13.1.5).
    pub(super) fn allow_range(&self, headers: &HeaderMap) -> bool {
        let Some(condition) = headers.get(IF_RANGE) else { return true };
        let condition = condition.to_str().unwrap_or("");
        if let Some(tag) = tags(condition).next() {
            return self.matches_strongly(tag);
        }
        let date = httpdate::parse_http_date(condition).ok();
        // A date is a strong validator only when a second has passed since (section 8.8.2.2).
        let is_strong = |modified: SystemTime| self.now.duration_since(modified).is_ok_and(|age| age >= STEP);
        date.is_some() && date == self.modified.filter(|modified| is_strong(*modified))
    }

    fn is_listed(&self, headers: &HeaderMap, name: &HeaderName, matches: fn(&Self, Tag<'_>) -> bool) -> bool {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|list| list.trim() == "*" || tags(list).any(|tag| matches(self, tag)))
    }

    fn matches_strongly(&self, other: Tag<'_>) -> bool {
        self.tag.as_ref().is_some_and(|(tag, is_weak)| !is_weak && !other.is_weak && tag == other.quoted)
    }

    fn matches_weakly(&self, other: Tag<'_>) -> bool {
        self.tag.as_ref().is_some_and(|(tag, _)| tag == other.quoted)
    }
}

/// An entity tag of a request.
struct Tag<'a> {
    quoted: &'a str,
    is_weak: bool,
}

/// The entity tags of a list, up to the first that is none. A tag may hold commas.
fn tags(list: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (is_weak, tag) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let end = tag.strip_prefix('"')?.find('"')? + 2;
        let (quoted, after) = tag.split_at(end);
        rest = after;
        Some(Tag { quoted, is_weak })
    })
}

/// The date in a header. One that is none, or comes twice, is ignored (section 13.1.3).
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

fn insert(headers: &mut HeaderMap, name: HeaderName, text: String) {
    let value =
        HeaderValue::try_from(text).expect("digits, letters, quotes and spaces are legal in a header");
    headers.insert(name, value);
}
