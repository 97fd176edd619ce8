//! Documents that were fetched from routes and hosts, kept and revalidated.
//!
//! What is kept is shared by all clients, so the rules are those of a shared cache (RFC 9111 section 3): nothing that is
//! `private`, sets a cookie or forbids it; without a `max-age` every use asks whether it is still the same, in the name of
//! the client that uses it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use tower_xslt::{BoxError, XsltError};

use super::recent::Recent;
use crate::{Body, Root};

/// How many documents are kept, each as large as a document may be.
const KEPT: usize = 64;

/// For how long a document is believed at most, whatever its `max-age`.
const LONGEST: Duration = Duration::from_secs(3600);

/// What is asked for: a stylesheet or a document as it is, and not a page that is made of it.
const XML: HeaderValue = HeaderValue::from_static(
    "application/xslt+xml, application/xml;q=0.9, text/xml;q=0.9, text/xsl;q=0.9, */*;q=0.5",
);

/// Fetches documents and keeps them.
pub(super) struct Store {
    kept: Mutex<Recent<String, Kept>>,
    /// The size of a document at most, in bytes
    limit: usize,
    /// How long a fetch may take
    time: Duration,
}

#[derive(Clone)]
struct Kept {
    bytes: Bytes,
    tag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
    until: Instant,
}

impl Store {
    pub(super) fn new(limit: usize, time: Duration) -> Self {
        Self { kept: Mutex::new(Recent::new(KEPT)), limit, time }
    }

    /// The document of a URI (`route:/path`, `http://host/path`), in the name of a client.
    pub(super) async fn document(&self, uri: &str, client: &Parts) -> Result<Bytes, XsltError> {
        let failed = |source| XsltError::Fetch { uri: uri.to_owned(), source };
        let kept = self.lock().get(&uri.to_owned()).cloned();
        if let Some(kept) = kept.as_ref().filter(|kept| Instant::now() < kept.until) {
            return Ok(kept.bytes.clone());
        }
        match tokio::time::timeout(self.time, self.fetch(uri, kept, client)).await {
            Ok(fetched) => fetched.map_err(failed),
            Err(_) => Err(failed(format!("there was no answer within {:?}", self.time).into())),
        }
    }

    async fn fetch(&self, uri: &str, kept: Option<Kept>, client: &Parts) -> Result<Bytes, BoxError> {
        let root = Root::of(client)?;
        let headers = conditions(kept.as_ref());
        let answer = match uri.strip_prefix("route:") {
            Some(target) => root.get(target, headers, client).await?,
            None => root.get_outside(uri, headers, client).await?,
        };
        let fresh = fresh_for(answer.headers(), client);
        if let (Some(kept), StatusCode::NOT_MODIFIED) = (kept, answer.status()) {
            let bytes = kept.bytes.clone();
            self.keep(uri, fresh, kept);
            return Ok(bytes);
        }
        if answer.status() != StatusCode::OK {
            return Err(format!("the answer is {}", answer.status()).into());
        }
        let (tag, modified) = (
            answer.headers().get(header::ETAG).cloned(),
            answer.headers().get(header::LAST_MODIFIED).cloned(),
        );
        let bytes = read(answer, self.limit).await?;
        self.keep(uri, fresh, Kept { bytes: bytes.clone(), tag, modified, until: Instant::now() });
        Ok(bytes)
    }

    /// Keeps a document that may be, and that is of use: for some time, or because it can be asked about.
    fn keep(&self, uri: &str, fresh: Option<Duration>, kept: Kept) {
        match fresh {
            Some(fresh) if !fresh.is_zero() || kept.tag.is_some() || kept.modified.is_some() => {
                self.lock().put(uri.to_owned(), Kept { until: Instant::now() + fresh, ..kept });
            }
            _ => self.lock().remove(&uri.to_owned()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn conditions(kept: Option<&Kept>) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(header::ACCEPT, XML)]);
    let mut condition = |name: HeaderName, value: Option<&HeaderValue>| {
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    };
    if let Some(kept) = kept {
        condition(header::IF_NONE_MATCH, kept.tag.as_ref());
        condition(header::IF_MODIFIED_SINCE, kept.modified.as_ref().filter(|_| kept.tag.is_none()));
    }
    headers
}

/// For how long a shared cache may use an answer unasked; `None` where it may not keep it at all.
fn fresh_for(headers: &HeaderMap, client: &Parts) -> Option<Duration> {
    let words = |name: HeaderName| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .map(|word| word.trim().to_ascii_lowercase())
            .collect::<Vec<_>>()
    };
    let control = words(header::CACHE_CONTROL);
    let says = |name: &str| control.iter().any(|word| word.split('=').next() == Some(name));
    let seconds = |name: &str| {
        let value = control.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.and_then(|value| value.trim_matches('"').parse().ok()).map(Duration::from_secs)
    };
    if says("no-store") || says("private") || headers.contains_key(header::SET_COOKIE) {
        return None;
    }
    let varies =
        words(header::VARY).iter().any(|name| !matches!(name.as_str(), "accept" | "accept-encoding"));
    let with_credentials = client.headers.contains_key(header::AUTHORIZATION);
    let is_shared = says("public") || says("s-maxage");
    if says("no-cache") || varies || (with_credentials && !is_shared) {
        return Some(Duration::ZERO);
    }
    Some(seconds("s-maxage").or_else(|| seconds("max-age")).unwrap_or_default().min(LONGEST))
}

/// The body, as far as it is within the limit.
async fn read(answer: Response<Body>, limit: usize) -> Result<Bytes, BoxError> {
    if let Some(coding) = answer.headers().get(header::CONTENT_ENCODING) {
        return Err(format!("the answer is compressed, by {coding:?}, though nobody asked for it").into());
    }
    let mut body = answer.into_body();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            if whole.len() + data.len() > limit {
                return Err(format!("the answer is larger than max_input ({limit} bytes)").into());
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    fn fresh(headers: &[(&str, &str)], client: &[(&str, &str)]) -> Option<u64> {
        let answer = crate::testing::answer(headers, "");
        let client = request("GET /", client, Body::Empty).into_parts().0;
        fresh_for(answer.headers(), &client).map(|fresh| fresh.as_secs())
    }

    #[test]
    fn the_rules_of_a_shared_cache_hold() {
        let authorized = [("authorization", "Basic eDp5")];
        assert_eq!(fresh(&[], &[]), Some(0));
        assert_eq!(fresh(&[("cache-control", "max-age=60")], &[]), Some(60));
        assert_eq!(fresh(&[("cache-control", "max-age=60, s-maxage=5")], &[]), Some(5));
        assert_eq!(fresh(&[("cache-control", "max-age=999999999")], &[]), Some(3600));
        assert_eq!(fresh(&[("cache-control", "max-age=60, no-cache")], &[]), Some(0));
        assert_eq!(fresh(&[("cache-control", "max-age=60"), ("vary", "Accept, Cookie")], &[]), Some(0));
        assert_eq!(fresh(&[("cache-control", "max-age=60"), ("vary", "Accept-Encoding")], &[]), Some(60));
        assert_eq!(fresh(&[("cache-control", "max-age=60")], &authorized), Some(0));
        assert_eq!(fresh(&[("cache-control", "public, max-age=60")], &authorized), Some(60));
        for kept_by_nobody in
            [("cache-control", "private, max-age=60"), ("cache-control", "no-store"), ("set-cookie", "a=1")]
        {
            assert_eq!(fresh(&[kept_by_nobody], &[]), None, "{kept_by_nobody:?}");
        }
    }
}
