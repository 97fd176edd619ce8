//! `On::Request`: the body is transformed before the service sees it.

use bytes::Bytes;
use http::{Request, Response};
use tower::Service;

use super::{Transform, describe};
use crate::body::{Body, BoxError};
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
        let output = match transform.read(&parts.headers, body).await {
            Ok(document) => transform.run(stylesheet, &parts.headers, document, params, asked.as_ref()).await,
            Err(error) => Err(error),
        };
        match output {
            Ok(output) => {
                describe(&mut parts.headers, &output);
                Request::from_parts(parts, Body::Full(output.bytes))
            }
            Err(error) => return Ok(transform.fail(error)),
        }
    };
    Ok(inner.call(request).await?.map(Body::Untouched))
}
