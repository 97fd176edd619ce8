//! Changes headers of the request before what is inside sees them.
//!
//! ```yaml
//! layers:
//!   - request_headers: { set: { X-Site: shop }, remove: [X-Debug] }
//! ```
//!
//! Values are templates of the environ as it was before. Control characters that a value brings along are
//! percent-encoded. Headers of the connection (`Connection`, `Transfer-Encoding`, …) and `Content-Length` are refused.
//! What is changed here changes the `HTTP_*` and `CONTENT_TYPE` variables with it.
//!
//! Place it outside of the routes that match the headers. tower-http's `SetRequestHeader` cannot remove, and knows no
//! environ.

use std::sync::Arc;

use http_environ::View;
use vestibule_config::{Diagnostic, Kind, Settings, sets_nothing};

use crate::header_edits::HeaderEdits;
use crate::{BoxLayer, LayerKind};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "request_headers",
        summary: "changes headers of the request before what is inside sees them",
        example: "request_headers: { set: { X-Site: shop }, remove: [X-Debug] }",
        read: |reader| Settings::new(Arc::new(HeaderEdits::read(reader))),
        sets: sets_nothing,
    },
    build: |settings| build(settings.get()),
};

fn build(edits: &Arc<HeaderEdits>) -> Result<BoxLayer, Diagnostic> {
    let edits = Arc::clone(edits);
    Ok(BoxLayer::from_fn(move |mut request, inner| {
        let values = edits.render(&View::of(&request));
        edits.apply(request.headers_mut(), values);
        inner.answer(request)
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::{around, request, text};
    use crate::{Body, Response};

    #[tokio::test]
    async fn headers_are_removed_set_added_and_defaulted() {
        let yaml = "request_headers: { remove: X-A, set: { X-B: \"{PATH_INFO}\" }, add: { X-C: new }, \
                    default: { X-D: new, X-E: new } }";
        let service = around(yaml, async |request| {
            let mut lines: Vec<_> = request
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
                .collect();
            lines.sort();
            Response::new(Body::from(lines.join(" ")))
        });
        let sent = [("x-a", "old"), ("x-b", "old"), ("x-c", "old"), ("x-d", "old")];
        let answer = service.answer(request("GET /a%0Ab", &sent, Body::Empty)).await;
        assert_eq!(text(answer.into_body()).await, "x-b=/a%0Ab x-c=new x-c=old x-d=old x-e=new");
    }
}
