//! `stylesheet: from_document`: feeds, harvests and sitemaps that name their sheets themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Answer, TestGateway, Upstream, eventually};

/// What Firefox asks for; Chromium and Safari do so too, as far as it matters.
const BROWSER: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const READER: &str =
    "Accept: application/rss+xml, application/atom+xml;q=0.9, application/xml;q=0.8, */*;q=0.1";
const HARVESTER: &str = "User-Agent: harvester/1.0";

const FROM_FOLDER: &str = "routes:
  - layers: [ { xslt: { stylesheet: from_document, sheets: style } } ]
    static: { root: . }";

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/xslt/samples")
}

fn sample(name: &str) -> String {
    fs::read_to_string(samples().join(name)).expect("it is one of our files")
}

const SHEETS: [&str; 5] =
    ["style/rss.xsl", "style/atom.xsl", "style/oai2.xsl", "style/main-sitemap.xsl", "style/page.xsl"];

/// Starts a gateway beside the samples and their sheets.
fn start(yaml: &str) -> TestGateway {
    let files: Vec<_> = SHEETS
        .into_iter()
        .chain(["blog.rss", "changes.atom", "oai.xml", "sitemap.xml"])
        .map(|name| (name, sample(name)))
        .collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    TestGateway::with_files(yaml, &files)
}

fn ask(gateway: &TestGateway, path: &str, headers: &[&str]) -> Answer {
    gateway.connect().request("GET", path, headers, "").expect("an answer")
}

/// Whether the answer says that it depends on Accept.
fn varies(answer: &Answer) -> bool {
    answer.headers.contains(&("vary".to_owned(), "Accept".to_owned()))
}

#[track_caller]
fn is_page(answer: &Answer, title: &str) {
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text}");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{text}");
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    assert!(varies(answer));
    assert!(text.contains(&format!("<h1>{title}</h1>")), "{title}: {text}");
}

#[test]
fn a_browser_gets_a_page_and_everybody_else_the_document() {
    let gateway = start(FROM_FOLDER);
    for (name, media_type, title, item) in [
        (
            "blog.rss",
            "application/rss+xml",
            "Notes from the weir",
            "The eels are &lt;back&gt;</a> by Åse Bråten,",
        ),
        ("changes.atom", "application/atom+xml", "Changes of the register", "read <ins>three</ins>"),
        ("oai.xml", "text/xml", "ListRecords of https://repository.example/oai", "Kovač, Matej"),
        ("sitemap.xml", "text/xml", "Sitemap of 2 pages", "https://weir.example/</a>, 1 images"),
    ] {
        let page = ask(&gateway, &format!("/{name}"), &[BROWSER]);
        is_page(&page, title);
        assert!(page.text().contains(item), "{item}: {}", page.text());
        for other in [READER, HARVESTER] {
            let document = ask(&gateway, &format!("/{name}"), &[other]);
            assert_eq!((document.status, document.text()), (200, sample(name)), "{name} {other}");
            assert_eq!(document.header("content-type"), Some(media_type));
            assert!(varies(&document));
            assert!(document.header("last-modified").is_some() && document.header("etag").is_some());
        }
    }
}

#[test]
fn what_names_no_sheet_and_what_is_no_xml_stays_as_it_is() {
    let gateway = start(FROM_FOLDER);
    gateway.write("plain.xml", "<?xml version='1.0'?><plain/>");
    gateway.write("plain.txt", "<?xml-stylesheet type='text/xsl' href='style/rss.xsl'?><a/>");
    let document = ask(&gateway, "/plain.xml", &[BROWSER]);
    assert_eq!(document.text(), "<?xml version='1.0'?><plain/>");
    assert_eq!((document.header("content-type"), varies(&document)), (Some("text/xml"), true));
    let text = ask(&gateway, "/plain.txt", &[BROWSER]);
    assert_eq!((text.header("content-type"), varies(&text)), (Some("text/plain; charset=utf-8"), false));
    let tag = document.header("etag").expect("static files have tags");
    let again = ask(&gateway, "/plain.xml", &[BROWSER, &format!("If-None-Match: {tag}")]);
    assert_eq!((again.status, again.body.len(), varies(&again)), (304, 0, true));
}

