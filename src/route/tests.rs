//! Routes from the YAML that a user would write: which one answers, and what it sees.

use std::fmt::Write as _;

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
            let saw = format!("{number}: {}|{}{captures}", text(&path.script_name()), text(path.path_info()));
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

/// The nodes of `routes:`, each ending in a `respond` that is replaced here.
fn routes(yaml: &str) -> Vec<config::Route> {
    let source = config::Source::from_text("vestibule.yaml", format!("routes:\n{yaml}"));
    let config = config::load_source(&source, &crate::gateway::kinds(), &|_| None);
    config.unwrap_or_else(|diagnostics| panic!("{diagnostics}")).routes
}

async fn answer(router: &Router, target: &str, headers: &[(&'static str, &'static str)]) -> String {
    let answer = router.answer(request(target, headers)).await;
    match answer.into_body() {
        Body::Bytes(bytes) if bytes.starts_with(b"404") => "404".into(),
        Body::Bytes(bytes) => String::from_utf8(bytes.into()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_first_route_that_matches_wins() {
    let router = router(routes(
        "- { mount: /a, match: { query: { x: present } }, respond: {} }\n\
         - { path: '/a/{id}', respond: {} }\n\
         - { mount: /a, respond: {} }\n\
         - { match: { host: [b.example, 'c.*'] }, respond: {} }\n\
         - { match: { host: d.example }, respond: {} }\n\
         - { path: '/{*all}', match: { not: { host: e.example } }, respond: {} }\n",
    ));
    for (target, host, expected) in [
        ("/a/b?x", "", "0: /a|/b"),
        ("/a/b", "", "1: |/a/b id=b"),
        ("/a/b/c", "", "2: /a|/b/c"),
        ("/a", "", "2: /a|"),
        ("/a/", "b.example", "2: /a|/"),
        ("/apple", "b.example:80", "3: |/apple"),
        ("/x", "C.d", "3: |/x"),
        ("/x", "D.example", "4: |/x"),
        ("/x/y", "z", "5: |/x/y all=x/y"),
        ("/x/y", "e.example", "404"),
    ] {
        let host = [("host", host)];
        assert_eq!(
            answer(&router, target, &host[..usize::from(!host[0].1.is_empty())]).await,
            expected,
            "{target}"
        );
    }
}

#[tokio::test]
async fn conditions_combine() {
    let router = router(routes(
        "- match: { method: GET, header: { X-A: '1' }, not: { cookie: { b: present } } }\n  respond: {}\n\
         - match: { any: [ { header: { X-A: '2' } }, { cookie: { b: '1' }, query: { q: '1' } } ] }\n  respond: {}\n",
    ));
    for (target, headers, expected) in [
        ("/", vec![("x-a", "1")], "0"),
        ("/", vec![("x-a", "1"), ("cookie", "b=2")], "404"),
        ("/", vec![("x-a", "2")], "1"),
        ("/?q=1", vec![("cookie", "b=1")], "1"),
        ("/?q=2", vec![("cookie", "b=1")], "404"),
    ] {
        assert_eq!(
            answer(&router, target, &headers).await.split(':').next(),
            Some(expected),
            "{target} {headers:?}"
        );
    }
}

#[tokio::test]
async fn what_did_not_match_leaves_no_captures() {
    let router = router(routes(
        "- { match: { path: '~^/(?<first>.*)$', method: POST }, respond: {} }\n\
         - { match: { any: [ { path: '~^/(?<second>.*)$', method: POST }, { path: '~^/(?<third>.*)$' } ] }, respond: {} }\n",
    ));
    assert_eq!(answer(&router, "/x", &[]).await, "1: |/x third=x");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_routed() {
    let router = router(routes("- { mount: /a, respond: {} }\n- { path: '/{*all}', respond: {} }\n"));
    assert_eq!(answer(&router, "/a/%FF", &[]).await, "0: /a|/\u{fffd}");
    assert_eq!(answer(&router, "/%FFa", &[]).await, "1: |/\u{fffd}a all=\u{fffd}a");
}

/// The index may leave out a route only if it cannot match: with and without it the same route wins.
#[tokio::test]
async fn the_index_changes_nothing_but_the_time() {
    let prefixes = ["/", "/a", "/a/b", "/a/b/c", "/b", "/{x}", "/a/{*rest}", "/a/{x}/c", "/ab"];
    let hosts = ["", "h.example", "i.example", "[h.example, i.example]", "'*.example'"];
    let mut yaml = String::new();
    // An order that mixes short and long prefixes: steps through all combinations by a stride prime to their number.
    let count = prefixes.len() * hosts.len();
    for step in 0..count {
        let (prefix, host) =
            (prefixes[(step * 7) % prefixes.len()], hosts[(step * 7) % count / prefixes.len()]);
        let key = if prefix.contains('{') { "path" } else { "mount" };
        let host = if host.is_empty() { String::new() } else { format!("host: {host}, ") };
        // The method holds for every request; it keeps the configuration from calling later routes shadowed.
        writeln!(yaml, "- {{ {key}: '{prefix}', match: {{ {host}method: [GET, M{step}] }}, respond: {{}} }}")
            .unwrap();
    }
    let router = router(routes(&yaml));
    for target in
        ["/", "/a", "/a/", "/a/b", "/a/b/c", "/a/x/c", "/ab", "/abc", "/b/c", "/c", "/%7Bx%7D", "/a/b/c/d"]
    {
        for host in ["h.example", "i.example", "z.example", "other"] {
            let request = request(target, &[("host", host)]);
            let view = View::of(&request);
            let linear = router.routes.iter().position(|route| {
                route.matches(&view, &view.environ().path().matched(), &mut Captures::new())
            });
            let indexed = router.find(&view).map(|(found, _)| {
                router
                    .routes
                    .iter()
                    .position(|route| std::ptr::eq(route, found))
                    .expect("a route of the level")
            });
            assert_eq!(indexed, linear, "{target} {host}");
        }
    }
}

#[tokio::test]
async fn a_run_of_slashes_passes_no_guard() {
    let router = router(routes(
        "- { path: '/admin/{*rest}', respond: {} }\n- { mount: /blog, respond: {} }\n\
         - { match: { path: '/staff' }, respond: {} }\n- { match: { method: GET }, respond: {} }\n",
    ));
    for (target, expected) in [
        ("//admin//x", "0: |//admin//x rest=x"),
        ("///blog//y//z", "1: /blog|//y//z"),
        ("//staff", "2: |//staff"),
        ("//other", "3: |//other"),
    ] {
        assert_eq!(answer(&router, target, &[]).await, expected, "{target}");
    }
}
