//! Patterns of routes: one that is taken is matched without a panic, and by the text that it is, if it captures nothing.

use std::task::{Context, Poll, Waker};

use http_environ::Environ;
use vestibule::route::{Route, Router};
use vestibule_config::pattern::{Pattern, Segment};
use vestibule_config::{Source, load_source};
use vestibule_layers::{Body, BoxService, Request, Response};

use super::asking;

pub(crate) fn run(data: &[u8]) {
    let (pattern, request) = asking::first_line(data);
    let Ok(pattern) = std::str::from_utf8(pattern) else { return };
    let Some(router) = router(pattern) else { return };
    if let Some(request) = asking::request(request) {
        answer(&router, request);
    }
    if let Some(request) = Pattern::parse(pattern).ok().and_then(|pattern| literally(&pattern)) {
        assert_ne!(answer(&router, request), Some(404));
    }
}

/// A router of one route, unless the configuration refuses it.
fn router(pattern: &str) -> Option<BoxService> {
    let yaml =
        format!("listen: ':0'\nroutes: [ {{ path: '{}', respond: {{}} }} ]", pattern.replace('\'', "''"));
    let config =
        load_source(&Source::from_text("v.yaml", yaml), &vestibule::gateway::kinds(), &|_| None).ok()?;
    let answer = BoxService::from_fn(|_| std::future::ready(Response::new(Body::Empty)));
    Some(
        Router::new(config.routes.iter().map(|route| Route::new(route, answer.clone())).collect())
            .into_service(),
    )
}

/// The path that a pattern without captures stands for, where it can be sent at all.
fn literally(pattern: &Pattern) -> Option<Request> {
    let literal = |segment: &Segment| match segment {
        Segment::Literal(text) if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Some(format!("/{text}"))
        }
        _ => None,
    };
    let path = pattern.0.iter().map(literal).collect::<Option<String>>()?;
    asking::request(path.as_bytes())
}

/// The status; `None` for a target that the front refuses.
fn answer(router: &BoxService, mut request: Request) -> Option<u16> {
    let environ = Environ::for_target(request.uri()).ok()?;
    request.extensions_mut().insert(environ);
    match router.answer(request).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer.status().as_u16()),
        Poll::Pending => unreachable!("nobody waits for anything"),
    }
}
