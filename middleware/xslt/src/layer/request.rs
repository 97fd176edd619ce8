//! `On::Request`: the body is transformed before the service sees it.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tower::Service;

use super::Transform;
use super::headers::describe;
use super::result::{Made, Making};
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
    ReqB: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let mut failure = None;
    let request = if request.body().is_end_stream() || !transform.concerns(request.headers()) {
        request.map(Body::Untouched)
    } else {
        let (mut parts, body) = request.into_parts();
        let params = (transform.settings.params)(&parts);
        let asked = transform.asked(stylesheet, &parts);
        let making = Making { transform, stylesheet, params: &params, asked: asked.as_ref() };
        match transformed(&making, &parts.headers, body).await {
            Ok(Made::Result(found)) => {
                describe(&mut parts.headers, &found.output);
                Request::from_parts(parts, Body::Full(found.output.bytes))
            }
            Ok(Made::StandIn(stand_in)) => {
                let (bytes, stood_in) = stand_in.describe(&mut parts.headers);
                failure = Some(stood_in);
                Request::from_parts(parts, Body::Full(bytes))
            }
            Err(error) => return Ok(transform.fail(error)),
        }
    };
    let mut answer = inner.call(request).await?.map(Body::Untouched);
    if let Some(stood_in) = failure {
        answer.extensions_mut().insert(stood_in);
    }
    Ok(answer)
}

async fn transformed<B>(making: &Making<'_>, headers: &HeaderMap, body: B) -> Result<Made, XsltError>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let document = making.transform.read(headers, body).await?;
    let key = making.key_of_body(headers, &document).await;
    if let Some(made) = key.and_then(|key| making.kept(key)) {
        return Ok(made);
    }
    making.make(headers, document, key).await
}
