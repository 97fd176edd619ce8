//! The result for a document: from the cache, or by a run; or what stands in for it.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use super::fetch::Ahead;
use super::otherwise::StandIn;
use super::{Transform, media_type};
use crate::cache::{Cache, Key};
use crate::error::XsltError;
use crate::output::Output;
use crate::pool::Task;
use crate::sheet::Stylesheet;

/// From here on a document is hashed by a thread that may be busy for a while.
const LARGE: usize = 256 << 10;

/// What results are made by.
pub(super) struct Making<'a> {
    pub(super) transform: &'a Transform,
    pub(super) stylesheet: &'a Stylesheet,
    pub(super) params: &'a [(String, String)],
    /// The request as it was, if documents are to be fetched in its name
    pub(super) asked: Option<&'a Parts>,
}

/// What became of a document.
pub(super) enum Made {
    Result(Found),
    /// Never of a cache, and never for one
    StandIn(StandIn),
}

/// A result, and what a cache had to do with it.
pub(super) struct Found {
    pub(super) output: Output,
    status: Option<&'static str>,
}

impl Found {
    /// Tells what a cache had to do with it (RFC 9211).
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        if let Some(status) = self.status {
            headers.append("cache-status", HeaderValue::from_static(status));
        }
    }
}

impl Making<'_> {
    /// The cache, unless results depend on more than sheet, parameters and document.
    fn cache(&self) -> Option<&Cache> {
        self.transform.settings.cache.as_ref().filter(|_| !self.stylesheet.reads_documents())
    }

    /// The key of a document that is known by its strong tag, before it is read. `url` tells which document it is a version of.
    ///
    /// Only where the answer is the same for everybody: the tags of what an application says to one user may be those of what
    /// it says to another.
    pub(super) fn key_of_tag(&self, url: Option<&str>, headers: &HeaderMap) -> Option<Key> {
        let (_, url) = (self.cache()?, url?);
        let tag = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""))?;
        is_for_everybody(headers).then(|| self.key(headers, &[b"tag", url.as_bytes(), tag.as_bytes()]))
    }

    /// The key of a document by its bytes.
    pub(super) async fn key_of_body(&self, headers: &HeaderMap, document: &Bytes) -> Option<Key> {
        self.cache()?;
        if document.len() < LARGE {
            return Some(self.key(headers, &[b"body", document]));
        }
        let fingerprint = self.transform.fingerprint(self.stylesheet);
        let (params, charset) = (self.params.to_vec(), media_type::charset(headers).unwrap_or_default());
        let document = document.clone();
        let hash = move || Key::new(fingerprint, &params, &[charset.as_bytes(), b"body", &document]);
        tokio::task::spawn_blocking(hash).await.ok()
    }

    fn key(&self, headers: &HeaderMap, document: &[&[u8]]) -> Key {
        let charset = media_type::charset(headers).unwrap_or_default();
        let parts = [&[charset.as_bytes()], document].concat();
        Key::new(self.transform.fingerprint(self.stylesheet), self.params, &parts)
    }

    /// A result that is kept.
    pub(super) fn kept(&self, key: Key) -> Option<Made> {
        let output = self.cache()?.get(&key);
        self.stylesheet.0.counting.looked_up(output.is_some());
        output.map(|output| Made::Result(Found { output, status: Some("xslt; hit") }))
    }

    /// Makes a result, and keeps it under a key; or finds what stands in for it, and keeps nothing.
    pub(super) async fn make(
        &self,
        headers: &HeaderMap,
        document: Bytes,
        key: Option<Key>,
    ) -> Result<Made, XsltError> {
        let output = match self.run(headers, document.clone()).await {
            Ok(output) => output,
            Err(error) => {
                let stand_in = self.transform.stand_in(headers, document, self.params, self.asked, error);
                return stand_in.await.map(Made::StandIn);
            }
        };
        // The run may have told that the sheet reads other documents.
        let status = match (self.cache(), key) {
            (Some(cache), Some(key)) => {
                cache.put(key, &output);
                Some("xslt; fwd=miss")
            }
            _ => None,
        };
        Ok(Made::Result(Found { output, status }))
    }

    /// Transforms a document that came with these headers, once what the sheet reads beside it is there.
    pub(super) async fn run(&self, headers: &HeaderMap, document: Bytes) -> Result<Output, XsltError> {
        let settings = &self.transform.settings;
        let ahead = match (self.asked, &settings.documents) {
            (Some(asked), Some(documents)) => Ahead::of(&**documents, self.stylesheet, asked).await,
            _ => Ahead::default(),
        };
        let task = Task {
            stylesheet: self.stylesheet.clone(),
            document,
            kind: settings.input,
            charset: media_type::charset(headers),
            params: self.params.to_vec(),
            fetched: ahead.fetched.clone(),
            limits: std::sync::Arc::clone(&settings.limits),
        };
        self.transform.pool.transform(task).await.map_err(|error| ahead.explain(error))
    }
}

fn is_for_everybody(headers: &HeaderMap) -> bool {
    let words = |name| {
        let values = headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|word| word.trim().to_ascii_lowercase())
    };
    !headers.contains_key(header::SET_COOKIE)
        && !words(header::CACHE_CONTROL).any(|word| word.starts_with("private") || word == "no-store")
        && words(header::VARY).all(|name| matches!(name.as_str(), "accept" | "accept-encoding"))
}

/// Which document a request asks for, if its answer may be the same for everybody who asks.
pub(super) fn url(request: &Parts) -> Option<String> {
    let names_client =
        [header::AUTHORIZATION, header::COOKIE].iter().any(|name| request.headers.contains_key(name));
    let host = request.headers.get(header::HOST).map_or(&b""[..], HeaderValue::as_bytes);
    (request.method == http::Method::GET && !names_client)
        .then(|| format!("{} {}", String::from_utf8_lossy(host), request.uri))
}
