//! The path of a request: decoded once, dot segments resolved, split at the mount point.
//!
//! Rules, in this order:
//!
//! * The path is split at `/`; `%2F` separates nothing and stays as it was sent.
//! * Each segment is percent-decoded once, to bytes. An incomplete escape or a NUL byte is refused.
//! * Segments `.` and `..`, encoded or not, are resolved (RFC 3986 section 5.2.4) in the decoded path and in
//!   the raw one, so that what is matched is what is forwarded.
//! * A segment that would hold `.` or `..` if its `%2F` were decoded is refused: a server behind may do that.
//! * Empty segments (`//`), `;` and trailing dots are kept. But no mount and no pattern tells `//` from `/`: many
//!   applications do not, and a guard in front of `/admin` must not be passed by `//admin`. A `SCRIPT_NAME` has no `//`.
//! * Nor does any of them see `;jsessionid=…` behind the last segment: servlet containers cut it out, and put it there for clients
//!   without cookies. It stays in the path; but where that segment is a mount's, it is no part of the SCRIPT_NAME, which stands in
//!   links, and unquoted in the paths of cookies.

use std::borrow::Cow;

use crate::encode::push_decoded;

/// Begins what a servlet container puts into links for clients without cookies.
const SESSION: &[u8] = b";jsessionid=";

/// A request path that cannot be served; all of them deserve 400 (Bad Request).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path does not begin with `/`.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// A `%` without two hexadecimal digits behind it.
    #[error("the path has a percent sign without two hexadecimal digits")]
    BadEscape,
    /// `%00`.
    #[error("the path has a NUL byte")]
    Nul,
    /// `..%2F` and the like.
    #[error("the path hides a dot segment behind an encoded slash")]
    HiddenDots,
}

/// A request path, raw (as sent, dot segments resolved) and decoded, and how much of it is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestPath {
    raw: Box<[u8]>,
    /// `None` where it is the same as `raw`, as it nearly always is.
    decoded: Option<Box<[u8]>>,
    raw_mounted: usize,
    mounted: usize,
}

