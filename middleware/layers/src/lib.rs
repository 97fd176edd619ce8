//! What a layer of Vestibule sees, and the layers: one file each.
//!
//! * [`body`]: the one body type
//! * [`service`]: requests, answers, the boxed infallible service and the layer around it
//! * [`rescue`](mod@rescue): cause → answer, for whoever fails
//! * [`places`]: so many at once, and a queue before them
//! * [`KINDS`]: the list of layers
//! * `subrequest`: requests that a layer makes of the gateway it stands in
//! * `setting`, `header_edits`, `transcode`, `verdict`: what several layers share; no layer uses another
//!
//! A new layer is one new file, which holds its settings and its `KIND`, its `mod` line and one row in [`KINDS`].
//!
//! # The order of a stack
//!
//! The first layer of a list is the outermost: it meets the request first and the answer last. This order suits most sites;
//! each layer's own file says why it stands where it does.
//!
//! | from outside | because |
//! |---|---|
//! | `access_log` | sees every answer, with the bytes that leave and the time that everything took |
//! | `request_id` | whatever logs or answers inside of it uses the number |
//! | `response_headers`, `cors` | also the answers of the layers below get their headers; a preflight carries no credentials |
//! | `compress` | after everything that changes the answer's body |
//! | `allow` | the cheapest refusal first |
//! | `basic_auth` | who is not known costs nothing more |
//! | `set_env`, `request_headers`, `rewrite` | before the routes and templates that use what they set |
//! | `decompress` (`on: request`) | what is inside reads, and counts, decoded bytes |
//! | `body_limit` | before anything reads a body; outside of `decompress` it counts the bytes on the wire |
//! | `timeout` | covers what may be slow, the waiting for a place as well |
//! | `concurrency_limit` | only what passed all checks takes a place |
//! | `xslt` | next to what makes its documents |
//! | `decompress` (`on: response`) | before `xslt` reads the body |
//!
//! `set_env`, `request_headers` and `rewrite` stand on a node of routes when routes below it are to match what they set.

#![forbid(unsafe_code)]

pub mod body;
pub mod places;
pub mod rescue;
pub mod service;

mod header_edits;
mod setting;
mod subrequest;
#[cfg(test)]
mod testing;
mod transcode;
mod verdict;

mod access_log;
mod allow;
mod basic_auth;
mod body_limit;
mod compress;
mod concurrency_limit;
mod cors;
mod decompress;
mod request_headers;
mod request_id;
mod response_headers;
mod rewrite;
mod set_env;
mod timeout;
mod xslt;

pub use body::{Body, BodyError, told_length};
pub use rescue::{Cause, rescue};
pub use service::{Answer, BoxLayer, BoxService, Request, Response};
pub use subrequest::Root;
pub use tower_xslt::worn_out;
use vestibule_config::{Diagnostic, Kind, Settings};
pub use xslt::trial;

/// A kind of layer: what the configuration knows of it, and how its settings become a layer.
pub struct LayerKind {
    /// Its name, summary, example and settings.
    pub kind: Kind,
    /// Builds the layer. All that can fail fails here, before a request is there.
    pub build: fn(&Settings) -> Result<BoxLayer, Diagnostic>,
}

/// Every kind of layer, in the order of a stack.
pub static KINDS: &[&LayerKind] = &[
    &access_log::KIND,
    &request_id::KIND,
    &response_headers::KIND,
    &cors::KIND,
    &compress::KIND,
    &allow::KIND,
    &basic_auth::KIND,
    &set_env::KIND,
    &request_headers::KIND,
    &rewrite::KIND,
    &decompress::KIND,
    &body_limit::KIND,
    &timeout::KIND,
    &concurrency_limit::KIND,
    &xslt::KIND,
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tower::Layer as _;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_a_summary_and_an_example_that_builds() {
        let mut names = HashSet::new();
        for row in KINDS {
            let kind = &row.kind;
            assert!(names.insert(kind.name), "{} twice", kind.name);
            assert!(!kind.summary.is_empty() && !kind.summary.ends_with('.'), "{}", kind.name);
            assert!(kind.example.starts_with(&format!("{}:", kind.name)), "{}", kind.example);
            testing::build(kind.example).unwrap_or_else(|mistakes| panic!("{}: {mistakes}", kind.name));
        }
    }

    #[tokio::test]
    async fn layers_in_the_order_of_a_stack_work_together() {
        let document = format!("<page>{}</page>", "hello ".repeat(500));
        let application = BoxService::from_fn(move |request| {
            let document = document.clone();
            async move {
                assert_eq!(request.uri().path(), "/old/news");
                assert_eq!(http_environ::View::of(&request).environ().path().path_info(), b"/new/news");
                testing::answer(&[("content-type", "application/xml")], document)
            }
        });
        let stack = [
            "access_log: {}",
            "request_id: {}",
            "response_headers: { set: { X-Frame-Options: DENY } }",
            "cors: { origins: [\"https://a.example\"] }",
            "compress: {}",
            "allow: { from: unix }",
            "set_env: { SITE: shop }",
            "rewrite: { match: \"^/old/(?<rest>.*)$\", to: \"/new/{rest}\" }",
            "decompress: {}",
            "body_limit: { max: 1KiB }",
            "timeout: { after: 30s }",
            "concurrency_limit: { max: 1 }",
            "xslt: { stylesheet: theme.xsl }",
        ];
        let build = |yaml| testing::build(yaml).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let service = stack.into_iter().rev().fold(application, |inner, yaml| build(yaml).layer(inner));
        for _ in 0..2 {
            let headers = [("accept-encoding", "gzip"), ("origin", "https://a.example")];
            let answer = service.answer(testing::request("GET /old/news", &headers, Body::Empty)).await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["content-encoding"]),
                (200, &"gzip".parse().unwrap())
            );
            for name in ["x-request-id", "x-frame-options", "access-control-allow-origin"] {
                assert!(answer.headers().contains_key(name), "{name}");
            }
            let page = testing::whole(answer.into_body()).await.unwrap();
            assert!(page.starts_with(&[0x1f, 0x8b]) && page.len() < 500, "{}", page.len());
        }
    }
}
