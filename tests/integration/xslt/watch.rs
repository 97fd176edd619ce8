//! `watch: true`: a changed sheet makes a new generation of workers, a broken one does not.

use std::os::unix::fs::symlink;

use super::{PAGE, start};
use crate::harness::{TestGateway, eventually, get};

const SHEET: &str = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:import href="page.xsl"/>
</xsl:stylesheet>"#;

fn watching(workers: usize) -> TestGateway {
    let yaml = format!(
        "workers: {workers}
layers: [ {{ xslt: {{ stylesheet: feed.xsl, watch: true }} }} ]
routes: [ {{ respond: {{ text: \"<feed><title>news</title></feed>\", content_type: text/xml }} }} ]"
    );
    start(&yaml, &[("feed.xsl", SHEET)])
}

fn eventually_shows(gateway: &TestGateway, text: &str) {
    eventually(&format!("a page with {text}"), || {
        get(&gateway.address(), "/").text().contains(text).then_some(())
    });
}

#[test]
fn a_changed_sheet_or_import_is_reloaded() {
    let mut gateway = watching(2);
    eventually_shows(&gateway, "<h1>news</h1>");
    gateway.write("page.xsl", &PAGE.replace("<h1>", "<h1>Changed: "));
    gateway.wait_ready(2);
    gateway.log().wait_for_texts(&["reloading", "page.xsl has changed"]);
    eventually_shows(&gateway, "<h1>Changed: news</h1>");
    gateway.write("feed.xsl", &PAGE.replace("<h1>", "<h1>Without an import: "));
    gateway.wait_ready(3);
    eventually_shows(&gateway, "<h1>Without an import: news</h1>");
    // Each change is one reload, though two workers have read the files.
    assert_eq!(gateway.log().count("\"reloading\""), 2, "{}", gateway.log());
}

/// A sheet that imports another one.
fn importing(name: &str) -> String {
    SHEET.replace("page.xsl", name)
}

#[test]
fn a_broken_sheet_that_is_newly_imported_is_followed() {
    let mut gateway = watching(2);
    gateway.write("new.xsl", &PAGE.replace("select=\"title\"", "select=\"title[\""));
    gateway.write("feed.xsl", &importing("new.xsl"));
    let told = gateway.log().wait_for_text("the reload has failed");
    assert!(told.contains("new.xsl:4:") && told.contains("value-of"), "{told}");
    assert!(get(&gateway.address(), "/").text().contains("<h1>news</h1>"));
    gateway.write("new.xsl", &PAGE.replace("<h1>", "<h1>New: "));
    // The second generation is the one that did not come up.
    gateway.wait_ready(3);
    gateway.log().wait_for_texts(&["reloading", "new.xsl has changed"]);
    eventually_shows(&gateway, "<h1>New: news</h1>");
    assert_eq!(gateway.log().count("the reload has failed"), 1, "{}", gateway.log());
}

#[test]
fn a_sheet_that_is_imported_before_it_is_there_is_followed() {
    let mut gateway = watching(1);
    gateway.write("feed.xsl", &importing("parts/later.xsl"));
    let told = gateway.log().wait_for_text("the reload has failed");
    assert!(told.contains("feed.xsl:2:") && told.contains("parts/later.xsl"), "{told}");
    std::fs::create_dir(gateway.path("parts")).unwrap();
    gateway.write("parts/later.xsl", &PAGE.replace("<h1>", "<h1>Later: "));
    gateway.wait_ready(3);
    eventually_shows(&gateway, "<h1>Later: news</h1>");
}

#[test]
fn a_link_that_leads_to_what_may_not_be_read_is_followed() {
    let mut gateway = watching(1);
    symlink("/etc/passwd", gateway.path("link.xsl")).unwrap();
    gateway.write("feed.xsl", &importing("link.xsl"));
    let told = gateway.log().wait_for_text("the reload has failed");
    assert!(told.contains("link.xsl"), "{told}");
    gateway.write("link.xsl", &PAGE.replace("<h1>", "<h1>Here: "));
    gateway.wait_ready(3);
    eventually_shows(&gateway, "<h1>Here: news</h1>");
    assert_eq!(gateway.log().count("the reload has failed"), 1, "{}", gateway.log());
}

#[test]
fn a_sheet_that_the_new_configuration_names_before_it_is_there_is_followed() {
    let mut gateway = watching(1);
    let layer = "xslt: { stylesheet: theme/feed.xsl, watch: true }";
    let answer = "respond: { text: \"<feed><title>news</title></feed>\", content_type: text/xml }";
    gateway.reload(&format!("layers: [ {{ {layer} }} ]\nroutes: [ {{ {answer} }} ]"));
    gateway.log().wait_for_text("the reload has failed");
    std::fs::create_dir(gateway.path("theme")).unwrap();
    gateway.write("theme/feed.xsl", &PAGE.replace("<h1>", "<h1>Theme: "));
    gateway.wait_ready(3);
    eventually_shows(&gateway, "<h1>Theme: news</h1>");
}

#[test]
fn a_broken_sheet_leaves_the_last_good_one_in_use_and_is_told_with_its_place() {
    let mut gateway = watching(1);
    gateway.write("page.xsl", &PAGE.replace("select=\"title\"", "select=\"title[\""));
    let told = gateway.log().wait_for_text("the reload has failed");
    assert!(told.contains("page.xsl:4:") && told.contains("value-of"), "{told}");
    assert!(get(&gateway.address(), "/").text().contains("<h1>news</h1>"));
    gateway.write("page.xsl", &PAGE.replace("<h1>", "<h1>Mended: "));
    // The second generation is the one that did not come up.
    gateway.wait_ready(3);
    eventually_shows(&gateway, "<h1>Mended: news</h1>");
    assert_eq!(gateway.log().count("the reload has failed"), 1, "{}", gateway.log());
}
