//! Transforms that never end: the worker that has lost its threads to them is replaced.

use crate::harness::{TestGateway, eventually, get};

const YAML: &str = "drain: 2s
routes:
  - path: /deaf.xml
    layers: [ { xslt: { stylesheet: deaf.xsl, max_time: 20ms, max_operations: 1000000000000000 } } ]
    static: { root: . }
  - { path: /other, respond: { text: as ever } }";

/// One expression that takes months: libxslt looks whether it is to end before it and after it.
const DEAF: &str = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">
<xsl:value-of select="count(//b[count(//b[count(//b[count(//b) > 0]) > 0]) > 0])"/></xsl:template></xsl:stylesheet>"#;

#[test]
fn a_worker_that_has_lost_too_many_threads_to_transforms_is_replaced() {
    let document = format!("<a>{}</a>", "<b/>".repeat(1_000));
    let gateway = TestGateway::with_files(YAML, &[("deaf.xsl", DEAF), ("deaf.xml", &document)]);
    let worn = gateway.workers();
    let told = eventually("the worker to be worn out", || {
        assert_eq!(get(&gateway.address(), "/deaf.xml").status, 504);
        assert_eq!(get(&gateway.address(), "/other").text(), "as ever");
        gateway.log().find(|line| line.contains("XSLT has lost threads to transforms that do not end: "))
    });
    assert!(told.contains("worn out"), "{told}");
    eventually("the new worker alone", || {
        assert_eq!(get(&gateway.address(), "/other").text(), "as ever");
        let workers = gateway.workers();
        (workers.len() == 1 && workers != worn).then_some(())
    });
}
