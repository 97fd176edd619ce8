//! The examples of one file each: `examples/five-sites` and `examples/theme`, started where they are.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Answer, Client, TestGateway, check_with, get};
use crate::python;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// What one of the sites answers.
fn ask(gateway: &TestGateway, site: &str, method: &str, path: &str, body: &str) -> Answer {
    let mut client = Client::connect(&gateway.address()).expect("the gateway accepts");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {site}.localhost:8000\r\nContent-Length: {length}\r\n\r\n"
    );
    client.send(head + body).expect("it is sent");
    client.answer().expect("an answer")
}

#[test]
fn five_sites_of_five_kinds_are_told_apart_by_their_hosts() {
    // One Python for the forum; the shop has that of the PATH.
    let interpreters =
        env::var("VESTIBULE_TEST_PYTHONS").expect("VESTIBULE_TEST_PYTHONS is not set: start tests/run");
    let forum = interpreters.rsplit(':').next().expect("a list has a last one");
    let version = Command::new(forum).arg("--version").output().expect("it is an interpreter").stdout;
    let version = String::from_utf8(version).expect("it is text");
    let gateway = TestGateway::of_example("five-sites", &[("FORUM_PYTHON", Path::new(forum))]);
    let text = |site, path| ask(&gateway, site, "GET", path, "").text();

    assert!(text("www", "/").contains("<h1>Five sites, one gateway</h1>"));
    assert!(
        text("wiki", "/welcome%3Cb").contains("<h1>welcome&lt;b</h1>"),
        "{}",
        text("wiki", "/welcome%3Cb")
    );
    assert!(text("forms", "/order.pl").contains("<form method=\"post\">"));
    let ordered = ask(&gateway, "forms", "POST", "/order.pl", "what=a+rope+%26+%3Cb%3E").text();
    assert!(ordered.contains("<p>Ordered: a rope &amp; &lt;b&gt;</p>"), "{ordered}");

    // The shop runs in the worker, the forum beside it, both as children of the supervisor.
    let processes = gateway.workers();
    let process = |answer: &str| answer.trim().rsplit(' ').next().and_then(|pid| pid.parse::<u32>().ok());
    let [shop, forum] = ["shop", "forum"].map(|site| text(site, "/"));
    assert!(shop.starts_with("The shop: Python 3."), "{shop}");
    assert!(forum.starts_with(&format!("The forum: {}", version.trim())), "{forum}");
    let [in_shop, in_forum] = [shop, forum].map(|answer| process(&answer).expect("each names its process"));
    assert!(in_shop != in_forum && [in_shop, in_forum].iter().all(|pid| processes.contains(pid)));
    assert_eq!(ask(&gateway, "other", "GET", "/", "").status, 404);
}

#[test]
fn the_theme_is_put_around_the_pages() {
    let gateway = TestGateway::of_example("theme", &[]);
    let home = get(&gateway.address(), "/");
    let page = home.text();
    assert_eq!(home.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"), "{page}");
    for there in [
        "<title>Harbour Museum</title>",
        "<link rel=\"stylesheet\" href=\"/static/style.css\">",
        "<p id=\"welcome\">",
        "<div id=\"notice\">The crane",
        "Three centuries of a harbour<br>in nine rooms.",
        "<footer>Harbour Museum, Quay 7</footer>",
    ] {
        assert!(page.contains(there), "{there}: {page}");
    }
    assert!(!page.contains("draft") && page.matches("charset").count() == 1, "{page}");
    let visit = get(&gateway.address(), "/visit.html").text();
    assert!(visit.contains("<li>Tram 3 to the quay</li>") && !visit.contains("welcome"), "{visit}");
    let style = fs::read(format!("{EXAMPLES}/theme/frame/style.css")).expect("it is one of our files");
    assert!(get(&gateway.address(), "/static/style.css").body == style);
    let plain = gateway.connect().request("GET", "/visit.html", &["X-Theme: off"], "").expect("an answer");
    let written = fs::read(format!("{EXAMPLES}/theme/pages/visit.html")).expect("it is one of our files");
    assert!(plain.body == written);
}

#[test]
fn the_theme_is_what_diazo_makes_of_its_rules() {
    let folder = format!("{EXAMPLES}/theme");
    let compiled = Command::new(format!("{}/bin/diazocompiler", python::venv()))
        .args(["-r", "rules.xml", "-a", "/static"])
        .current_dir(&folder)
        .output()
        .expect("Diazo is in tests/requirements.txt");
    let written = fs::read_to_string(format!("{folder}/theme.xsl")).expect("it is one of our files");
    assert_eq!(String::from_utf8_lossy(&compiled.stdout).trim_end(), written.trim_end());
    // And the command of its README shows what the gateway answers.
    let arguments =
        "xslt run theme.xsl pages/visit.html --set input=html5 --set output=html5 --param path=/visit.html";
    assert!(fs::read_to_string(format!("{folder}/README.md")).expect("it is there").contains(arguments));
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let shown = check_with(Path::new(&folder), &arguments, &[]).stdout;
    let gateway = TestGateway::of_example("theme", &[]);
    assert_eq!(String::from_utf8_lossy(&shown), get(&gateway.address(), "/visit.html").text());
}

#[test]
fn check_finds_them_fine() {
    for name in ["five-sites", "theme"] {
        let output =
            check_with(&Path::new(EXAMPLES).join(name), &["check"], &[("PYTHONDONTWRITEBYTECODE", "1")]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{name}: {told}");
    }
}