#[test]
fn a_page_is_confirmed_by_its_tag_until_its_sheet_changes() {
    let gateway = start(FROM_FOLDER);
    let page = ask(&gateway, "/blog.rss", &[BROWSER]);
    let known = format!("If-None-Match: {}", page.header("etag").expect("the document has a tag"));
    assert_eq!(page.header("last-modified"), None, "the sheet may be newer");
    let again = ask(&gateway, "/blog.rss", &[BROWSER, &known]);
    assert_eq!((again.status, again.header("etag"), again.body.len()), (304, page.header("etag"), 0));
    // The tag of the document is not that of the page, nor the other way round.
    let document = ask(&gateway, "/blog.rss", &[READER, &known]);
    assert_eq!((document.status, document.text()), (200, sample("blog.rss")));
    let of_document = format!("If-None-Match: {}", document.header("etag").expect("it has a tag"));
    is_page(&ask(&gateway, "/blog.rss", &[BROWSER, &of_document]), "Notes from the weir");
    assert_eq!(ask(&gateway, "/blog.rss", &[READER, &of_document]).status, 304);
    // An import of the sheet counts.
    gateway.write("style/page.xsl", &sample("style/page.xsl").replace("<h1>", "<h1>Changed: "));
    is_page(&ask(&gateway, "/blog.rss", &[BROWSER, &known]), "Changed: Notes from the weir");
}

#[test]
fn head_tells_nothing_that_only_the_document_could() {
    let gateway = start(FROM_FOLDER);
    let mut client = gateway.connect();
    client.send(format!("HEAD /blog.rss HTTP/1.1\r\nHost: test\r\n{BROWSER}\r\n\r\n")).unwrap();
    let head = client.head().unwrap();
    assert_eq!((head.status, varies(&head)), (200, true));
    for name in ["content-type", "content-length", "etag", "last-modified"] {
        assert_eq!(head.header(name), None, "{name}");
    }
    is_page(&client.request("GET", "/blog.rss", &[BROWSER], "").unwrap(), "Notes from the weir");
}

#[test]
fn a_sheet_that_is_not_listed_is_not_applied() {
    let gateway = start(FROM_FOLDER);
    for href in
        ["/vestibule.yaml", "../style.xsl", "http://evil.example/a.xsl", "file:///etc/passwd", "#embedded"]
    {
        gateway.write("a.xml", &format!("<?xml-stylesheet type='text/xsl' href='{href}'?><a/>"));
        let answer = ask(&gateway, "/a.xml", &[BROWSER]);
        assert_eq!(answer.status, 500, "{href}: {}", answer.text());
    }
    gateway.log().wait_for_texts(&["give access to http://evil.example/a.xsl", "V-TRANSFORM"]);
    assert_eq!(ask(&gateway, "/a.xml", &[READER]).status, 200);
}

#[test]
fn a_broken_sheet_is_told_with_its_place_and_mended_without_a_reload() {
    let gateway = start(FROM_FOLDER);
    gateway.write(
        "style/rss.xsl",
        &sample("style/rss.xsl").replace("select=\"channel/title\"", "select=\"channel/\""),
    );
    assert_eq!(ask(&gateway, "/blog.rss", &[BROWSER]).status, 500);
    let line = gateway.log().wait_for_text("V-TRANSFORM");
    assert!(line.contains("style/rss.xsl:7:7") && line.contains("with-param"), "{line}");
    gateway.write("style/rss.xsl", &sample("style/rss.xsl"));
    is_page(&ask(&gateway, "/blog.rss", &[BROWSER]), "Notes from the weir");
}

