//! Precompressed files beside the plain ones.

use super::*;

const FILES: [(&str, &str); 5] = [
    ("a.js", "plain"),
    ("a.js.br", "brotli"),
    ("a.js.zst", "zstd"),
    ("a.js.gz", "gzip"),
    ("photo.jpg.gz", "gzip"),
];

#[test]
fn the_client_and_then_the_configuration_choose() {
    let site = Site::of(&FILES);
    for (accepted, coding, text) in [
        ("gzip, deflate, br, zstd", "br", "brotli"),
        ("gzip, zstd", "zstd", "zstd"),
        ("gzip", "gzip", "gzip"),
        ("gzip;q=1, br;q=0.5", "gzip", "gzip"),
        ("br;q=0", "", "plain"),
        ("deflate", "", "plain"),
    ] {
        let answer = site.get_with("/a.js", &[("accept-encoding", accepted)]);
        assert_eq!((answer.header("content-encoding"), answer.text()), (coding, text), "{accepted}");
        assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(answer.header("content-length"), text.len().to_string());
        assert_eq!(answer.header("vary"), "accept-encoding");
    }
}

#[test]
fn each_coding_has_its_own_tag() {
    let same_size = [("a.js", "abcd"), ("a.js.br", "abcd"), ("a.js.zst", "abcd"), ("a.js.gz", "abcd")];
    let site = Site::of(&same_size);
    let tag = |accepted| site.get_with("/a.js", &[("accept-encoding", accepted)]).header("etag").to_owned();
    let mut tags = vec![tag("identity"), tag("br"), tag("zstd"), tag("gzip")];
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4);
    assert_eq!(
        site.get_with("/a.js", &[("accept-encoding", "br"), ("if-none-match", &tag("br"))]).status,
        304
    );
    assert_eq!(
        site.get_with("/a.js", &[("accept-encoding", "br"), ("if-none-match", &tag("gzip"))]).status,
        200
    );
}

#[test]
fn without_a_sibling_the_plain_file_is_sent() {
    let site = Site::of(&[("a.js", "plain"), ("b.js", "plain"), ("b.js.gz/c", "")]);
    for target in ["/a.js", "/b.js"] {
        let answer = site.get_with(target, &[("accept-encoding", "gzip")]);
        assert_eq!((answer.status, answer.header("content-encoding"), answer.text()), (200, "", "plain"));
        assert_eq!(answer.header("vary"), "accept-encoding");
    }
}

#[test]
fn a_sibling_alone_stands_for_nothing_but_itself() {
    let site = Site::of(&FILES);
    assert_eq!(site.get_with("/photo.jpg", &[("accept-encoding", "gzip")]).status, 404);
    let itself = site.get("/photo.jpg.gz");
    assert_eq!((itself.header("content-type"), itself.header("content-encoding")), ("application/gzip", ""));
}

#[test]
fn types_that_are_compressed_in_themselves_are_not_looked_for() {
    let site = Site::of(&[("photo.jpg", "plain"), ("photo.jpg.gz", "gzip")]);
    let answer = site.get_with("/photo.jpg", &[("accept-encoding", "gzip")]);
    assert_eq!((answer.text(), answer.header("vary")), ("plain", ""));
}

#[test]
fn the_list_can_be_shorter_or_empty() {
    for (yaml, coding, vary) in [
        ("{ root: www, precompressed: gzip }", "gzip", "accept-encoding"),
        ("{ root: www, precompressed: [zstd, br] }", "zstd", "accept-encoding"),
        ("{ root: www, precompressed: [] }", "", ""),
    ] {
        let answer = Site::with(yaml, &FILES).get_with("/a.js", &[("accept-encoding", "br, zstd, gzip")]);
        assert_eq!((answer.header("content-encoding"), answer.header("vary")), (coding, vary), "{yaml}");
    }
}

#[test]
fn an_index_has_siblings_too() {
    let site = Site::of(&[("index.html", "plain"), ("index.html.gz", "gzip")]);
    assert_eq!(site.get_with("/", &[("accept-encoding", "gzip")]).text(), "gzip");
}

#[test]
fn ranges_are_of_what_is_sent() {
    let site = Site::of(&FILES);
    let answer = site.get_with("/a.js", &[("accept-encoding", "br"), ("range", "bytes=1-2")]);
    assert_eq!((answer.status, answer.text(), answer.header("content-range")), (206, "ro", "bytes 1-2/6"));
    assert_eq!(answer.header("content-encoding"), "br");
}
