//! Profiles: calls and times of templates.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tower_xslt::{Fetched, InputKind, Limit, Limits, Policy, Stylesheet, Task, XsltError, profile};

const SHEET: &str = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:import href="slow.xsl"/>
<xsl:template match="/"><xsl:apply-templates select="r/a"/><xsl:apply-templates select="r" mode="m"/></xsl:template>
  <xsl:template match="a"><b/></xsl:template>
<xsl:template name="never">x</xsl:template>
</xsl:stylesheet>"#;
const SLOW: &str = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="r" mode="m"><xsl:value-of select="count(//a[count(//a) &gt; 0])"/></xsl:template>
</xsl:stylesheet>"#;

fn task(limits: Limits) -> (tempfile::TempDir, Task) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sheet.xsl");
    std::fs::write(&path, SHEET).unwrap();
    std::fs::write(folder.path().join("slow.xsl"), SLOW).unwrap();
    let task = Task {
        stylesheet: Stylesheet::compile([path], &Policy::default()).unwrap(),
        document: Bytes::from(format!("<r>{}</r>", "<a/>".repeat(1500))),
        kind: InputKind::Xml,
        charset: None,
        params: Vec::new(),
        fetched: Fetched::default(),
        limits: Arc::new(limits),
    };
    (folder, task)
}

#[tokio::test]
async fn calls_and_times_are_told_for_each_template_the_slowest_first() {
    let (_folder, task) = task(Limits::default());
    let shared = task.stylesheet.clone();
    let profile = profile(task, Duration::from_millis(100)).await.unwrap();
    let told: Vec<_> =
        profile.templates.iter().map(|cost| (cost.template.as_str(), cost.calls / profile.runs)).collect();
    assert_eq!(told[0], ("match=\"r\" mode=\"m\"", 1), "it takes by far the longest: {profile:?}");
    assert!(told.contains(&("match=\"a\"", 1500)) && told.contains(&("match=\"/\"", 1)), "{told:?}");
    assert_eq!(told.len(), 3, "what is never called is not told: {told:?}");
    let place = |name: &str| {
        let cost = profile.templates.iter().find(|cost| cost.template == name).unwrap();
        let file = cost.place.file.rsplit('/').next().unwrap().to_owned();
        (file, cost.place.line, cost.place.column)
    };
    assert_eq!(place("match=\"a\""), ("sheet.xsl".to_owned(), 4, Some(3)));
    assert_eq!(place("match=\"r\" mode=\"m\""), ("slow.xsl".to_owned(), 2, Some(1)));
    let together: Duration = profile.templates.iter().map(|cost| cost.time).sum();
    assert!(together <= profile.run_time && profile.templates[0].time * 2 > together, "{profile:?}");
    // The sheet that others use has counted nothing.
    assert_eq!(shared.counters().runs, 0);
}

#[tokio::test]
async fn a_run_that_fails_ends_the_profile() {
    let mut limits = Limits::default();
    limits.operations = 10;
    let (_folder, task) = task(limits);
    let error = profile(task, Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(error, XsltError::Limit(Limit::Operations)), "{error}");
}
