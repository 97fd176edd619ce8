//! Conditional requests.

use super::*;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

/// A file, its tag, and the status of a GET with these headers; `TAG` stands for the tag.
fn status(headers: &[(&str, &str)]) -> u16 {
    let site = Site::of(&[("a.txt", "hello")]);
    let tag = site.get("/a.txt").header("etag").to_owned();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.replace("TAG", &tag))).collect();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    site.get_with("/a.txt", &headers).status
}

#[test]
fn each_condition_alone() {
    for (name, value, expected) in [
        ("if-none-match", "TAG", 304),
        ("if-none-match", "W/TAG", 304),
        ("if-none-match", "\"other\", \"with, comma\" ,TAG", 304),
        ("if-none-match", "*", 304),
        ("if-none-match", "\"other\"", 200),
        ("if-none-match", "\"unclosed, TAG", 200),
        ("if-none-match", "", 200),
        ("if-modified-since", DATE, 304),
        ("if-modified-since", AFTER, 304),
        ("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT", 304),
        ("if-modified-since", "Sun Nov  6 08:49:37 1994", 304),
        ("if-modified-since", BEFORE, 200),
        ("if-modified-since", "yesterday", 200),
        ("if-match", "TAG", 200),
        ("if-match", "\"other\", TAG", 200),
        ("if-match", "*", 200),
        ("if-match", "W/TAG", 412),
        ("if-match", "\"other\"", 412),
        ("if-unmodified-since", DATE, 200),
        ("if-unmodified-since", AFTER, 200),
        ("if-unmodified-since", BEFORE, 412),
        ("if-unmodified-since", "yesterday", 200),
    ] {
        assert_eq!(status(&[(name, value)]), expected, "{name}: {value}");
    }
}

#[test]
fn conditions_together_are_judged_in_their_order() {
    for (headers, expected) in [
        (vec![("if-match", "TAG"), ("if-unmodified-since", BEFORE)], 200),
        (vec![("if-match", "\"other\""), ("if-none-match", "TAG")], 412),
        (vec![("if-unmodified-since", BEFORE), ("if-none-match", "TAG")], 412),
        (vec![("if-match", "TAG"), ("if-none-match", "TAG")], 304),
        (vec![("if-none-match", "\"other\""), ("if-modified-since", AFTER)], 200),
        (vec![("if-none-match", "TAG"), ("if-modified-since", BEFORE)], 304),
        (vec![("if-none-match", "TAG"), ("range", "bytes=0-1")], 304),
        (vec![("if-match", "\"other\""), ("range", "bytes=9-")], 412),
    ] {
        assert_eq!(status(&headers), expected, "{headers:?}");
    }
}

#[test]
fn if_range_keeps_or_drops_the_range() {
    for (value, expected) in [
        ("TAG", 206),
        (DATE, 206),
        ("W/TAG", 200),
        ("\"other\"", 200),
        (BEFORE, 200),
        (AFTER, 200),
        ("nonsense", 200),
    ] {
        assert_eq!(status(&[("range", "bytes=0-1"), ("if-range", value)]), expected, "{value}");
    }
}

#[test]
fn a_304_repeats_the_tag_and_what_caches_need() {
    let site = Site::with("{ root: www, cache_control: no-cache }", &[("a.txt", "hello")]);
    let whole = site.get("/a.txt");
    assert_eq!(whole.header("last-modified"), DATE);
    let answer = site.get_with("/a.txt", &[("if-none-match", whole.header("etag"))]);
    assert_eq!((answer.status, answer.text()), (304, ""));
    for name in ["etag", "vary", "cache-control"] {
        assert_eq!(answer.header(name), whole.header(name), "{name}");
    }
    for name in ["content-type", "content-length", "last-modified"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
}

#[test]
fn head_is_conditional_too() {
    let site = Site::of(&[("a.txt", "hello")]);
    assert_eq!(site.send(request(Method::HEAD, "/a.txt", &[("if-modified-since", DATE)])).status, 304);
}

#[test]
fn the_tag_changes_with_time_and_size() {
    let site = Site::of(&[("a.txt", "hello")]);
    let tag = || site.get("/a.txt").header("etag").to_owned();
    let first = tag();
    assert!(first.starts_with('"'), "{first}");
    set_modified(&site.path("a.txt"), UNIX_EPOCH + WRITTEN + Duration::from_nanos(1));
    let later = tag();
    write(&site.path("a.txt"), b"hello!");
    assert!(first != later && first != tag() && later != tag());
}

#[test]
fn a_file_just_written_has_a_weak_tag_and_no_strong_date() {
    let site = Site::of(&[("a.txt", "hello")]);
    let now = SystemTime::now();
    set_modified(&site.path("a.txt"), now);
    let answer = site.get("/a.txt");
    let (tag, date) = (answer.header("etag"), answer.header("last-modified"));
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(site.get_with("/a.txt", &[("if-none-match", tag)]).status, 304);
    for condition in [tag, &tag[2..], date] {
        assert_eq!(site.get_with("/a.txt", &[("if-range", condition), ("range", "bytes=0-1")]).status, 200);
    }
}

#[test]
fn a_date_in_the_future_is_not_told() {
    let site = Site::of(&[("a.txt", "hello")]);
    set_modified(&site.path("a.txt"), SystemTime::now() + Duration::from_secs(3600));
    let told = httpdate::parse_http_date(site.get("/a.txt").header("last-modified")).unwrap();
    assert!(told <= SystemTime::now());
}

#[test]
fn a_time_that_says_nothing_validates_nothing() {
    let site = Site::of(&[("a.txt", "hello")]);
    for seconds in [0, 1] {
        set_modified(&site.path("a.txt"), UNIX_EPOCH + Duration::from_secs(seconds));
        let answer = site.get_with("/a.txt", &[("if-modified-since", DATE)]);
        assert_eq!((answer.status, answer.header("etag"), answer.header("last-modified")), (200, "", ""));
        assert_eq!(site.get_with("/a.txt", &[("if-match", "\"a\"")]).status, 412);
    }
}
