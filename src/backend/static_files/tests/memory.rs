//! What is kept in memory, and for how long. The clock is the test's own.

use std::time::Instant;

use http_environ::RequestId;
use vestibule_layers::Response;

use super::*;

/// A site whose files have long been there, at a time of the test's choosing.
struct Kept {
    files: Files,
    folder: TempDir,
    start: Moment,
}

impl Kept {
    fn of(yaml: &str, list: &[(&str, &str)]) -> Self {
        let Site { folder, .. } = Site::with(yaml, list);
        let settings = from_yaml::settings(&KIND, yaml, folder.path()).unwrap();
        let now = Moment::now();
        let start = Moment { date: now.date + Duration::from_hours(1), ..now };
        Self { files: files(settings.get()).unwrap(), folder, start }
    }

    /// The answer at a time after the start.
    fn answer_at(&self, milliseconds: u64, target: &str, headers: &[(&str, &str)]) -> Response {
        let after = Duration::from_millis(milliseconds);
        let now = Moment { instant: self.start.instant + after, date: self.start.date + after };
        let request = request(Method::GET, target, headers);
        self.files.remembered(&View::of(&request), now.instant).unwrap_or_else(|| {
            let answer = block_on(self.files.answer(View::of(&request), now));
            answer.unwrap_or_else(|failure| failure.answer(&RequestId::default()))
        })
    }

    fn at(&self, milliseconds: u64, target: &str, headers: &[(&str, &str)]) -> Answered {
        let (head, body) = self.answer_at(milliseconds, target, headers).into_parts();
        let body = block_on(all(body)).unwrap();
        Answered { status: head.status.as_u16(), headers: head.headers, body }
    }

    fn text_at(&self, milliseconds: u64, target: &str) -> String {
        self.at(milliseconds, target, &[]).text().to_owned()
    }

    fn write(&self, path: &str, text: &str) {
        write(&self.folder.path().join("www").join(path), text.as_bytes());
    }
}

#[test]
fn a_change_is_seen_after_a_second_and_not_before() {
    let site = Kept::of("root: www", &[("a.txt", "old")]);
    assert_eq!((site.text_at(0, "/a.txt"), site.text_at(500, "/a.txt")), ("old".into(), "old".into()));
    site.write("a.txt", "newer");
    let late = site.at(1499, "/a.txt", &[]);
    assert_eq!((late.text(), late.header("content-length")), ("old", "3"));
    let renewed = site.at(1500, "/a.txt", &[]);
    assert_eq!((renewed.text(), renewed.header("content-length")), ("newer", "5"));
}

#[test]
fn a_change_that_keeps_size_and_time_of_modification_is_seen() {
    let site = Kept::of("root: www", &[("a.txt", "old")]);
    assert_eq!((site.text_at(0, "/a.txt"), site.text_at(1, "/a.txt")), ("old".into(), "old".into()));
    // `write` dates every file alike.
    site.write("a.txt", "new");
    assert_eq!((site.text_at(1000, "/a.txt"), site.text_at(1001, "/a.txt")), ("old".into(), "new".into()));
}

#[test]
fn what_has_not_changed_is_trusted_again_and_not_read_again() {
    let site = Kept::of("root: www", &[("a.txt", "text")]);
    site.at(0, "/a.txt", &[]);
    site.at(1, "/a.txt", &[]);
    let pointer = |answer: Body| match answer {
        Body::Bytes(bytes) => bytes.as_ptr(),
        other => panic!("{other:?} is not in memory"),
    };
    let times = [2, 1001, 1002];
    let pointers = times.map(|time| pointer(site.answer_at(time, "/a.txt", &[]).into_body()));
    assert!(pointers.iter().all(|pointer| *pointer == pointers[0]), "{pointers:?}");
    site.write("a.txt", "gone");
    assert_eq!(site.text_at(2000, "/a.txt"), "text");
    assert_eq!(site.text_at(2001, "/a.txt"), "gone");
}

