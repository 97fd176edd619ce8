//! `XsltLayer::from_document`: the document names its stylesheet, and the client decides whether it is applied.
//!
//! Which sheet a document names is known only once it is there. So what a client knows already (If-None-Match) is compared
//! here, and not by the service: a tag tells of the sheet, too.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request, response};
use tower::Service;

use super::etag::Mark;
use super::response::validate;
use super::{FindSheet, Transform, accept, describe, forget_bytes, media_type};
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

    /// The page, or 304 where the client has it: that is known without a transform.
    async fn page<B>(
        &self,
        transform: &Transform,
        sheets: &dyn FindSheet,
        href: &str,
        mut head: response::Parts,
        document: Bytes,
    ) -> Result<Response<Body<B>>, XsltError> {
        let stylesheet = sheets.find(href, &self.request).await?;
        let mark = Mark::new(stylesheet.fingerprint(), &self.params);
        let charset_of = head.headers.clone();
        validate(&mark, &stylesheet, &mut head.headers);
        if self.knows(head.status, &head.headers) {
            return Ok(not_modified(head));
        }
        let request = Some(&self.request);
        let output = transform.run(&stylesheet, &charset_of, document, self.params.clone(), request).await?;
        // Only the run tells whether a sheet reads other files.
        if stylesheet.reads_documents() {
            head.headers.remove(header::ETAG);
        }
        describe(&mut head.headers, &output);
        Ok(Response::from_parts(head, Body::Full(output.bytes)))
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

fn not_modified<B>(mut head: response::Parts) -> Response<Body<B>> {
    head.status = StatusCode::NOT_MODIFIED;
    forget_bytes(&mut head.headers);
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_RANGE] {
        head.headers.remove(name);
    }
    Response::from_parts(head, Body::Full(Bytes::new()))
}

/// Of a page that is not made, HEAD leaves out what only the document tells: whether it is one at all.
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