impl RequestPath {
    /// Reads the path of a request target, such as `/a/b%20c`.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        let sent = path.as_bytes();
        if sent.first() != Some(&b'/') {
            return Err(PathError::NotAbsolute);
        }
        if is_plain(sent) {
            return Ok(Self { raw: sent.into(), ..Self::default() });
        }
        let mut raw = Vec::with_capacity(sent.len());
        let mut decoded = Vec::with_capacity(sent.len());
        let mut segments = sent[1..].split(|&byte| byte == b'/').peekable();
        while let Some(segment) = segments.next() {
            let text = decode(segment)?;
            let is_last = segments.peek().is_none();
            match text.as_slice() {
                dots @ (b"." | b"..") => {
                    if dots == b".." {
                        pop_segment(&mut raw);
                        pop_segment(&mut decoded);
                    }
                    if is_last {
                        raw.push(b'/');
                        decoded.push(b'/');
                    }
                }
                text => {
                    raw.push(b'/');
                    raw.extend_from_slice(segment);
                    decoded.push(b'/');
                    decoded.extend_from_slice(text);
                }
            }
        }
        let decoded = (decoded != raw).then(|| decoded.into());
        Ok(Self { raw: raw.into(), decoded, raw_mounted: 0, mounted: 0 })
    }

    /// A path that was decoded by somebody else, of which nothing is mounted: a PATH_INFO. It may be empty.
    pub fn from_decoded(path: &[u8]) -> Self {
        let mut raw = Vec::with_capacity(path.len());
        push_decoded(&mut raw, path);
        let decoded = (raw != path).then(|| path.into());
        Self { raw: raw.into(), decoded, ..Self::default() }
    }

    /// The whole decoded path.
    pub fn decoded(&self) -> &[u8] {
        self.decoded.as_deref().unwrap_or(&self.raw)
    }

    /// What the mounts above took: a `SCRIPT_NAME` without the front server's own prefix, and without `//`.
    pub fn script_name(&self) -> Cow<'_, [u8]> {
        merge_slashes(&self.decoded()[..self.mounted])
    }

    /// What is left for the application, decoded.
    pub fn path_info(&self) -> &[u8] {
        let rest = &self.decoded()[self.mounted..];
        if self.mounted > 0 && rest.starts_with(SESSION) { b"" } else { rest }
    }

    /// What routes match: the path info with each run of slashes as one, and without a session.
    pub fn matched(&self) -> Cow<'_, [u8]> {
        merge_slashes(without_session(self.path_info()))
    }

    /// What the mounts above took, as it was sent but for its dot segments and `//`.
    pub fn raw_script_name(&self) -> Cow<'_, [u8]> {
        merge_slashes(&self.raw[..self.raw_mounted])
    }

    /// What is left for the application, as it was sent but for its dot segments.
    pub fn raw_path_info(&self) -> &[u8] {
        if self.path_info().is_empty() { b"" } else { &self.raw[self.raw_mounted..] }
    }

    /// Both together, with a session that stands between them.
    pub fn raw(&self) -> Cow<'_, [u8]> {
        match self.raw.split_at(self.raw_mounted) {
            (b"", rest) => Cow::Borrowed(rest),
            (mounted, rest) => Cow::Owned([&*merge_slashes(mounted), rest].concat()),
        }
    }

    /// Whether `prefix` (decoded, `/a/b`) covers the path info at a segment boundary. The prefix `/` covers everything.
    pub fn is_under(&self, prefix: &str) -> bool {
        length_of_prefix(self.path_info(), prefix).is_some()
    }

    /// Moves `prefix` from the path info to the script name; false, and nothing moved, where it does not cover the path.
    pub fn mount(&mut self, prefix: &str) -> bool {
        let Some(length) = length_of_prefix(self.path_info(), prefix) else { return false };
        self.raw_mounted += match self.decoded {
            None => length,
            Some(_) => length_as_sent(self.raw_path_info(), length),
        };
        self.mounted += length;
        true
    }

    /// Replaces the path info by `path` (percent-encoded, beginning with `/`); the mount stays.
    pub fn set_path_info(&mut self, path: &str) -> Result<(), PathError> {
        let new = Self::parse(path)?;
        let decoded = [&self.decoded()[..self.mounted], new.decoded()].concat();
        let raw = [&self.raw[..self.raw_mounted], &new.raw].concat();
        self.decoded = (decoded != raw).then(|| decoded.into());
        self.raw = raw.into();
        Ok(())
    }
}

/// Whether nothing has to be decoded or resolved. A segment that merely begins with a dot goes the long way, too.
fn is_plain(path: &[u8]) -> bool {
    !path.contains(&b'%') && !path.windows(2).any(|pair| pair == b"/.")
}

/// How much of a path a prefix of whole segments takes, where a run of slashes counts as one.
fn length_of_prefix(path: &[u8], prefix: &str) -> Option<usize> {
    let mut rest = path;
    for segment in prefix.split('/').filter(|segment| !segment.is_empty()) {
        rest = rest.strip_prefix(b"/")?;
        let slashes = rest.iter().take_while(|&&byte| byte == b'/').count();
        rest = rest[slashes..].strip_prefix(segment.as_bytes())?;
        let is_session = rest.starts_with(SESSION) && !rest.contains(&b'/');
        if !is_session && !matches!(rest.first(), None | Some(b'/')) {
            return None;
        }
    }
    Some(path.len() - rest.len())
}

/// A path without the session that a servlet container has put behind its last segment.
fn without_session(path: &[u8]) -> &[u8] {
    let last = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let session = last.windows(SESSION.len()).position(|text| text == SESSION);
    session.map_or(path, |at| &path[..path.len() - last.len() + at])
}

fn merge_slashes(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.windows(2).any(|pair| pair == b"//") {
        return Cow::Borrowed(path);
    }
    let mut merged = path.to_vec();
    merged.dedup_by(|next, before| *next == b'/' && *before == b'/');
    Cow::Owned(merged)
}

/// How much of a path as it was sent is so much of it decoded.
fn length_as_sent(sent: &[u8], decoded: usize) -> usize {
    (0..decoded).fold(0, |length, _| {
        let is_slash = matches!(&sent[length..], [b'%', b'2', b'F' | b'f', ..]);
        length + if sent[length] == b'%' && !is_slash { 3 } else { 1 }
    })
}