#[test]
fn the_first_request_keeps_nothing() {
    let site = Kept::of("root: www", &[("a.txt", "old")]);
    assert_eq!(site.text_at(0, "/a.txt"), "old");
    site.write("a.txt", "new");
    assert_eq!(site.text_at(1, "/a.txt"), "new");
}

#[test]
fn two_requests_that_are_far_apart_keep_nothing() {
    let site = Kept::of("root: www", &[("a.txt", "old")]);
    assert_eq!((site.text_at(0, "/a.txt"), site.text_at(1000, "/a.txt")), ("old".into(), "old".into()));
    site.write("a.txt", "new");
    assert_eq!(site.text_at(1001, "/a.txt"), "new");
}

#[test]
fn a_file_that_was_just_changed_is_not_kept() {
    let mut site = Kept::of("root: www", &[("a.txt", "old")]);
    site.start = Moment { instant: Instant::now(), date: SystemTime::now() };
    assert_eq!((site.text_at(0, "/a.txt"), site.text_at(1, "/a.txt")), ("old".into(), "old".into()));
    site.write("a.txt", "new");
    assert_eq!(site.text_at(2, "/a.txt"), "new");
}

#[test]
fn nothing_is_kept_where_the_time_is_zero() {
    let site = Kept::of("{ root: www, cache: 0s }", &[("a.txt", "old")]);
    assert_eq!((site.text_at(0, "/a.txt"), site.text_at(1, "/a.txt")), ("old".into(), "old".into()));
    site.write("a.txt", "new");
    assert_eq!(site.text_at(2, "/a.txt"), "new");
}

#[test]
fn a_removed_file_is_gone_after_a_second_and_a_new_one_there_at_once() {
    let site = Kept::of("root: www", &[("a.txt", "text")]);
    site.at(0, "/a.txt", &[]);
    site.at(1, "/a.txt", &[]);
    fs::remove_file(site.folder.path().join("www/a.txt")).unwrap();
    assert_eq!((site.at(2, "/a.txt", &[]).status, site.at(1001, "/a.txt", &[]).status), (200, 404));
    site.write("a.txt", "again");
    assert_eq!(site.text_at(1002, "/a.txt"), "again");
}

#[test]
fn roots_and_codings_do_not_mix() {
    let one = Kept::of("root: www", &[("a.txt", "one"), ("a.txt.gz", "one, zipped")]);
    let other = Kept::of("root: www", &[("a.txt", "other")]);
    for time in 0..4 {
        assert_eq!(
            (one.text_at(time, "/a.txt"), other.text_at(time, "/a.txt")),
            ("one".into(), "other".into())
        );
        let zipped = one.at(time, "/a.txt", &[("accept-encoding", "gzip, br")]);
        assert_eq!((zipped.text(), zipped.header("content-encoding")), ("one, zipped", "gzip"));
        assert_eq!(one.at(time, "/a.txt", &[("accept-encoding", "gzip;q=0")]).text(), "one");
    }
}

#[test]
fn an_answer_from_memory_is_like_the_first() {
    let site =
        Kept::of("{ root: www, cache_control: no-cache }", &[("index.html", "<p>"), ("index.html.gz", "z")]);
    let headers = [("accept-encoding", "gzip")];
    let first = site.at(0, "/", &headers);
    for time in [1, 2, 1003] {
        let next = site.at(time, "/", &headers);
        assert_eq!((next.status, &next.headers, &next.body), (first.status, &first.headers, &first.body));
    }
}

#[test]
fn conditions_and_ranges_hold_for_what_is_kept() {
    let site = Kept::of("root: www", &[("a.txt", "0123456789")]);
    let tag = site.at(0, "/a.txt", &[]).header("etag").to_owned();
    site.at(1, "/a.txt", &[]);
    let unchanged = site.at(2, "/a.txt", &[("if-none-match", &tag)]);
    assert_eq!((unchanged.status, unchanged.header("etag"), unchanged.body.len()), (304, tag.as_str(), 0));
    assert_eq!(site.at(2, "/a.txt", &[("if-match", "\"other\"")]).status, 412);
    let part = site.at(2, "/a.txt", &[("range", "bytes=2-3")]);
    assert_eq!((part.status, part.text()), (206, "23"));
}
