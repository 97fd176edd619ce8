//! Parts of a file.

use super::*;

#[test]
fn one_range_is_sent_alone() {
    let site = Site::of(&[("a.txt", "0123456789")]);
    for (range, text, content_range) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-1", "9", "bytes 9-9/10"),
    ] {
        let answer = site.get_with("/a.txt", &[("range", range)]);
        assert_eq!((answer.status, answer.text()), (206, text));
        assert_eq!(answer.header("content-range"), content_range);
        assert_eq!(answer.header("content-length"), text.len().to_string());
        assert_eq!(answer.header("etag"), site.get("/a.txt").header("etag"));
    }
}

#[test]
fn several_ranges_are_sent_as_parts() {
    let site = Site::of(&[("a.txt", "0123456789")]);
    let answer = site.get_with("/a.txt", &[("range", "bytes=8-, 0-2")]);
    let boundary = answer.header("content-type").strip_prefix("multipart/byteranges; boundary=").unwrap();
    assert_eq!(
        answer.text(),
        format!(
            "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-2/10\r\n\r\n012\r\n\
             --{boundary}--\r\n"
        )
    );
    assert_eq!((answer.status, answer.header("content-range")), (206, ""));
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
}

#[test]
fn boundaries_cannot_be_foreseen() {
    let site = Site::of(&[("a.txt", "0123456789")]);
    let boundary =
        || site.get_with("/a.txt", &[("range", "bytes=0-1,3-4")]).header("content-type").to_owned();
    assert_ne!(boundary(), boundary());
}

#[test]
fn a_range_behind_the_end_is_told_the_size() {
    let answer = Site::of(&[("a.txt", "0123456789")]).get_with("/a.txt", &[("range", "bytes=10-")]);
    assert_eq!((answer.status, answer.header("content-range")), (416, "bytes */10"));
}

#[test]
fn ranges_that_cost_more_than_the_file_give_the_file() {
    let site = Site::of(&[("a.txt", "0123456789")]);
    for range in ["bytes=0-5,3-7", "bytes=0-,0-,0-", "bytes=0-,1-,2-,3-", "chars=1-2", "bytes=x"] {
        let answer = site.get_with("/a.txt", &[("range", range)]);
        assert_eq!(
            (answer.status, answer.text(), answer.header("content-range")),
            (200, "0123456789", ""),
            "{range}"
        );
    }
}

#[test]
fn an_empty_file_is_whole_whatever_is_asked() {
    let answer = Site::of(&[("a.txt", "")]).get_with("/a.txt", &[("range", "bytes=0-99")]);
    assert_eq!((answer.status, answer.text(), answer.header("content-length")), (200, "", "0"));
}

#[test]
fn offsets_beyond_four_gigabytes_are_reached() {
    let site = Site::of(&[("huge.bin", "")]);
    let end = 1_u64 << 40;
    let file = File::options().write(true).open(site.path("huge.bin")).unwrap();
    file.set_len(end).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"end", end - 3).unwrap();
    let answer = site.get_with("/huge.bin", &[("range", "bytes=-5")]);
    assert_eq!(answer.body, b"\0\0end");
    assert_eq!(answer.header("content-range"), format!("bytes {}-{}/{end}", end - 5, end - 1));
    let answer = site.get_with("/huge.bin", &[("range", "bytes=5000000000-5000199999")]);
    assert_eq!((answer.status, answer.body), (206, vec![0; 200_000]));
    assert_eq!(site.send(request(Method::HEAD, "/huge.bin", &[])).header("content-length"), end.to_string());
}
