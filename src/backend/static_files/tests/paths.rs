//! Which file a path names, and which it never does.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType as Sort, Mode as Permissions, mknodat};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::*;

#[test]
fn a_file_is_served_whole() {
    let answer = Site::of(&[("a/b.txt", "hello")]).get("/a/b.txt");
    assert_eq!((answer.status, answer.text()), (200, "hello"));
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("content-length"), "5");
    assert_eq!(answer.header("accept-ranges"), "bytes");
}

#[test]
fn head_is_get_without_the_body() {
    let site = Site::of(&[("a.txt", "hello")]);
    let (get, head) =
        (site.get("/a.txt"), site.send(request(Method::HEAD, "/a.txt", &[("range", "bytes=0-1")])));
    assert_eq!((head.status, head.text()), (200, ""));
    assert_eq!(head.headers, get.headers);
}

#[test]
fn other_methods_are_refused() {
    let site = Site::of(&[("a.txt", "hello")]);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = site.send(request(method, "/a.txt", &[]));
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
    }
}

#[test]
fn names_are_bytes() {
    let site = Site::of(&[("caf\u{e9} #1?.txt", "utf-8"), ("a%2Fb", "percent")]);
    write(&site.path("").join(OsStr::from_bytes(b"\xff.txt")), b"latin-1");
    assert_eq!(site.get("/caf%C3%A9%20%231%3F.txt").text(), "utf-8");
    assert_eq!(site.get("/%FF.txt").text(), "latin-1");
    assert_eq!(site.get("/a%252Fb").text(), "percent");
}

#[test]
fn a_folder_answers_with_its_first_index() {
    let site = Site::with(
        "{ root: www, index: [index.html, index.txt] }",
        &[("a/index.txt", "second"), ("b/index.txt", "second"), ("b/index.html", "first"), ("c/other", "")],
    );
    assert_eq!(site.get("/a/").text(), "second");
    assert_eq!(site.get("/b/").text(), "first");
    assert_eq!(site.get("/b/").header("content-type"), "text/html; charset=utf-8");
    assert_eq!(site.get("/c/").status, 404);
    assert_eq!(site.get("/").status, 404);
}

#[test]
fn without_index_folders_have_no_answer() {
    let site = Site::with("{ root: www, index: [] }", &[("index.html", "hello")]);
    assert_eq!(site.get("/").status, 404);
    assert_eq!(site.get("/index.html").status, 200);
}

#[test]
fn a_folder_without_its_slash_redirects() {
    let site = Site::of(&[("a b/c%3F/index.html", "")]);
    for (target, location) in [
        ("/a%20b", "/a%20b/"),
        ("/a%20b/c%253F?d=%20e&f", "/a%20b/c%253F/?d=%20e&f"),
        ("//a%20b", "/a%20b/"),
        ("///a%20b/..//a%20b", "/a%20b/"),
    ] {
        let answer = site.get(target);
        assert_eq!((answer.status, answer.header("location")), (301, location), "{target}");
    }
}

