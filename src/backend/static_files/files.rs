//! From a request to the answer of a file.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RANGE, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_environ::{RequestPath, View};
use rustix::io::Errno;
use vestibule_layers::{Body, Response};

use super::cache::{self, Kept, Key, Moment};
use super::conditional::{Validators, Verdict};
use super::failure::Failure;
use super::media_type::MediaTypes;
use super::negotiate::{self, Accepted, Coding};
use super::ranges::{self, Asked};
use super::representation::Representation;
use crate::backend::beneath::{Entry, OpenFile, Root, is_hidden};
use crate::backend::folder;

/// The run-time value of the settings.
pub(super) struct Files {
    pub(super) root: Root,
    pub(super) index: Vec<String>,
    pub(super) precompressed: Vec<Coding>,
    pub(super) cache_control: Option<HeaderValue>,
    pub(super) types: MediaTypes,
    pub(super) dotfiles: bool,
    /// How long an answer is given from memory.
    pub(super) trust: Duration,
}

/// A file's answer has no more headers than this: room is made for them once.
const MOST_HEADERS: usize = 12;

impl Files {
    /// The answer from memory, if it is there and trusted.
    pub(super) fn remembered(&self, view: &View<'_>, now: Instant) -> Option<Response> {
        let is_get = view.method() == Method::GET;
        if !is_get && view.method() != Method::HEAD {
            return None;
        }
        self.name(view.environ().path()).ok()?;
        let key = self.key(view, negotiate::accepted(view.headers(), &self.precompressed))?;
        let kept = cache::trusted(key, now, self.trust)?;
        Some(kept.answer(view.headers(), is_get))
    }

    /// The answer of the file.
    pub(super) async fn answer(&self, view: View<'_>, now: Moment) -> Result<Response, Failure> {
        let is_get = view.method() == Method::GET;
        if !is_get && view.method() != Method::HEAD {
            return Err(Failure::Method(view.method().clone()));
        }
        let path = view.environ().path();
        let name = self.name(path)?;
        let accepted = negotiate::accepted(view.headers(), &self.precompressed);
        let key = self.key(&view, accepted);
        let Some((name, file)) = self.find(path.path_info(), name).await? else {
            return Ok(folder::redirect(&view));
        };
        let chosen = self.choose(&name, file, accepted).await;
        if let Some(kept) = key.and_then(|key| cache::renewed(key, &chosen, now)) {
            return Ok(kept.answer(view.headers(), is_get));
        }
        self.send(view, &chosen, key, now).await
    }

