//! `XsltLayer::from_document`: the document names its stylesheet, and the client decides whether it is applied.
//!
//! Which sheet a document names is known only once it is there. So what a client knows already (If-None-Match) is compared
//! here, and not by the service: a tag tells of the sheet, too.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request, response};
use tower::Service;

use super::client::{Client, not_modified};
use super::etag::Mark;
use super::headers::forget_bytes;
use super::result::Making;
use super::{FindSheet, Transform, accept, media_type};
use crate::association::stylesheet_of;
use crate::body::{Body, BoxError};
use crate::error::XsltError;

pub(super) async fn pass<S, ReqB, ResB>(
    mut inner: S,
    transform: &Transform,
    sheets: &dyn FindSheet,
    request: Request<ReqB>,
) -> Result<Response<Body<ResB>>, S::Error>
where
    S: Service<Request<Body<ReqB>>, Response = Response<ResB>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    if !accept::names_html(request.headers()) {
        let mut answer = inner.call(request.map(Body::Untouched)).await?.map(Body::Untouched);
        vary(transform, answer.status(), answer.headers_mut());
        return Ok(answer);
    }
    let (mut parts, body) = request.into_parts();
    let asked = Asked { params: (transform.settings.params)(&parts), request: parts.clone() };
    make_whole(&mut parts);
    let answer = inner.call(Request::from_parts(parts, Body::Untouched(body))).await?;
    let (mut head, body) = answer.into_parts();
    vary(transform, head.status, &mut head.headers);
    let wants_page = asked.wants_page(transform, &head);
    if !wants_page || body.is_end_stream() {
        if wants_page && asked.request.method == Method::HEAD {
            withhold(&mut head.headers);
        }
        return Ok(asked.unless_known(Response::from_parts(head, Body::Untouched(body))));
    }
    let answer = asked.page_or_document(transform, sheets, head, body).await;
    Ok(answer.unwrap_or_else(|error| {
        let mut answer = transform.fail(error);
        append_vary(answer.headers_mut());
        answer
    }))
}

/// The request as it was.
struct Asked {
    params: Vec<(String, String)>,
    request: request::Parts,
}

impl Asked {
    /// Whether the answer is a document that this client would rather see as a page.
    fn wants_page(&self, transform: &Transform, head: &response::Parts) -> bool {
        let has_document = !head.status.is_informational()
            && !matches!(
                head.status,
                StatusCode::NO_CONTENT
                    | StatusCode::RESET_CONTENT
                    | StatusCode::PARTIAL_CONTENT
                    | StatusCode::NOT_MODIFIED
            );
        has_document
            && transform.concerns(&head.headers)
            && accept::prefers_html(&self.request.headers, &media_type::of(&head.headers))
    }

    /// The page of a document that names a sheet; any other document as it is.
    async fn page_or_document<B>(
        &self,
        transform: &Transform,
        sheets: &dyn FindSheet,
        head: response::Parts,
        body: B,
    ) -> Result<Response<Body<B>>, XsltError>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let document = transform.read(&head.headers, body).await?;
        match stylesheet_of(&document) {
            None => Ok(self.unless_known(Response::from_parts(head, Body::Full(document)))),
            Some(href) => self.page(transform, sheets, &href, head, document).await,
        }
    }

    /// The page, or 304 where the client has it: that is known without a transform. Without the sheet, what stands in.
    async fn page<B>(
        &self,
        transform: &Transform,
        sheets: &dyn FindSheet,
        href: &str,
        head: response::Parts,
        document: Bytes,
    ) -> Result<Response<Body<B>>, XsltError> {
        let stylesheet = match sheets.find(href, &self.request).await {
            Ok(stylesheet) => transform.set(stylesheet),
            Err(error) => {
                let (params, asked) = (&self.params, Some(&self.request));
                let stand_in = transform.stand_in(&head.headers, document, params, asked, error).await?;
                return Ok(stand_in.answer(head));
            }
        };
        let mark = Mark::new(transform.fingerprint(&stylesheet), &self.params);
        let params = &self.params;
        let making = Making { transform, stylesheet: &stylesheet, params, asked: Some(&self.request) };
        let is_read = is_read(&self.request.method);
        let if_none_match = self.request.headers.get(header::IF_NONE_MATCH).filter(|_| is_read);
        Client { mark: &mark, if_none_match }.answer(&making, head, document).await
    }

    /// The answer as it is, or 304 where the client has it.
    fn unless_known<B>(&self, answer: Response<Body<B>>) -> Response<Body<B>> {
        if self.knows(answer.status(), answer.headers()) {
            return not_modified(answer.into_parts().0);
        }
        answer
    }

    /// Whether the client says that it has what has these headers.
    fn knows(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        if status != StatusCode::OK || !is_read(&self.request.method) {
            return false;
        }
        match (self.request.headers.get(header::IF_NONE_MATCH), headers.get(header::ETAG)) {
            (Some(list), Some(tag)) => Mark::lists(list, tag),
            (Some(_), None) => false,
            // Browsers send the date back as they got it.
            (None, _) => {
                let since = self.request.headers.get(header::IF_MODIFIED_SINCE);
                since.is_some() && since == headers.get(header::LAST_MODIFIED)
            }
        }
    }
}

/// Makes a request one whose answer can be transformed: whole, uncompressed and unconditional.
fn make_whole(parts: &mut request::Parts) {
    parts.headers.remove(header::ACCEPT_ENCODING);
    if is_read(&parts.method) {
        for name in [header::RANGE, header::IF_RANGE, header::IF_MODIFIED_SINCE, header::IF_NONE_MATCH] {
            parts.headers.remove(name);
        }
    }
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Of a page that is not made, HEAD leaves out what only the document tells: whether it is one at all. (RFC 9110 section 9.3.2 lets
/// it. To ask for the document instead would have applications make what nobody gets.)
fn withhold(headers: &mut HeaderMap) {
    forget_bytes(headers);
    for name in [header::CONTENT_TYPE, header::ETAG, header::LAST_MODIFIED, header::ACCEPT_RANGES] {
        headers.remove(name);
    }
}

/// Says that the answer depends on Accept, wherever it may. A 304 has no type: it is taken to be of a document.
fn vary(transform: &Transform, status: StatusCode, headers: &mut HeaderMap) {
    if status == StatusCode::NOT_MODIFIED || transform.concerns(headers) {
        append_vary(headers);
    }
}

fn append_vary(headers: &mut HeaderMap) {
    let values = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    let names = |name: &str| name.trim() == "*" || name.trim().eq_ignore_ascii_case("accept");
    if !values.flat_map(|value| value.split(',')).any(names) {
        headers.append(header::VARY, HeaderValue::from_static("Accept"));
    }
}
