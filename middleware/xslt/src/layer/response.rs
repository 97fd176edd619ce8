//! `On::Response`: the body of the answer is transformed.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request, response};
use tower::Service;

use super::Transform;
use super::client::Client;
use super::etag::Mark;
use super::headers::{forget_bytes, set_content_type};
use super::result::{self, Making};
use crate::body::{Body, BoxError};
use crate::error::XsltError;
use crate::sheet::Stylesheet;

pub(super) async fn pass<S, ReqB, ResB>(
    mut inner: S,
    transform: &Transform,
    stylesheet: &Stylesheet,
    request: Request<ReqB>,
) -> Result<Response<Body<ResB>>, S::Error>
where
    S: Service<Request<Body<ReqB>>, Response = Response<ResB>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let (mut parts, body) = request.into_parts();
    let asked = Asked::new(transform, stylesheet, &mut parts);
    let response = inner.call(Request::from_parts(parts, Body::Untouched(body))).await?;
    let (mut head, body) = response.into_parts();
    match asked.plan(transform, &head, &body) {
        Plan::Leave => {}
        Plan::NotModified => asked.mark_not_modified(&mut head.headers),
        Plan::HeadersOnly => {
            forget_bytes(&mut head.headers);
            set_content_type(&mut head.headers, stylesheet.content_type().as_deref());
            asked.mark.validate(stylesheet, &mut head.headers);
        }
        Plan::Transform => {
            let making =
                Making { transform, stylesheet, params: &asked.params, asked: asked.request.as_ref() };
            let answer = asked.transformed(&making, head, body).await;
            return Ok(answer.unwrap_or_else(|error| transform.fail(error)));
        }
    }
    Ok(Response::from_parts(head, Body::Untouched(body)))
}

/// What is to be done with an answer.
enum Plan {
    Leave,
    NotModified,
    /// There is no body, but its headers tell of one.
    HeadersOnly,
    Transform,
}

/// What the client asked for, before the request was changed.
struct Asked {
    head: bool,
    is_get: bool,
    params: Vec<(String, String)>,
    mark: Mark,
    if_none_match: Option<HeaderValue>,
    /// As it was, where more is to be fetched in its name
    request: Option<request::Parts>,
    /// The document that it asks for, where results are kept by it
    url: Option<String>,
}

impl Asked {
    /// Remembers, and makes the request one whose answer can be transformed: whole, uncompressed, and unconditional but
    /// for tags that the service knows. Times are no validator: the stylesheet may be newer than the document.
    fn new(transform: &Transform, stylesheet: &Stylesheet, parts: &mut request::Parts) -> Self {
        let request = transform.asked(stylesheet, parts);
        let url = transform.settings.cache.as_ref().and_then(|_| result::url(parts));
        let params = (transform.settings.params)(parts);
        let mark = Mark::new(transform.fingerprint(stylesheet), &params);
        let headers = &mut parts.headers;
        for name in [header::ACCEPT_ENCODING, header::RANGE, header::IF_RANGE, header::IF_MODIFIED_SINCE] {
            headers.remove(name);
        }
        let if_none_match = headers.get(header::IF_NONE_MATCH).cloned();
        for name in [header::IF_NONE_MATCH, header::IF_MATCH] {
            if let Some(list) = headers.remove(&name) {
                match mark.take(&list) {
                    Some(list) => headers.insert(name, list),
                    // A precondition that cannot hold any more must still fail.
                    None if name == header::IF_MATCH => headers.insert(name, list),
                    None => None,
                };
            }
        }
        Self {
            head: parts.method == Method::HEAD,
            is_get: parts.method == Method::GET,
            params,
            mark,
            if_none_match,
            request,
            url,
        }
    }

    fn plan(&self, transform: &Transform, head: &response::Parts, body: &impl http_body::Body) -> Plan {
        match head.status {
            StatusCode::NOT_MODIFIED => Plan::NotModified,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT => Plan::Leave,
            status if status.is_informational() || !transform.concerns(&head.headers) => Plan::Leave,
            _ if self.head => Plan::HeadersOnly,
            // A redirect or an error may do without a body; a success that has none is cut short.
            status if !status.is_success() && body.is_end_stream() => Plan::Leave,
            _ => Plan::Transform,
        }
    }

    /// The result, or 304 where the client has it; both without reading the document, where its tag is enough.
    async fn transformed<B>(
        &self,
        making: &Making<'_>,
        head: response::Parts,
        body: B,
    ) -> Result<Response<Body<B>>, XsltError>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let if_none_match = self.if_none_match.as_ref().filter(|_| self.is_get);
        let client = Client { mark: &self.mark, if_none_match };
        if client.has(making, &head) {
            return Ok(client.not_modified(making, head));
        }
        let key = making.key_of_tag(self.url.as_deref(), &head.headers);
        if let Some(made) = key.and_then(|key| making.kept(key)) {
            return Ok(client.page(making, head, made));
        }
        let document = making.transform.read(&head.headers, body).await?;
        match key {
            Some(_) => {
                let made = making.make(&head.headers, document, key).await?;
                Ok(client.page(making, head, made))
            }
            None => client.answer(making, head, document).await,
        }
    }

    /// A 304 confirms the tag that the client sent, if that was one of ours.
    fn mark_not_modified(&self, headers: &mut HeaderMap) {
        let (Some(asked), Some(tag)) = (&self.if_none_match, headers.get(header::ETAG)) else { return };
        if self.mark.is_listed(asked, tag)
            && let Some(tag) = self.mark.put(tag)
        {
            headers.insert(header::ETAG, tag);
            headers.remove(header::LAST_MODIFIED);
            headers.remove(header::ACCEPT_RANGES);
            forget_bytes(headers);
        }
    }
}