    /// The key of an answer that may be kept. Parts of a file are read from it: they are rarely asked for where it is small.
    fn key<'a>(&self, view: &View<'a>, accepted: Accepted) -> Option<Key<'a>> {
        let may_keep = !self.trust.is_zero() && !view.headers().contains_key(RANGE);
        let path = view.environ().path().path_info();
        may_keep.then(|| Key { root: self.root.number(), accepted, path })
    }

    /// Answers with a file, and keeps the answer where that is worth it.
    async fn send(
        &self,
        view: View<'_>,
        chosen: &Representation,
        key: Option<Key<'_>>,
        now: Moment,
    ) -> Result<Response, Failure> {
        let is_get = view.method() == Method::GET;
        let validators = Validators::of(&chosen.file.state, chosen.coding, now.date);
        match validators.judge(view.headers()) {
            Verdict::NotModified => return Ok(unchanged(self.unchanged(chosen, &validators))),
            Verdict::Failed => return Ok(bare(StatusCode::PRECONDITION_FAILED)),
            Verdict::Proceed => {}
        }
        // Range has a meaning for GET alone (RFC 9110 section 14.2).
        let asked = if is_get && validators.allow_range(view.headers()) {
            ranges::asked(view.headers(), chosen.file.state.size)
        } else {
            Asked::Whole
        };
        let mut answer = bare(StatusCode::OK);
        answer.headers_mut().reserve(MOST_HEADERS);
        self.describe(answer.headers_mut(), chosen);
        validators.describe(answer.headers_mut());
        chosen.fill(&mut answer, asked, is_get).await?;
        if let Some(key) = key
            && is_get
            && cache::is_worth_keeping(key, chosen, now, self.trust)
            && let Some(kept) = Kept::new(&answer, self.unchanged(chosen, &validators), validators)
        {
            cache::keep(key, chosen, now, kept);
        }
        Ok(answer)
    }

    /// The name of the file below the root that the path asks for.
    fn name<'a>(&self, path: &'a RequestPath) -> Result<&'a [u8], Failure> {
        // No name of a file holds a slash; and what is `%2F` in a name arrives as `%252F`.
        let has_encoded_slash = |raw: &[u8]| {
            raw.contains(&b'%') && raw.windows(3).any(|three| three.eq_ignore_ascii_case(b"%2F"))
        };
        let info = path.path_info();
        let name = &info[info.iter().take_while(|&&byte| byte == b'/').count()..];
        if !self.dotfiles && is_hidden(name) {
            return Err(Failure::Hidden);
        }
        if has_encoded_slash(path.raw_path_info()) { Err(Failure::EncodedSlash) } else { Ok(name) }
    }

    /// Opens the file, or the index of a folder; `None` for a folder whose slash is missing.
    async fn find<'a>(
        &self,
        info: &[u8],
        name: &'a [u8],
    ) -> Result<Option<(Cow<'a, [u8]>, OpenFile)>, Failure> {
        if info.is_empty() {
            return Ok(None);
        }
        if !info.ends_with(b"/") {
            return match self.root.find(name).await? {
                Entry::File(file) => Ok(Some((Cow::Borrowed(name), file))),
                Entry::Folder => Ok(None),
                Entry::Other => Err(Failure::NoFile),
            };
        }
        for index in &self.index {
            let name = [name, index.as_bytes()].concat();
            match self.root.find(&name).await {
                Ok(Entry::File(file)) => return Ok(Some((Cow::Owned(name), file))),
                Ok(Entry::Folder | Entry::Other) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::NoIndex)
    }

    /// The best precompressed sibling that the client accepts, else the file itself.
    async fn choose(&self, name: &[u8], file: OpenFile, accepted: Accepted) -> Representation {
        let media_type = self.types.of(name);
        if media_type.is_compressible {
            for coding in accepted {
                let sibling = [name, coding.ending().as_bytes()].concat();
                // A sibling that cannot be opened is as good as none: the file itself is there.
                if let Ok(Entry::File(file)) = self.root.find(&sibling).await {
                    return Representation { file, coding: Some(coding), media_type };
                }
            }
        }
        Representation { file, coding: None, media_type }
    }

    /// Writes what does not depend on the file's state and on the bytes asked for.
    fn describe(&self, headers: &mut HeaderMap, chosen: &Representation) {
        headers.insert(CONTENT_TYPE, chosen.media_type.value.clone());
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(coding) = chosen.coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
        self.describe_caching(headers, chosen);
    }

    /// Vary stands wherever a sibling might be sent, so that no cache has to know whether there is one yet.
    fn describe_caching(&self, headers: &mut HeaderMap, chosen: &Representation) {
        if chosen.media_type.is_compressible && !self.precompressed.is_empty() {
            headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
        }
        if let Some(cache_control) = &self.cache_control {
            headers.insert(CACHE_CONTROL, cache_control.clone());
        }
    }

    /// The headers of a 304: what RFC 9110 section 15.4.5 wants of it.
    fn unchanged(&self, chosen: &Representation, validators: &Validators) -> HeaderMap {
        let mut headers = HeaderMap::new();
        validators.describe_tag(&mut headers);
        self.describe_caching(&mut headers, chosen);
        headers
    }
}

pub(super) fn bare(status: StatusCode) -> Response {
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = status;
    answer
}

/// 304 with these headers.
pub(super) fn unchanged(headers: HeaderMap) -> Response {
    let mut answer = bare(StatusCode::NOT_MODIFIED);
    *answer.headers_mut() = headers;
    answer
}
