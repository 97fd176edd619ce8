//! The bytes on their way.

use http_body::Body as _;
use rustix::fs::{Advice, fadvise};

use super::*;

/// Bytes of which every chunk is different.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at / 251 + at) % 256).unwrap()).collect()
}

#[test]
fn every_size_arrives_whole() {
    let site = Site::of(&[]);
    let chunk = 64 << 10;
    for length in [0, 1, chunk / 4, chunk / 4 + 1, chunk - 1, chunk, chunk + 1, 3 * chunk + 7] {
        write(&site.path("a.bin"), &bytes(length));
        let answer = site.get("/a.bin");
        assert!(answer.body == bytes(length), "{length}");
        assert_eq!(answer.header("content-length"), length.to_string());
    }
}

#[test]
fn a_file_that_a_disk_has_to_bring_arrives_whole() {
    let site = Site::of(&[]);
    for length in [100, 200_000] {
        write(&site.path("a.bin"), &bytes(length));
        let file = File::open(site.path("a.bin")).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        assert!(site.get("/a.bin").body == bytes(length), "{length}");
    }
}

#[test]
fn several_ranges_of_a_large_file_arrive_whole() {
    let site = Site::of(&[]);
    let all = bytes(500_000);
    write(&site.path("a.bin"), &all);
    let body = site.get_with("/a.bin", &[("range", "bytes=0-149999,300000-499999")]).body;
    for part in [&all[..150_000], &all[300_000..]] {
        assert!(body.windows(part.len()).any(|window| window == part));
    }
}

#[test]
fn a_body_knows_its_length_from_the_start() {
    let site = Site::of(&[]);
    write(&site.path("a.bin"), &bytes(200_000));
    let answer = block_on(site.service.answer(request(Method::GET, "/a.bin", &[])));
    assert_eq!(answer.body().size_hint().exact(), Some(200_000));
    assert!(!answer.body().is_end_stream());
}

#[test]
fn a_file_that_shrinks_meanwhile_breaks_the_body_off() {
    let site = Site::of(&[]);
    write(&site.path("a.bin"), &bytes(200_000));
    let failed = block_on(async {
        let answer = site.service.answer(request(Method::GET, "/a.bin", &[])).await;
        File::options().write(true).open(site.path("a.bin")).unwrap().set_len(100_000).unwrap();
        all(answer.into_body()).await
    });
    assert!(failed.unwrap_err().to_string().contains("shorter"));
}

#[test]
fn of_a_file_that_grows_meanwhile_only_what_was_promised_is_sent() {
    let site = Site::of(&[]);
    write(&site.path("a.bin"), &bytes(200_000));
    let body = block_on(async {
        let answer = site.service.answer(request(Method::GET, "/a.bin", &[])).await;
        fs::write(site.path("a.bin"), bytes(300_000)).unwrap();
        all(answer.into_body()).await
    });
    assert!(body.unwrap() == bytes(200_000));
}
