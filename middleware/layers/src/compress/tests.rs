use std::io::Read;

use super::*;
use crate::testing::{answer, around, mistakes, pieces, request, text, whole};
use http_body_util::BodyExt as _;

const PAGE: &str = "<p>A vestibule is the room between the front door and the rooms of a house.</p>\n";

fn page() -> String {
    PAGE.repeat(2000)
}

fn decoded(coding: &str, bytes: &[u8]) -> String {
    let mut text = String::new();
    match coding {
        "gzip" => flate2::read::MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap(),
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_string(&mut text).unwrap(),
        other => panic!("{other}"),
    };
    text
}

/// A GET that accepts `accept`, answered with these headers and this body.
async fn asked(
    accept: &'static str,
    headers: &'static [(&str, &str)],
    body: impl Fn() -> Body + Send + Sync + 'static,
) -> Response {
    let service = around("compress: {}", move |_| {
        let answer = answer(headers, body());
        async { answer }
    });
    service.answer(request("GET /", &[("accept-encoding", accept)], Body::Empty)).await
}

#[tokio::test]
async fn a_large_page_comes_compressed_and_whole() {
    for coding in ["gzip", "br"] {
        let headers =
            &[("content-type", "text/html; charset=utf-8"), ("etag", "\"1\""), ("accept-ranges", "bytes")];
        let answer = asked(coding, headers, || page().into()).await;
        assert_eq!(answer.headers()["content-encoding"], coding);
        assert_eq!(answer.headers()["etag"], "W/\"1\"");
        assert_eq!(answer.headers()["vary"], "accept-encoding");
        assert!(!answer.headers().contains_key("accept-ranges"));
        let bytes = whole(answer.into_body()).await.unwrap();
        assert!(bytes.len() < page().len() / 20, "{}", bytes.len());
        assert_eq!(decoded(coding, &bytes), page());
    }
}

#[tokio::test]
async fn who_does_not_accept_it_gets_it_plain_and_caches_are_told() {
    let answer =
        asked("identity", &[("content-type", "text/html"), ("vary", "cookie")], || page().into()).await;
    let vary: Vec<_> = answer.headers().get_all("vary").iter().collect();
    assert_eq!(vary, ["cookie", "accept-encoding"]);
    assert_eq!(text(answer.into_body()).await, page());
}

#[tokio::test]
async fn what_must_stay_stays() {
    let cases: [&'static [(&str, &str)]; 6] = [
        &[("content-type", "image/png")],
        &[],
        &[("content-type", "text/html"), ("content-encoding", "gzip")],
        &[("content-type", "text/html"), ("content-range", "bytes 0-9/10")],
        &[("content-type", "text/html"), ("cache-control", "max-age=1, No-Transform")],
        &[("content-type", "text/html"), ("repr-digest", "sha-256=:x:")],
    ];
    for headers in cases {
        let answer = asked("gzip", headers, || page().into()).await;
        assert!(!answer.headers().contains_key("vary"), "{headers:?}");
        assert_eq!(text(answer.into_body()).await, page(), "{headers:?}");
    }
    let small = asked("gzip", &[("content-type", "text/html")], || PAGE.into()).await;
    assert_eq!(text(small.into_body()).await, PAGE);
}

#[tokio::test]
async fn an_answer_to_head_keeps_its_headers() {
    let service =
        around("compress: {}", async |_| answer(&[("content-type", "text/html"), ("etag", "\"1\"")], page()));
    let answer = service.answer(request("HEAD /", &[("accept-encoding", "gzip")], Body::Empty)).await;
    assert!(!answer.headers().contains_key("content-encoding"));
    assert_eq!(
        (&answer.headers()["etag"], &answer.headers()["vary"]),
        (&"\"1\"".parse().unwrap(), &"accept-encoding".parse().unwrap())
    );
}

#[tokio::test]
async fn each_piece_of_a_stream_goes_out_at_once() {
    for coding in ["gzip", "br"] {
        let mut body = asked(coding, &[("content-type", "text/plain")], || pieces(&[b"one ", b"two"], None))
            .await
            .into_body();
        let mut compressed = Vec::new();
        for so_far in ["one ", "one two"] {
            compressed.extend(body.frame().await.unwrap().unwrap().into_data().unwrap());
            let mut found = vec![0; so_far.len()];
            match coding {
                "gzip" => flate2::read::GzDecoder::new(&*compressed).read_exact(&mut found).unwrap(),
                _ => brotli::Decompressor::new(&*compressed, 4096).read_exact(&mut found).unwrap(),
            }
            assert_eq!(found, so_far.as_bytes());
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_look_complete() {
    let answer = asked("gzip", &[("content-type", "text/plain")], || pieces(&[b"one"], Some("broken"))).await;
    assert_eq!(whole(answer.into_body()).await.unwrap_err(), "broken");
}

#[test]
fn a_type_without_a_slash_is_a_mistake() {
    assert!(mistakes("compress: { types: [html, text/*] }").contains("`html` is not a media type"));
}
