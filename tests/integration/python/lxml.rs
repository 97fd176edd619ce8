//! lxml in an application, while the gateway itself runs libxslt in the same process.

use std::fs;
use std::path::Path;

use super::{APPS, only, start_with};
use crate::harness::{Answer, TestGateway};

const SHEET: &str = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text"/>
<xsl:template match="answer"><xsl:value-of select="concat('count ', @count, '; mistake ', @mistake)"/></xsl:template>
</xsl:stylesheet>"#;

/// Asks an application that works with lxml, through a layer that transforms its answer, many times at once.
fn transform(gateway: &TestGateway) -> Answer {
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let mut client = gateway.connect();
            std::thread::spawn(move || (0..25).map(|_| client.request("GET", "/", &[], "").unwrap()).last())
        })
        .collect();
    let answers = clients.into_iter().map(|client| client.join().unwrap().expect("there are 25"));
    answers.last().expect("there are 4")
}

fn is_transformed(answer: &Answer) {
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text}");
    assert!(text.starts_with("count 1000; mistake 1: Opening and ending tag mismatch"), "{text}");
}

#[test]
fn no_symbol_of_the_wheel_is_bound_to_the_library_of_the_system() {
    let bindings = tempfile::tempdir().unwrap();
    let yaml =
        format!("layers: [ {{ xslt: {{ stylesheet: sheet.xsl }} }} ]\n{}", only("bundled_xml:application"));
    let output = bindings.path().join("ld");
    let gateway = start_with(
        &yaml,
        &[("sheet.xsl", SHEET)],
        &[("LD_DEBUG", Path::new("bindings")), ("LD_DEBUG_OUTPUT", &output)],
    );
    is_transformed(&transform(&gateway));
    let worker = gateway.workers()[0];
    let maps = fs::read_to_string(format!("/proc/{worker}/maps")).unwrap();
    for library in ["/lxml/etree.", "/libxslt.so.1", "/libxml2.so."] {
        assert!(maps.contains(library), "{library} is not in the process:\n{maps}");
    }

    let log = fs::read_to_string(format!("{}.{worker}", output.display())).unwrap();
    let bound = |line: &&str| line.contains("binding file") && line.contains("/lxml/");
    let of_lxml: Vec<&str> = log.lines().filter(bound).collect();
    println!("{} symbols of lxml are bound", of_lxml.len());
    assert!(of_lxml.len() > 100, "the log is not what it should be: {} lines", of_lxml.len());
    let systems = ["libxml2.so", "libxslt.so", "libexslt.so"];
    let wrong: Vec<_> =
        of_lxml.iter().filter(|line| systems.iter().any(|name| line.contains(name))).collect();
    assert!(wrong.is_empty(), "{} symbols, such as {}", wrong.len(), wrong[0]);
}

#[test]
fn debians_own_lxml_shares_the_library_and_works() {
    let yaml = format!(
        "python: /usr/bin/python3\nroutes: [ {{ layers: [ {{ xslt: {{ stylesheet: sheet.xsl }} }} ], \
         wsgi: {{ app: \"bundled_xml:application\", path: {APPS} }} }} ]"
    );
    assert!(
        Path::new("/usr/lib/python3/dist-packages/lxml").is_dir(),
        "Debian's lxml is missing: apt-get install python3-lxml (tests/run does it)"
    );
    let gateway = TestGateway::with_files(&yaml, &[("sheet.xsl", SHEET)]);
    is_transformed(&transform(&gateway));
    let maps = fs::read_to_string(format!("/proc/{}/maps", gateway.workers()[0])).unwrap();
    assert!(maps.contains("/usr/lib/python3/dist-packages/lxml/etree."), "{maps}");
}