/// The sheets are answered by a route that knows its clients.
const FROM_ROUTE: &str = "
layers: [ { concurrency_limit: { max: 1 } } ]
routes:
  - mount: /style
    layers: [ access_log, { basic_auth: { users: { reader: \"$2y$04$DpGrWnzTEheyyhsZsqDZyuDQWGHVmF7NLzkQJgBJXqVGU7ok74Ldm\" } } } ]
    static: { root: style }
  - layers: [ { xslt: { stylesheet: from_document, sheets: \"route:/style\" } } ]
    static: { root: . }";

#[test]
fn a_broken_sheet_lets_the_document_pass_until_it_is_mended() {
    let settings = "sheets: style, on_error: pass, cache: 1MiB";
    let gateway = start(&FROM_FOLDER.replace("sheets: style", settings));
    gateway.write("style/rss.xsl", "<broken");
    for _ in 0..2 {
        let answer = ask(&gateway, "/blog.rss", &[BROWSER]);
        assert_eq!((answer.status, answer.text()), (200, sample("blog.rss")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(varies(&answer) && answer.header("etag").is_none(), "{answer:?}");
    }
    gateway.log().wait_for_texts(&["style/rss.xsl:1:", "something else stands in"]);
    gateway.write("style/rss.xsl", &sample("style/rss.xsl"));
    is_page(&ask(&gateway, "/blog.rss", &[BROWSER]), "Notes from the weir");
}

#[test]
fn a_sheet_of_a_route_is_fetched_in_the_name_of_the_client() {
    let gateway = start(FROM_ROUTE);
    let basic = "Authorization: Basic cmVhZGVyOnNlY3JldA==";
    // The limit of one request lets the sub-request pass: it is inside of it.
    is_page(&ask(&gateway, "/blog.rss", &[BROWSER, basic]), "Notes from the weir");
    // What is kept by now is nothing for those who may not see it.
    let refused = ask(&gateway, "/blog.rss", &[BROWSER]);
    assert_eq!(refused.status, 502, "{}", refused.text());
    gateway.log().wait_for_texts(&["failed to fetch route:/style/rss.xsl", "401"]);
    is_page(&ask(&gateway, "/blog.rss", &[BROWSER, basic]), "Notes from the weir");
    gateway.write("style/page.xsl", &sample("style/page.xsl").replace("<h1>", "<h1>Changed: "));
    gateway.log().wait_for_texts(&["\"status\":304", "/style/rss.xsl"]);
    eventually("the changed sheet", || {
        ask(&gateway, "/blog.rss", &[BROWSER, basic]).text().contains("<h1>Changed: Notes").then_some(())
    });
}

#[test]
fn a_sheet_of_another_host_is_fetched_without_the_client_and_asked_for_again() {
    let tag = "\"1\"";
    let upstream = Upstream::always(move |peer| {
        while let Some(head) = peer.head() {
            assert!(!head.contains("Cookie") && !head.contains("test"), "nothing of the client's: {head}");
            let name = head.split(' ').nth(1).expect("a target").rsplit('/').next().expect("a name");
            if head.to_lowercase().contains(&format!("if-none-match: {tag}")) {
                peer.write(format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n"));
            } else {
                let sheet = sample(&format!("style/{name}"));
                let length = sheet.len();
                peer.write(format!(
                    "HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: {length}\r\n\r\n{sheet}"
                ));
            }
        }
    });
    let host = format!("http://{}", upstream.address());
    let gateway = start(&format!(
        "routes:\n  - layers: [ {{ xslt: {{ stylesheet: from_document, sheets: [\"{host}/xsl\"] }} }} ]\n    static: {{ root: . }}"
    ));
    let feed = |path: &str| sample("blog.rss").replace("/style/rss.xsl", &format!("{host}{path}/rss.xsl"));
    gateway.write("blog.rss", &feed("/xsl"));
    for _ in 0..2 {
        is_page(&ask(&gateway, "/blog.rss", &[BROWSER, "Cookie: secret=1"]), "Notes from the weir");
    }
    let asked: Vec<_> = upstream.heads().iter().map(|head| head.contains("if-none-match")).collect();
    assert_eq!(
        asked,
        [false, false, true, true],
        "sheet and import, and both once more: {:?}",
        upstream.heads()
    );
    gateway.write("blog.rss", &feed("/elsewhere"));
    assert_eq!(ask(&gateway, "/blog.rss", &[BROWSER]).status, 500, "not below the path that is listed");
}

#[test]
fn a_host_that_is_silent_keeps_a_request_for_as_long_as_a_transform_may_take() {
    let upstream = Upstream::always(|peer| {
        peer.head();
        peer.is_closed();
    });
    let host = format!("http://{}", upstream.address());
    let gateway = start(&format!(
        "routes:\n  - layers: [ {{ xslt: {{ stylesheet: from_document, sheets: \"{host}\", max_time: 200ms }} }} ]\n    static: {{ root: . }}"
    ));
    gateway.write("blog.rss", &sample("blog.rss").replace("/style/rss.xsl", &format!("{host}/rss.xsl")));
    assert_eq!(ask(&gateway, "/blog.rss", &[BROWSER]).status, 502);
    gateway.log().wait_for_texts(&["failed to fetch http://", "within 200ms"]);
    assert_eq!(ask(&gateway, "/blog.rss", &[READER]).status, 200);
}

/// A page in a real browser: it asks as browsers do, and shows what the sheet made.
#[test]
fn chromium_shows_the_page() {
    let gateway = start(FROM_FOLDER);
    let profile = tempfile::tempdir().expect("a temporary folder");
    let browser = Command::new("timeout")
        .args(["--kill-after=5s", "180s", "chromium", "--headless", "--no-sandbox", "--disable-gpu"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", &format!("http://{}/blog.rss", gateway.address())])
        .output()
        .expect("timeout is there");
    let dom = String::from_utf8_lossy(&browser.stdout);
    assert!(
        browser.status.success() && dom.contains("<h1>Notes from the weir</h1>"),
        "{} (chromium: apt-get install chromium)\n{dom}\n{}",
        browser.status,
        String::from_utf8_lossy(&browser.stderr)
    );
    assert!(dom.contains("by Åse Bråten"), "{dom}");
}
