//! What finding a route costs with 10, 1,000 and 10,000 routes: `cargo bench --bench routing`.
//!
//! Three tables: routes with a literal prefix, routes with an exact host, and patterns with a capture behind a literal
//! prefix. The time is that of a whole answer by `respond`, so the first row of each table is the cost of everything else;
//! what counts is the ratio to it.

use std::fmt::Write as _;
use std::hint::black_box;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use http_environ::Environ;
use vestibule::gateway::kinds;
use vestibule::route::{Route, Router};
use vestibule_config::Source;
use vestibule_layers::{Body, BoxService, Request, Response};

const SIZES: [usize; 3] = [10, 1_000, 10_000];

fn main() {
    type Table = (&'static str, fn(usize) -> String, fn(usize) -> (String, String));
    let tables: [Table; 3] = [
        (
            "literal prefixes",
            |n| format!("mount: /site-{n}/app"),
            |n| (format!("/site-{n}/app/page"), "h".into()),
        ),
        (
            "exact hosts",
            |n| format!("match: {{ host: h{n}.example }}"),
            |n| ("/page".into(), format!("h{n}.example")),
        ),
        ("patterns", |n| format!("path: '/site-{n}/{{id}}'"), |n| (format!("/site-{n}/7"), "h".into())),
    ];
    for (name, route, target) in tables {
        let mut first = None;
        for size in SIZES {
            let router = router(size, route);
            let time = measure(&router, size, target);
            let ratio = time.as_secs_f64() / first.get_or_insert(time).as_secs_f64();
            println!("{name:<18}{size:>7} routes{:>9.0} ns{ratio:>7.2}", time.as_secs_f64() * 1e9);
        }
    }
}

fn router(size: usize, route: fn(usize) -> String) -> BoxService {
    let mut yaml = String::from("routes:\n");
    for number in 0..size {
        writeln!(yaml, "- {{ {}, respond: {{}} }}", route(number)).expect("a string grows");
    }
    let config = vestibule_config::load_source(&Source::from_text("bench.yaml", yaml), &kinds(), &|_| None);
    let routes = config.unwrap_or_else(|diagnostics| panic!("{diagnostics}")).routes;
    let answer = BoxService::from_fn(|_| std::future::ready(Response::new(Body::Empty)));
    Router::new(routes.iter().map(|route| Route::new(route, answer.clone())).collect()).into_service()
}

/// The mean time of an answer, of the best of five rounds, over targets spread across the table.
fn measure(router: &BoxService, size: usize, target: fn(usize) -> (String, String)) -> Duration {
    const ROUND: u32 = 100_000;
    let targets: Vec<_> = (0..10).map(|step| target(step * size / 10)).collect();
    let round = |_| {
        let began = Instant::now();
        for (path, host) in targets.iter().cycle().take(ROUND as usize) {
            let mut answer = black_box(router).answer(request(path, host));
            assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        }
        began.elapsed() / ROUND
    };
    (0..5).map(round).min().expect("five rounds")
}

fn request(path: &str, host: &str) -> Request {
    let mut request = http::Request::get(path).header("host", host).body(Body::Empty).expect("a request");
    let environ = Environ::for_target(request.uri()).expect("a path");
    request.extensions_mut().insert(environ);
    request
}