#[test]
fn redirects_keep_the_mount() {
    let site = Site::of(&[("sub/index.html", "")]);
    for (target, location) in [("/app", "/pre%20fix/app/"), ("/app/sub", "/pre%20fix/app/sub/")] {
        let mut request = request(Method::GET, target, &[]);
        let environ = request.extensions_mut().get_mut::<Environ>().unwrap();
        environ.prefix = Box::from(*b"/pre fix");
        assert!(environ.path_mut().mount("/app"));
        assert_eq!(site.send(request).header("location"), location);
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let long = format!("/{}", "x".repeat(300));
    let deep = "/x".repeat(4000);
    let site = Site::of(&[("a.txt", "hello"), ("sub/b.txt", "")]);
    for target in ["/b.txt", "/a.txt/", "/a.txt/b", "/sub%2Fb.txt", "/sub%2fb.txt", &long, &deep] {
        assert_eq!(site.get(target).status, 404, "{target}");
    }
}

#[test]
fn links_are_followed_while_they_stay_inside() {
    let site = Site::of(&[("a.txt", "hello"), ("sub/b.txt", "")]);
    symlink("../a.txt", site.path("sub/inside.txt")).unwrap();
    symlink("sub", site.path("folder")).unwrap();
    assert_eq!(site.get("/sub/inside.txt").text(), "hello");
    assert_eq!(site.get("/folder/inside.txt").text(), "hello");
}

#[test]
fn nothing_outside_of_the_root_is_reached() {
    let site = Site::of(&[("sub/index.html", "")]);
    let secret = site.folder.path().join("secret.txt");
    fs::write(&secret, "secret").unwrap();
    symlink("../secret.txt", site.path("relative.txt")).unwrap();
    symlink(&secret, site.path("absolute.txt")).unwrap();
    symlink("..", site.path("up")).unwrap();
    symlink("../../secret.txt", site.path("sub/deep.txt")).unwrap();
    symlink("/proc/self/root", site.path("magic")).unwrap();
    symlink("loop", site.path("loop")).unwrap();
    for target in [
        "/relative.txt",
        "/absolute.txt",
        "/up/secret.txt",
        "/up/",
        "/up",
        "/sub/deep.txt",
        "/magic/etc/passwd",
        "/loop",
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/sub/%2E%2E/..%5Csecret.txt",
        "//secret.txt",
        "/www/../secret.txt",
    ] {
        let answer = site.get(target);
        assert_eq!(answer.status, 404, "{target}");
        assert!(!answer.text().contains("secret"), "{target}");
    }
}

#[test]
fn only_regular_files_are_served() {
    let site = Site::of(&[]);
    mknodat(CWD, site.path("pipe"), Sort::Fifo, Permissions::RUSR | Permissions::WUSR, 0).unwrap();
    let _socket = UnixListener::bind(site.path("socket")).unwrap();
    symlink("pipe", site.path("index.html")).unwrap();
    for target in ["/pipe", "/socket", "/"] {
        assert_eq!(site.get(target).status, 404, "{target}");
    }
}

#[test]
fn names_that_begin_with_a_dot_do_not_exist() {
    let files = [
        (".env", "secret"),
        (".git/config", "secret"),
        ("a/.b/c", "secret"),
        ("a/.well-known/c", "secret"),
        (".well-known/.d", "secret"),
        (".well-knownish", "secret"),
        (".well-known/security.txt", "public"),
        ("a..txt", "public"),
    ];
    let (closed, open) = (Site::of(&files), Site::with("{ root: www, dotfiles: true }", &files));
    for (path, text) in files {
        let target = format!("/{path}");
        assert_eq!(closed.get(&target).status, if text == "public" { 200 } else { 404 }, "{path}");
        assert_eq!(open.get(&target).text(), text, "{path}");
    }
}

/// The superuser may read all files, so the thread that serves gives up that power first.
#[test]
fn a_file_that_may_not_be_read_is_forbidden() {
    let site = Site::of(&[("a.txt", "hello"), ("closed/b.txt", "hello")]);
    fs::set_permissions(site.path("a.txt"), fs::Permissions::from_mode(0o0)).unwrap();
    fs::set_permissions(site.path("closed"), fs::Permissions::from_mode(0o0)).unwrap();
    let statuses = std::thread::scope(|scope| {
        let serving = scope.spawn(|| {
            let mut sets = capabilities(None).unwrap();
            sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
            set_capabilities(None, sets).unwrap();
            ["/a.txt", "/closed/b.txt"].map(|target| site.get(target).status)
        });
        serving.join().unwrap()
    });
    assert_eq!(statuses, [403, 403]);
    fs::set_permissions(site.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn types_and_cache_control_are_the_user_s() {
    let yaml = "{ root: www, cache_control: \"max-age=60\", types: { .txt: text/x-own, LOG: text/plain } }";
    let site = Site::with(yaml, &[("a.txt", ""), ("b.log", ""), ("c", "")]);
    for (target, media_type) in
        [("/a.txt", "text/x-own"), ("/b.log", "text/plain"), ("/c", "application/octet-stream")]
    {
        let answer = site.get(target);
        assert_eq!(
            (answer.header("content-type"), answer.header("cache-control")),
            (media_type, "max-age=60")
        );
    }
}

#[test]
fn mistakes_are_told_when_the_file_is_read() {
    for (yaml, told) in [
        ("{}", "`root` is missing"),
        ("{ root: www, index: a/b.html }", "`a/b.html` is not the name of a file"),
        ("{ root: www, precompressed: [gz] }", "allowed here: br, zstd, gzip"),
        ("{ root: www, cache_control: \"a\\nb\" }", "is not understood"),
        ("{ root: www, types: { txt: \"a\\nb\" } }", "is not understood"),
        ("{ root: www, indx: a.html }", "did you mean `index`?"),
    ] {
        let mistakes = from_yaml::settings(&KIND, yaml, Path::new("")).err().unwrap();
        assert!(mistakes.contains(told), "{yaml}: {mistakes}");
    }
}

#[test]
fn a_root_that_is_no_folder_is_told_with_its_place() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for (yaml, reason) in [("root: nowhere", "No such file"), ("root: file", "Not a directory")] {
        let settings = from_yaml::settings(&KIND, yaml, folder.path()).unwrap();
        let mistake = build(settings.get()).err().unwrap();
        assert!(mistake.message().contains(reason), "{mistake:?}");
        assert_eq!((mistake.place().unwrap().line(), mistake.place().unwrap().column()), (1, 7));
    }
}
