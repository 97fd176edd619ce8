//! Answers 504 when what is inside has not answered in time.
//!
//! ```yaml
//! layers: [ { timeout: { after: 30s } } ]
//! ```
//!
//! The time runs until the answer's headers are there; a body that streams for longer is left alone. Place it outside of
//! what may be slow and inside of `access_log`, which then sees the 504.

use std::time::Duration;

use http_environ::View;
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Spanned, sets_nothing};

use crate::{BoxLayer, Cause, LayerKind, rescue};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "timeout",
        summary: "answers 504 when what is inside has not answered in time",
        example: "timeout: { after: 30s }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings| build(settings.get()),
};

struct Settings {
    /// How long to wait for the headers of the answer.
    after: Duration,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let after: Spanned<Duration> = reader.required("after");
        if after.is_zero() && !after.place.is_unknown() {
            reader.mistake(&after.place, "no answer comes within a time of 0");
        }
        Self { after: after.value }
    }
}

fn build(settings: &Settings) -> Result<BoxLayer, Diagnostic> {
    let after = settings.after;
    Ok(BoxLayer::from_fn(move |request, inner| async move {
        let id = View::of(&request).environ().request_id.clone();
        match tokio::time::timeout(after, inner.answer(request)).await {
            Ok(answer) => answer,
            Err(_) => rescue(&id, Cause::GatewayTimeout, &TooSlow(after)),
        }
    }))
}

#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?} (layer timeout)")]
struct TooSlow(Duration);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Response;
    use crate::testing::{around, get, mistakes};

    #[tokio::test(start_paused = true)]
    async fn who_is_too_slow_is_cut_off() {
        let service = around("timeout: { after: 30s }", async |request| {
            let seconds = request.uri().path()[1..].parse().unwrap();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Response::default()
        });
        assert_eq!(service.answer(get("/29")).await.status(), 200);
        assert_eq!(service.answer(get("/31")).await.status(), 504);
    }

    #[test]
    fn the_time_must_be_given() {
        assert!(mistakes("timeout: {}").contains("`after` is missing"));
        assert!(mistakes("timeout: { after: 30 }").contains("duration"));
    }
}
