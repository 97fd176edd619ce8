//! `On::Request`: the body is transformed before the service sees it.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tower::Service;

use super::Transform;
use super::headers::describe;
use super::result::Making;
use crate::body::{Body, BoxError};
use crate::error::XsltError;
use crate::output::Output;
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
    let request = if request.body().is_end_stream() || !transform.concerns(request.headers()) {
        request.map(Body::Untouched)
    } else {
        let (mut parts, body) = request.into_parts();
        let params = (transform.settings.params)(&parts);
        let asked = transform.asked(stylesheet, &parts);
        let making = Making { transform, stylesheet, params: &params, asked: asked.as_ref() };
        match transformed(&making, &parts.headers, body).await {
            Ok(output) => {
                describe(&mut parts.headers, &output);
                Request::from_parts(parts, Body::Full(output.bytes))
            }
            Err(error) => return Ok(transform.fail(error)),
        }
    };
    Ok(inner.call(request).await?.map(Body::Untouched))
}

async fn transformed<B>(making: &Making<'_>, headers: &HeaderMap, body: B) -> Result<Output, XsltError>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let document = making.transform.read(headers, body).await?;
    let key = making.key_of_body(headers, &document).await;
    if let Some(made) = key.and_then(|key| making.kept(key)) {
        return Ok(made.output);
    }
    making.make(headers, document, key).await.map(|made| made.output)
}
