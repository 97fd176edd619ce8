//! Who waits for a result, and may have it already.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, response};

use super::etag::Mark;
use super::headers::{describe, forget_bytes};
use super::result::{Made, Making};
use crate::body::Body;
use crate::error::XsltError;

/// Who waits for the result that this mark stands for.
pub(super) struct Client<'a> {
    pub(super) mark: &'a Mark,
    pub(super) if_none_match: Option<&'a HeaderValue>,
}

impl Client<'_> {
    /// Whether it has the result of a document with these headers: many services make tags and never compare them.
    pub(super) fn has(&self, making: &Making<'_>, head: &response::Parts) -> bool {
        let (Some(list), Some(tag)) = (self.if_none_match, head.headers.get(header::ETAG)) else {
            return false;
        };
        let has = head.status == StatusCode::OK
            && !making.stylesheet.reads_documents()
            && self.mark.put(tag).is_some_and(|tag| Mark::lists(list, &tag));
        if has {
            making.stylesheet.0.counting.not_modified();
        }
        has
    }

    /// The result for a document, or 304 where the client has it. A document without a tag is known by its bytes, where results
    /// are kept.
    pub(super) async fn answer<B>(
        &self,
        making: &Making<'_>,
        mut head: response::Parts,
        document: Bytes,
    ) -> Result<Response<Body<B>>, XsltError> {
        let key = making.key_of_body(&head.headers, &document).await;
        if let Some(key) = key
            && !head.headers.contains_key(header::ETAG)
            && let Ok(tag) = HeaderValue::from_str(&key.tag())
        {
            head.headers.insert(header::ETAG, tag);
        }
        if self.has(making, &head) {
            return Ok(self.not_modified(making, head));
        }
        let made = match key.and_then(|key| making.kept(key)) {
            Some(made) => made,
            None => making.make(&head.headers, document, key).await?,
        };
        Ok(self.page(making, head, made))
    }

    /// The answer with a result, or with what stands in for it.
    pub(super) fn page<B>(
        &self,
        making: &Making<'_>,
        mut head: response::Parts,
        made: Made,
    ) -> Response<Body<B>> {
        match made {
            Made::Result(found) => {
                describe(&mut head.headers, &found.output);
                self.mark.validate(making.stylesheet, &mut head.headers);
                found.tell(&mut head.headers);
                Response::from_parts(head, Body::Full(found.output.bytes))
            }
            Made::StandIn(stand_in) => stand_in.answer(head),
        }
    }

    /// The answer to who has the result.
    pub(super) fn not_modified<B>(
        &self,
        making: &Making<'_>,
        mut head: response::Parts,
    ) -> Response<Body<B>> {
        self.mark.validate(making.stylesheet, &mut head.headers);
        not_modified(head)
    }
}

/// The same answer without its body, and without what describes that.
pub(super) fn not_modified<B>(mut head: response::Parts) -> Response<Body<B>> {
    head.status = StatusCode::NOT_MODIFIED;
    forget_bytes(&mut head.headers);
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_RANGE] {
        head.headers.remove(name);
    }
    Response::from_parts(head, Body::Full(Bytes::new()))
}
