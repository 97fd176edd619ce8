//! Routes from the YAML that a user would write: which one answers, and what it sees.

use http_environ::{Environ, View};
use vestibule_layers::{Body, BoxService, Request, Response};

use super::*;

/// A router of one level whose answers tell which route was taken, by number, and what it saw.
fn router(routes: Vec<config::Route>) -> Router {
    let route = |(number, route): (usize, config::Route)| {
        let service = BoxService::from_fn(move |request| {
            let view = View::of(&request);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let path = view.environ().path();
            let captures = view.environ().variables().map(|(name, value)| format!(" {name}={}", text(value)));
            let captures: String = captures.collect();
            let saw = format!("{number}: {}|{}{captures}", text(path.script_name()), text(path.path_info()));
            std::future::ready(Response::new(Body::from(saw)))
        });
        Route::new(&route, service)
    };
    Router::new(routes.into_iter().enumerate().map(route).collect())
}

fn request(target: &str, headers: &[(&'static str, &'static str)]) -> Request {
    let mut request = http::Request::get(target).body(Body::Empty).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, http::HeaderValue::from_static(value));
    }
    let environ = Environ::for_target(request.uri()).unwrap();
    request.extensions_mut().insert(environ);
    request
}
