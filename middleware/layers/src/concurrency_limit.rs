//! Lets so many requests in at once; some may wait, the others get 503.
//!
//! ```yaml
//! layers: [ { concurrency_limit: { max: 100, queue: 50, wait: 5s } } ]
//! ```
//!
//! A request counts until its answer's body has been produced, not only its head: a streaming answer still uses
//! what is inside. Those that wait are let in in the order they came. Counts are per worker.
//!
//! Place it around what cannot bear more, inside of what refuses requests cheaply (`allow`, `basic_auth`, `body_limit`).
//! tower's `ConcurrencyLimit` releases at the head and queues without a limit.

use std::sync::Arc;
use std::time::Duration;

use http_environ::View;
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Spanned, sets_nothing};

use crate::places::{Full, Places};
use crate::{BoxLayer, Cause, LayerKind, rescue, subrequest};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "concurrency_limit",
        summary: "lets so many requests in at once; some may wait, the others get 503",
        example: "concurrency_limit: { max: 100, queue: 50, wait: 5s }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings| build(settings.get()),
};

struct Settings {
    /// How many requests are inside at once.
    max: u32,
    /// How many may wait; none by default.
    queue: u32,
    /// How long each may wait; 5s by default.
    wait: Duration,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let max: Spanned<u32> = reader.required("max");
        if max.value == 0 && !max.place.is_unknown() {
            reader
                .mistake(&max.place, "a limit of 0 lets nobody in")
                .help("to close a route, let it `respond`");
        }
        Self { max: max.value, queue: reader.or("queue", 0), wait: reader.or("wait", Duration::from_secs(5)) }
    }
}

fn build(settings: &Settings) -> Result<BoxLayer, Diagnostic> {
    let limit = Arc::new(Places::new(settings.max as usize, settings.queue as usize, settings.wait));
    Ok(BoxLayer::from_fn(move |mut request, inner| {
        let limit = Arc::clone(&limit);
        async move {
            // Made while answering a request that has a place: it would wait for that one, which waits for it.
            if subrequest::is_inside_of(&request, &limit) {
                return inner.answer(request).await;
            }
            match limit.enter().await {
                Ok(place) => {
                    subrequest::hold(&mut request, &limit);
                    inner.answer(request).await.map(|body| body.holding(place))
                }
                Err(full) => rescue(&View::of(&request).environ().request_id, Cause::Busy, &NoPlace(full)),
            }
        }
    }))
}

#[derive(Debug, thiserror::Error)]
#[error("the request may not enter (layer concurrency_limit)")]
struct NoPlace(#[source] Full);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Poll;

    use crate::subrequest;
    use crate::testing::{answer, around, get, mistakes, pieces, whole};
    use crate::{Answer, BoxService};

    /// Streams an answer.
    fn streaming(settings: &str) -> BoxService {
        let yaml = format!("concurrency_limit: {settings}");
        around(&yaml, async |_| answer(&[], pieces(&[b"a", b"b"], None)))
    }

    async fn is_waiting(answer: &mut Answer) -> bool {
        std::future::poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await.is_pending()
    }

    #[tokio::test]
    async fn a_request_counts_until_its_body_has_ended() {
        let service = streaming("{ max: 1 }");
        let first = service.answer(get("/")).await;
        assert_eq!(service.answer(get("/")).await.status(), 503);
        whole(first.into_body()).await.unwrap();
        let second = service.answer(get("/")).await;
        assert_eq!(second.status(), 200);
        drop(second);
        assert_eq!(service.answer(get("/")).await.status(), 200);
    }

    #[tokio::test]
    async fn those_in_the_queue_are_let_in_and_those_behind_it_refused() {
        let service = streaming("{ max: 1, queue: 1 }");
        let first = service.answer(get("/")).await;
        let mut second = service.answer(get("/"));
        assert!(is_waiting(&mut second).await);
        let third = service.answer(get("/")).await;
        assert_eq!(third.status(), 503);
        assert!(third.headers().contains_key("retry-after"));
        drop(first);
        assert_eq!(second.await.status(), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_longer_than_allowed() {
        let service = streaming("{ max: 1, queue: 1, wait: 2s }");
        let _first = service.answer(get("/")).await;
        let began = tokio::time::Instant::now();
        assert_eq!(service.answer(get("/")).await.status(), 503);
        assert_eq!(began.elapsed().as_secs(), 2);
    }

    #[tokio::test]
    async fn who_leaves_the_queue_makes_room_in_it() {
        let service = streaming("{ max: 1, queue: 1 }");
        let _first = service.answer(get("/")).await;
        for _ in 0..3 {
            assert!(is_waiting(&mut service.answer(get("/"))).await);
        }
    }

    #[tokio::test]
    async fn a_request_made_inside_of_one_that_has_a_place_needs_none() {
        let outer = around("concurrency_limit: { max: 1 }", async |request| {
            let client = request.into_parts().0;
            let root = subrequest::Root::of(&client).unwrap();
            root.get("/inner", http::HeaderMap::new(), &client).await.unwrap()
        });
        // The root of the sub-request is this limit around another service, as it would be in a gateway.
        let request = |root: BoxService| {
            let mut request = get("/outer");
            let mut server = http_environ::Server::default();
            server.extensions.insert(subrequest::Root::new(root.clone(), root));
            request.extensions_mut().get_mut::<http_environ::Environ>().unwrap().server = Arc::new(server);
            request
        };
        let deep = outer.clone();
        let root = BoxService::from_answering(move |request| {
            let is_deepest = http_environ::View::of(&request).environ().variable("SUBREQUEST") == Some(b"3");
            if is_deepest { Box::pin(async { answer(&[], "deep") }) } else { deep.answer(request) }
        });
        assert_eq!(outer.answer(request(root)).await.status(), 200);
    }

    #[test]
    fn a_limit_of_nothing_is_a_mistake() {
        assert!(mistakes("concurrency_limit: { max: 0 }").contains("lets nobody in"));
        assert!(mistakes("concurrency_limit: {}").contains("`max` is missing"));
    }
}