fn pop_segment(path: &mut Vec<u8>) {
    let end = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    path.truncate(end);
}

fn decode(segment: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut text = Vec::with_capacity(segment.len());
    // The text between encoded slashes, to find hidden dot segments.
    let mut piece = 0;
    let mut has_slash = false;
    let mut rest = segment.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            text.push(byte);
            continue;
        }
        let (Some(&high), Some(&low)) = (rest.next(), rest.next()) else { return Err(PathError::BadEscape) };
        match hex(high).zip(hex(low)).map(|(high, low)| high << 4 | low).ok_or(PathError::BadEscape)? {
            0 => return Err(PathError::Nul),
            b'/' => {
                refuse_dots(&text[piece..])?;
                has_slash = true;
                text.extend_from_slice(&[byte, high, low]);
                piece = text.len();
            }
            other => text.push(other),
        }
    }
    if has_slash {
        refuse_dots(&text[piece..])?;
    }
    Ok(text)
}

fn refuse_dots(piece: &[u8]) -> Result<(), PathError> {
    if matches!(piece, b"." | b"..") { Err(PathError::HiddenDots) } else { Ok(()) }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(path: &str) -> (String, String) {
        let path = RequestPath::parse(path).unwrap();
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        (text(path.decoded()), text(path.raw_path_info()))
    }

    #[test]
    fn segments_are_decoded_once() {
        assert_eq!(resolved("/a%20b/%2541"), ("/a b/%41".into(), "/a%20b/%2541".into()));
        assert_eq!(resolved("/%FF"), (r"/\xff".into(), "/%FF".into()));
    }

    #[test]
    fn an_encoded_slash_stays_and_separates_nothing() {
        assert_eq!(resolved("/a%2Fb/%2f"), ("/a%2Fb/%2f".into(), "/a%2Fb/%2f".into()));
    }

    #[test]
    fn dot_segments_are_resolved_in_both_forms() {
        for (sent, path) in [
            ("/a/../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/./b/.", "/a/b/"),
            ("/a/b/..", "/a/"),
            ("/../../a", "/a"),
            ("/..", "/"),
            ("/.hidden/a..", "/.hidden/a.."),
        ] {
            assert_eq!(resolved(sent), (path.into(), path.into()), "{sent}");
        }
    }

    #[test]
    fn odd_but_legal_paths_are_kept() {
        for path in ["/", "//", "/a//b/", "/a;v=1/b.", "/a.../b"] {
            assert_eq!(resolved(path), (path.into(), path.into()));
        }
    }

    #[test]
    fn bad_paths_are_refused() {
        for (path, error) in [
            ("a", PathError::NotAbsolute),
            ("", PathError::NotAbsolute),
            ("/%", PathError::BadEscape),
            ("/%4", PathError::BadEscape),
            ("/%zz", PathError::BadEscape),
            ("/%00", PathError::Nul),
            ("/..%2Fetc", PathError::HiddenDots),
            ("/a%2f..", PathError::HiddenDots),
            ("/%2e%2E%2fa", PathError::HiddenDots),
            ("/a%2F%2e%2Fb", PathError::HiddenDots),
        ] {
            assert_eq!(RequestPath::parse(path), Err(error), "{path}");
        }
    }

    #[test]
    fn a_mount_takes_whole_segments() {
        for (path, script_name, path_info) in
            [("/app", "/app", ""), ("/app/", "/app", "/"), ("/app/x", "/app", "/x")]
        {
            let mut mounted = RequestPath::parse(path).unwrap();
            assert!(mounted.mount("/app"));
            assert_eq!(
                (&*mounted.script_name(), mounted.path_info()),
                (script_name.as_bytes(), path_info.as_bytes())
            );
        }
        assert!(!RequestPath::parse("/apple").unwrap().mount("/app"));
    }

    #[test]
    fn mounts_add_up_and_the_raw_path_follows() {
        let mut path = RequestPath::parse("/caf%C3%A9/a%2Fb/c%20d").unwrap();
        assert!(path.mount("/café"));
        assert!(path.mount("/a%2Fb"));
        assert_eq!(*path.script_name(), *"/café/a%2Fb".as_bytes());
        assert_eq!((path.path_info(), path.raw_path_info()), (b"/c d".as_slice(), b"/c%20d".as_slice()));
        assert!(path.mount("/"));
        assert_eq!(path.path_info(), b"/c d");
    }

    #[test]
    fn a_run_of_slashes_hides_from_no_mount() {
        let mut path = RequestPath::parse("//a///b%20c//d//").unwrap();
        assert!(path.mount("/a/b c"));
        assert_eq!((&*path.script_name(), path.path_info()), (b"/a/b c".as_slice(), b"//d//".as_slice()));
        assert_eq!(
            (&*path.raw_script_name(), path.raw_path_info()),
            (b"/a/b%20c".as_slice(), b"//d//".as_slice())
        );
        assert_eq!(*path.matched(), *b"/d/");
        assert!(!path.is_under("/d/e"));
    }

    #[test]
    fn a_new_path_info_keeps_the_mount() {
        let mut path = RequestPath::parse("/app/old%20one").unwrap();
        path.mount("/app");
        path.set_path_info("/new%20one").unwrap();
        assert_eq!((&*path.script_name(), path.path_info()), (b"/app".as_slice(), b"/new one".as_slice()));
        assert_eq!(path.raw_path_info(), b"/new%20one");
    }

    /// Whatever is sent, a resolved path has no dot segment and resolves to itself.
    #[test]
    fn resolving_is_idempotent() {
        let pieces = ["/", ".", "..", "%2e", "%2F", "a", "%C3%A9", "%25"];
        for number in 0..pieces.len().pow(5) {
            let (mut rest, mut sent) = (number, String::from("/"));
            for _ in 0..5 {
                sent.push_str(pieces[rest % pieces.len()]);
                rest /= pieces.len();
            }
            let Ok(path) = RequestPath::parse(&sent) else { continue };
            assert!(path.decoded().starts_with(b"/"), "{sent}");
            assert!(
                !path.decoded().split(|&byte| byte == b'/').any(|segment| matches!(segment, b"." | b"..")),
                "{sent}"
            );
            let raw = std::str::from_utf8(path.raw_path_info()).unwrap();
            assert_eq!(RequestPath::parse(raw).unwrap(), path, "{sent}");
        }
    }

    #[test]
    fn no_mount_and_no_pattern_sees_a_session() {
        let parse = |path| RequestPath::parse(path).unwrap();
        for (path, matched) in [
            ("/a/b;jsessionid=1", "/a/b"),
            ("/;jsessionid=1", "/"),
            ("/a;x=1;jsessionid=1;y", "/a;x=1"),
            ("/a;jsessionid=1/b", "/a;jsessionid=1/b"),
            ("/a;jsession=1", "/a;jsession=1"),
        ] {
            assert_eq!(*parse(path).matched(), *matched.as_bytes(), "{path}");
            assert_eq!(parse(path).path_info(), path.as_bytes());
        }
        assert!(!parse("/a;jsessionid=1/b").is_under("/a"));
    }

    #[test]
    fn a_session_is_no_part_of_a_script_name() {
        for (sent, raw) in [
            ("//a%20b;jsessionid=1", "/a%20b;jsessionid=1"),
            ("/a%20b%3Bjsessionid=1;Domain=b", "/a%20b%3Bjsessionid=1;Domain=b"),
            ("/a%20b;jsessionid=%2F%22", "/a%20b;jsessionid=%2F%22"),
        ] {
            let mut path = RequestPath::parse(sent).unwrap();
            assert!(path.is_under("/a b") && !path.is_under("/a b/c") && path.mount("/a b"));
            for _ in 0..2 {
                assert_eq!((&*path.script_name(), path.path_info()), (&b"/a b"[..], &b""[..]), "{sent}");
                assert_eq!((&*path.raw_script_name(), path.raw_path_info()), (&b"/a%20b"[..], &b""[..]));
                assert_eq!(*path.raw(), *raw.as_bytes());
                assert!(path.matched().is_empty() && !path.is_under("/a") && path.mount("/"));
            }
            path.set_path_info("/c").unwrap();
            assert_eq!((path.path_info(), &*path.raw()), (&b"/c"[..], &b"/a%20b/c"[..]));
        }
    }
}
