//! Changes headers of the answer on its way out.
//!
//! ```yaml
//! layers:
//!   - response_headers: { set: { X-Frame-Options: DENY }, remove: [Server] }
//! ```
//!
//! Values are templates of the environ as the request came in. Control characters that a value brings along are
//! percent-encoded. Headers of the connection (`Connection`, `Transfer-Encoding`, …) and `Content-Length` are refused.
//!
//! Place it outside of every layer that may answer by itself (`basic_auth`, `body_limit`, …): their answers should have
//! the headers, too. tower-http's `SetResponseHeader` cannot remove, and knows no environ.

use std::sync::Arc;

use http_environ::View;
use vestibule_config::{Diagnostic, Kind, Settings, sets_nothing};

use crate::header_edits::HeaderEdits;
use crate::{BoxLayer, LayerKind};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "response_headers",
        summary: "changes headers of the answer on its way out",
        example: "response_headers: { set: { X-Frame-Options: DENY }, remove: [Server] }",
        read: |reader| Settings::new(Arc::new(HeaderEdits::read(reader))),
        sets: sets_nothing,
    },
    build: |settings| build(settings.get()),
};

fn build(edits: &Arc<HeaderEdits>) -> Result<BoxLayer, Diagnostic> {
    let edits = Arc::clone(edits);
    Ok(BoxLayer::from_fn(move |request, inner| {
        let values = edits.render(&View::of(&request));
        let edits = Arc::clone(&edits);
        async move {
            let mut answer = inner.answer(request).await;
            edits.apply(answer.headers_mut(), values);
            answer
        }
    }))
}

#[cfg(test)]
mod tests {
    use crate::Body;
    use crate::testing::{answer, around, request};

    #[tokio::test]
    async fn values_are_of_the_request_as_it_came_in() {
        let yaml = "response_headers: { set: { X-Agent: \"<{HTTP_USER_AGENT}>\" }, remove: [Server], \
                    default: { X-Frame-Options: DENY } }";
        let service = around(yaml, async |mut request| {
            request.headers_mut().clear();
            answer(&[("server", "secret/1.0"), ("x-frame-options", "SAMEORIGIN")], Body::Empty)
        });
        let answer = service.answer(request("GET /", &[("user-agent", "curl")], Body::Empty)).await;
        assert_eq!(answer.headers()["x-agent"], "<curl>");
        assert_eq!(answer.headers()["x-frame-options"], "SAMEORIGIN");
        assert!(!answer.headers().contains_key("server"));
    }
}
