//! Hostile sheets and documents against a gateway: each ends in a named error within the time limit, in bounded memory, and
//! other routes answer meanwhile as before.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{TestGateway, Upstream, get};

const MIB: u64 = 1 << 20;

/// What each gateway allows a transform: long enough for a busy machine to come to the other limits; and its slack.
const TIME: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(20);
const MEMORY: u64 = 64 * MIB;

const COPY: &str = r#"<xsl:template match="/"><xsl:copy-of select="."/></xsl:template>"#;
const ENDLESS: &str = r#"<xsl:template match="/" name="t"><xsl:call-template name="t"/></xsl:template>"#;
const OUTPUT: &str = r#"<xsl:template match="/"><xsl:for-each select="//b"><xsl:for-each select="//b"><xsl:for-each select="//b"><xsl:for-each select="//b"><some><output/></some></xsl:for-each></xsl:for-each></xsl:for-each></xsl:for-each></xsl:template>"#;
const EXPONENTIAL: &str = r#"<xsl:template match="/"><xsl:for-each select="//b"><xsl:value-of select="count(//b[count(//b[count(//b) > 0]) > 0])"/></xsl:for-each></xsl:template>"#;

fn wrap(body: &str) -> String {
    format!(
        r#"<xsl:stylesheet version="1.1" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:exsl="http://exslt.org/common" extension-element-prefixes="exsl">{body}</xsl:stylesheet>"#
    )
}

/// A gateway that transforms what `/attack` answers, and answers `/other`.
fn gateway(sheet: &str, settings: &str, document: &str, backend: &str) -> TestGateway {
    let yaml = format!(
        "routes:
  - path: /attack.xml
    layers: [ {{ xslt: {{ {settings}, max_time: {}s, max_memory: {MEMORY} }} }} ]
    {backend}
  - {{ path: /other, respond: {{ text: as ever }} }}",
        TIME.as_secs()
    );
    TestGateway::with_files(&yaml, &[("sheet.xsl", &wrap(sheet)), ("attack.xml", document)])
}

/// The most memory that the worker has had so far, in bytes.
fn peak(gateway: &TestGateway) -> u64 {
    let worker = gateway.workers()[0];
    let status = fs::read_to_string(format!("/proc/{worker}/status")).expect("the worker lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") * 1024
}

/// Asks for the attacked page while others ask for another one; the status, once all is well.
#[track_caller]
fn survives(gateway: &TestGateway, named: &[&str], most: u64) -> u16 {
    assert_eq!(get(&gateway.address(), "/other").text(), "as ever");
    let (before, start) = (peak(gateway), Instant::now());
    let status = thread::scope(|scope| {
        let attack = scope.spawn(|| {
            let browser = ["Accept: text/html"];
            gateway.connect().request("GET", "/attack.xml", &browser, "").expect("an answer").status
        });
        let mut asked = 0;
        while asked < 3 || !attack.is_finished() {
            let start = Instant::now();
            assert_eq!(get(&gateway.address(), "/other").text(), "as ever");
            assert!(start.elapsed() < TIME, "another route waited for {:?}", start.elapsed());
            asked += 1;
        }
        attack.join().expect("an answer")
    });
    assert!(start.elapsed() < TIME + SLACK, "{:?}", start.elapsed());
    gateway.log().wait_for_texts(named);
    let grown = peak(gateway) - before;
    assert!(grown < most, "{} MiB more than before", grown / MIB);
    assert_eq!(get(&gateway.address(), "/other").text(), "as ever");
    status
}

const FILES: &str = "static: { root: . }";

#[track_caller]
fn sheet(body: &str, document: &str, status: u16, named: &[&str]) {
    let gateway = gateway(body, "stylesheet: sheet.xsl", document, FILES);
    assert_eq!(survives(&gateway, named, 3 * MEMORY), status);
}

