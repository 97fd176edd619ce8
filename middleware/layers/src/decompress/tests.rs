use std::io::Write;

use super::*;
use crate::BoxService;
use crate::testing::{answer, around, pieces, request, text, whole};

fn encoded(coding: &str, data: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    match coding {
        "gzip" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
            writer.write_all(data).unwrap();
            writer.finish().unwrap()
        }
        "deflate" => {
            let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), level);
            writer.write_all(data).unwrap();
            writer.finish().unwrap()
        }
        _ => {
            let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
            writer.write_all(data).unwrap();
            writer.into_inner()
        }
    }
}

/// Answers the body that it gets, or that it failed.
fn echo(settings: &str) -> BoxService {
    around(&format!("decompress: {settings}"), async |request| {
        assert!(!request.headers().contains_key(CONTENT_ENCODING));
        match whole(request.into_body()).await {
            Ok(bytes) => Response::new(Body::from(bytes::Bytes::from(bytes))),
            Err(error) => Response::new(Body::from(error)),
        }
    })
}

async fn sent(settings: &str, coding: &str, body: impl Into<Body>) -> Response {
    echo(settings).answer(request("POST /", &[("content-encoding", coding)], body)).await
}

fn bytes(data: Vec<u8>) -> Body {
    bytes::Bytes::from(data).into()
}

/// A body that is neither short nor simple, of 80 kB.
fn document() -> String {
    let numbers = (0..12_000u32).map(|number| number.wrapping_mul(2_654_435_761) % 999_983);
    numbers.map(|number| number.to_string() + " ").collect()
}

#[tokio::test]
async fn what_was_encoded_comes_out_whole() {
    for coding in ["gzip", "deflate", "br", "x-gzip"] {
        let body = encoded(coding.trim_start_matches("x-"), document().as_bytes());
        assert_eq!(text(sent("{}", coding, bytes(body)).await.into_body()).await, document(), "{coding}");
    }
}

#[tokio::test]
async fn bytes_may_come_one_by_one() {
    for coding in ["gzip", "deflate", "br"] {
        let body: &'static [u8] = encoded(coding, b"hello, hello, hello").leak();
        let single: Vec<&'static [u8]> = body.chunks(1).collect();
        let answer = sent("{}", coding, pieces(&single, None)).await;
        assert_eq!(text(answer.into_body()).await, "hello, hello, hello", "{coding}");
    }
}

#[tokio::test]
async fn members_of_gzip_are_joined() {
    let body = [encoded("gzip", b"one "), encoded("gzip", b"two")].concat();
    assert_eq!(text(sent("{}", "gzip", bytes(body)).await.into_body()).await, "one two");
}

#[tokio::test]
async fn a_bomb_is_cut_off_at_the_limit() {
    for coding in ["gzip", "deflate", "br"] {
        let bomb = encoded(coding, &vec![0; 300 << 10]);
        assert!(bomb.len() < 1_000);
        assert_eq!(sent("{ max: 100KiB }", coding, bytes(bomb.clone())).await.status(), 413, "{coding}");
        let answer = sent("{ max: 300KiB }", coding, bytes(bomb)).await;
        assert_eq!(whole(answer.into_body()).await.unwrap().len(), 300 << 10);
    }
}

#[tokio::test]
async fn a_broken_body_gets_400() {
    for coding in ["gzip", "deflate", "br"] {
        let good = encoded(coding, document().as_bytes());
        let cut = good[..good.len() - 9].to_vec();
        let followed = [&good[..], b"garbage"].concat();
        for broken in [cut, followed, b"no such thing at all".to_vec()] {
            assert_eq!(sent("{}", coding, bytes(broken)).await.status(), 400, "{coding}");
        }
        assert_eq!(sent("{}", coding, Body::Empty).await.status(), 400, "{coding}");
    }
}

#[tokio::test]
async fn an_unknown_coding_gets_415_with_those_that_are_known() {
    for coding in ["zstd", "gzip, br"] {
        let answer = sent("{}", coding, "x").await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["accept-encoding"]),
            (415, &"br, gzip, deflate".parse().unwrap())
        );
    }
    assert_eq!(text(echo("{}").answer(request("POST /", &[], "x")).await.into_body()).await, "x");
}

#[tokio::test]
async fn answers_are_decoded_where_asked() {
    let headers = [("content-encoding", "gzip"), ("etag", "\"1\""), ("content-length", "9")];
    let inner = move |_| async move { answer(&headers, bytes(encoded("gzip", b"text"))) };
    let plain = around("decompress: { on: response }", inner).answer(crate::testing::get("/")).await;
    assert_eq!(plain.headers()["etag"], "W/\"1\"");
    assert!(
        !plain.headers().contains_key("content-length") && !plain.headers().contains_key("content-encoding")
    );
    assert_eq!(text(plain.into_body()).await, "text");
    let untouched = around("decompress: { on: request }", inner).answer(crate::testing::get("/")).await;
    assert_eq!(untouched.headers()["content-encoding"], "gzip");
}

#[tokio::test]
async fn an_answer_over_the_limit_breaks_off() {
    let service = around("decompress: { on: response, max: 3 }", async |_| {
        answer(&[("content-encoding", "br")], bytes(encoded("br", b"text")))
    });
    let answer = service.answer(crate::testing::get("/")).await;
    assert!(whole(answer.into_body()).await.unwrap_err().contains("more than 3 bytes"));
}
