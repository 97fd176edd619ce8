//! The pattern of a `path:` in matchit's syntax, matched against the bytes of a decoded path.

use std::sync::Arc;

use vestibule_config::pattern::{self as config, Pattern};

use super::Captures;

/// `/feeds/{year}/{*rest}`, taken apart.
#[derive(Debug, Clone)]
pub(super) struct PathPattern {
    segments: Vec<Segment>,
    /// The name of `{*name}`, which takes all that is left after the last slash, even nothing.
    rest: Option<Arc<str>>,
}

#[derive(Debug, Clone)]
enum Segment {
    Literal(Box<[u8]>),
    Capture { before: Box<[u8]>, name: Arc<str>, after: Box<[u8]> },
}

impl PathPattern {
    /// Makes a pattern ready that the configuration has taken apart.
    pub(super) fn new(pattern: Pattern) -> Self {
        let mut segments = pattern.0;
        let rest = segments.pop_if(|last| matches!(last, config::Segment::Rest { .. }));
        let rest = rest.and_then(|last| match last {
            config::Segment::Rest { name } => Some(name.into()),
            _ => None,
        });
        Self { segments: segments.into_iter().map(Segment::new).collect(), rest }
    }

    /// Whether a path matches; its captures are added.
    pub(super) fn matches(&self, path: &[u8], captures: &mut Captures) -> bool {
        let Some(path) = path.strip_prefix(b"/") else { return false };
        let count = self.segments.len() + usize::from(self.rest.is_some());
        let mut given = path.splitn(count, |&byte| byte == b'/');
        for segment in &self.segments {
            // No segment has a slash: the last one, which took all that was left, does not match if there is more.
            if !given.next().is_some_and(|text| !text.contains(&b'/') && segment.matches(text, captures)) {
                return false;
            }
        }
        match &self.rest {
            None => true,
            Some(name) => given.next().is_some_and(|rest| {
                captures.push((Arc::clone(name), rest.into()));
                true
            }),
        }
    }

    /// The whole segments before the first capture: `/feeds`, or nothing.
    pub(super) fn literal_prefix(&self) -> String {
        let literal = |segment: &Segment| match segment {
            Segment::Literal(text) => Some(format!("/{}", String::from_utf8_lossy(text))),
            Segment::Capture { .. } => None,
        };
        self.segments.iter().map_while(literal).collect::<String>().trim_end_matches('/').to_owned()
    }
}

impl Segment {
    fn new(segment: config::Segment) -> Self {
        let bytes = |text: String| text.into_bytes().into();
        match segment {
            config::Segment::Literal(text) => Self::Literal(bytes(text)),
            config::Segment::Capture { before, name, after } => {
                Self::Capture { before: bytes(before), name: name.into(), after: bytes(after) }
            }
            config::Segment::Rest { .. } => unreachable!("a rest is the last segment"),
        }
    }

    fn matches(&self, text: &[u8], captures: &mut Captures) -> bool {
        match self {
            Self::Literal(literal) => **literal == *text,
            Self::Capture { before, name, after } => {
                let inner = text.strip_prefix(&**before).and_then(|rest| rest.strip_suffix(&**after));
                let Some(inner) = inner.filter(|inner| !inner.is_empty()) else { return false };
                captures.push((Arc::clone(name), inner.into()));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(pattern: &str, path: &str) -> Option<String> {
        let mut captures = Captures::new();
        let matches =
            PathPattern::new(Pattern::parse(pattern).unwrap()).matches(path.as_bytes(), &mut captures);
        let text = |(name, value): &(Arc<str>, Box<[u8]>)| format!("{name}={}", value.escape_ascii());
        matches.then(|| captures.iter().map(text).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn patterns_match_whole_paths() {
        for (pattern, path, expected) in [
            ("/", "/", Some("")),
            ("/", "/a", None),
            ("/a/b", "/a/b", Some("")),
            ("/a/b", "/a/b/", None),
            ("/a/b/", "/a/b/", Some("")),
            ("/a/b", "/a", None),
            ("/a/b", "/a/b/c", None),
            ("/{id}", "/7", Some("id=7")),
            ("/{id}", "/", None),
            ("/{id}", "/7/", None),
            ("/{id}/edit", "/7/edit", Some("id=7")),
            ("/feed-{name}.xml", "/feed-news.xml", Some("name=news")),
            ("/feed-{name}.xml", "/feed-.xml", None),
            ("/feeds/{*feed}", "/feeds/a/b", Some("feed=a/b")),
            ("/feeds/{*feed}", "/feeds/", Some("feed=")),
            ("/feeds/{*feed}", "/feeds", None),
            ("/{*all}", "/", Some("all=")),
            ("/{year}/{*rest}", "/2026/a/b/", Some("year=2026 rest=a/b/")),
            ("/{{a}}", "/{a}", Some("")),
        ] {
            assert_eq!(captured(pattern, path).as_deref(), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn the_literal_prefix_ends_at_a_segment() {
        for (pattern, prefix) in [
            ("/feeds/{*feed}", "/feeds"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b"),
            ("/a/feed-{name}", "/a"),
            ("/{a}/b", ""),
            ("/", ""),
        ] {
            assert_eq!(
                PathPattern::new(Pattern::parse(pattern).unwrap()).literal_prefix(),
                prefix,
                "{pattern}"
            );
        }
    }
}