#[test]
fn external_entities_and_parameter_entities() {
    for uri in ["file:///etc/passwd", "http://localhost:1/x"] {
        let denied = format!("give access to {uri}");
        sheet(COPY, &format!(r#"<!DOCTYPE a [<!ENTITY e SYSTEM "{uri}">]><a>&e;</a>"#), 500, &[&denied]);
        sheet(COPY, &format!(r#"<!DOCTYPE a [<!ENTITY % e SYSTEM "{uri}"> %e;]><a/>"#), 500, &[&denied]);
    }
}

#[test]
fn billion_laughs_and_quadratic_blow_up() {
    let level = |level: usize| format!(r#"<!ENTITY l{level} "{}">"#, format!("&l{};", level - 1).repeat(10));
    let levels: String = (1..12).map(level).collect();
    let laughs = format!(r#"<!DOCTYPE a [<!ENTITY l0 "lol">{levels}]><a>&l11;</a>"#);
    sheet(COPY, &laughs, 502, &["entities expand to too much"]);
    let parameters = laughs.replace("<!ENTITY l", "<!ENTITY % l").replace("&l", "%l");
    sheet(COPY, &parameters.replace("]><a>%l11;</a>", "%l11;]><a/>"), 502, &["document:1:"]);
    let quadratic = format!(
        r#"<!DOCTYPE a [<!ENTITY x "{}">]><a>{}</a>"#,
        "x".repeat(50_000),
        "<b>&x;</b>".repeat(50_000)
    );
    sheet(COPY, &quadratic, 502, &["entities expand to too much"]);
}

#[test]
fn documents_of_other_places() {
    for uri in ["file:///etc/passwd", "/etc/passwd", "http://localhost:1/a.xml"] {
        let body =
            format!(r#"<xsl:template match="/"><xsl:copy-of select="document('{uri}')"/></xsl:template>"#);
        sheet(&body, "<a/>", 500, &[&format!("give access to {uri}")]);
    }
}

#[test]
fn includes_outside_of_the_roots() {
    for uri in ["/etc/passwd", "file:///etc/passwd", "../../../../../../etc/passwd"] {
        let from = "stylesheet: from_document, sheets: [.]";
        let document = "<?xml-stylesheet type='text/xsl' href='sheet.xsl'?><a/>";
        let gateway = gateway(&format!(r#"<xsl:include href="{uri}"/>"#), from, document, FILES);
        assert_eq!(survives(&gateway, &["give access to ", "etc/passwd"], 3 * MEMORY), 500);
    }
}

#[test]
fn writing() {
    for element in ["exsl:document", "xsl:document"] {
        let body = format!(
            r#"<xsl:template match="/"><{element} href="written.xml"><a/></{element}></xsl:template>"#
        );
        let gateway = gateway(&body, "stylesheet: sheet.xsl", "<a/>", FILES);
        assert_eq!(survives(&gateway, &["give access to ", "written.xml"], 3 * MEMORY), 500);
        assert!(!gateway.path("written.xml").exists());
    }
}

#[test]
fn endless_recursion() {
    sheet(ENDLESS, "<a/>", 500, &["setting max_depth"]);
}

#[test]
fn an_exponential_expression() {
    let document = format!("<a>{}</a>", "<b/>".repeat(3_000));
    // A fast machine comes to the default limit before the time is over.
    for (most, status, named) in
        [(1_000_000_000_000_u64, 504, "setting max_time"), (1_000_000, 500, "setting max_operations")]
    {
        let settings = format!("stylesheet: sheet.xsl, max_operations: {most}");
        let gateway = gateway(EXPONENTIAL, &settings, &document, FILES);
        assert_eq!(survives(&gateway, &[named], 3 * MEMORY), status);
    }
}

#[test]
fn output_without_end() {
    let document = format!("<a>{}</a>", "<b/>".repeat(3_000));
    sheet(OUTPUT, &document, 500, &["setting max_memory"]);
    let gateway =
        gateway(OUTPUT, "stylesheet: sheet.xsl, max_output: 1KiB, max_operations: 10000", &document, FILES);
    assert_eq!(survives(&gateway, &["setting max_operations"], 3 * MEMORY), 500);
}

/// 100 MB of XML, from a server that does not say how much it is going to be.
fn large() -> Upstream {
    Upstream::always(|peer| {
        if peer.head().is_some() {
            peer.write("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n<a>");
            let piece = "<b/>".repeat(4_096);
            (0..100_000_000 / piece.len()).for_each(|_| peer.write(&piece));
        }
    })
}

#[test]
fn a_document_of_100_mb() {
    let large = large();
    let upstream = format!("http: {{ servers: [\"{}\"] }}", large.address());
    let refused = gateway(COPY, "stylesheet: sheet.xsl", "", &upstream);
    assert_eq!(survives(&refused, &["setting max_input"], 100 * MIB), 502);
    // It says its length: nothing of it is read.
    let declared = gateway(COPY, "stylesheet: sheet.xsl", "", FILES);
    let file = fs::File::options().write(true).open(declared.path("attack.xml")).expect("it is there");
    file.set_len(100_000_000).expect("there is room for a hole");
    assert_eq!(survives(&declared, &["setting max_input"], 8 * MIB), 502);
    // Whoever takes so much in has its tree to fit into the memory.
    let taken = gateway(COPY, "stylesheet: sheet.xsl, max_input: 200MiB", "", &upstream);
    assert_eq!(survives(&taken, &["setting max_memory"], 300 * MIB + 3 * MEMORY), 500);
}
