//! `vestibule xslt`: what the layer would answer, and what its templates cost.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use super::{PAGE, start};
use crate::harness::get;

const BROKEN: &str = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="/"><xsl:apply-templates select="feed/title"/></xsl:template>
<xsl:template match="title"><b><xsl:value-of select="$nothing"/></b></xsl:template>
</xsl:stylesheet>"#;
const FEED: &str = "<feed>\n<title>news</title></feed>";

/// Runs the command beside a few files, with this on stdin.
fn xslt(args: &[&str], stdin: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let endless = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="/" name="t"><xsl:call-template name="t"/></xsl:template></xsl:stylesheet>"#;
    let reading = endless
        .replace(r#"<xsl:call-template name="t"/>"#, r#"<xsl:copy-of select="document('/etc/passwd')"/>"#);
    for (name, text) in [
        ("page.xsl", PAGE),
        ("broken.xsl", BROKEN),
        ("endless.xsl", endless),
        ("reading.xsl", &reading),
        ("feed.xml", FEED),
        ("named.xml", &format!("<?xml-stylesheet type='text/xsl' href='page.xsl'?>{FEED}")),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut child = Command::new("timeout")
        .args(["--kill-after=5s", "50s", env!("CARGO_BIN_EXE_vestibule"), "xslt"])
        .args(args)
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // It may have refused its arguments already.
    let _ = child.stdin.take().expect("it is piped").write_all(stdin.as_bytes());
    child.wait_with_output().expect("the command ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("all of it is text")
}

#[test]
fn it_writes_what_the_layer_would_answer() {
    let yaml = "routes:
  - layers: [ { xslt: { stylesheet: page.xsl, params: { at: \"it's {PATH_INFO}\" } } } ]
    static: { root: . }";
    let gateway = start(yaml, &[("feed.xml", FEED)]);
    let answer = get(&gateway.address(), "/feed.xml");
    let by_hand = xslt(&["run", "page.xsl", "feed.xml", "--param", "at=it's /feed.xml"], "");
    assert_eq!((by_hand.status.code(), text(&by_hand.stdout)), (Some(0), answer.text()));
    let with_head = xslt(&["run", "page.xsl", "-", "--param", "at=it's /feed.xml", "--include"], FEED);
    let head = format!("content-type: {}\n", answer.header("content-type").unwrap());
    let told = text(&with_head.stdout);
    assert!(told.contains(&head) && told.ends_with(&format!("\n\n{}", answer.text())), "{told}");
}

#[test]
fn parameters_are_strings_and_no_templates() {
    let evil = "at='\"{PATH_INFO} ${HOME} count(//*) <b>";
    let written = text(&xslt(&["run", "page.xsl", "feed.xml", "--param", evil], "").stdout);
    assert!(written.contains("'\"{PATH_INFO} ${HOME} count(//*) &lt;b&gt;"), "{written}");
}

#[test]
fn a_document_may_name_its_sheet() {
    let written = xslt(&["run", "from_document", "named.xml", "--set", "sheets=."], "");
    assert!(text(&written.stdout).contains("<h1>news</h1>"), "{written:?}");
    let refused = xslt(&["profile", "from_document", "named.xml", "--set", "sheets=."], "");
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn mistakes_are_told_with_their_places_and_have_their_exit_code() {
    for (args, stdin, code, parts) in [
        (
            &["run", "broken.xsl", "feed.xml"][..],
            "",
            1,
            &["broken.xsl:3:32", "<xsl:value-of", "called by match=\"/\"", "/feed/title", "feed.xml:2:1"][..],
        ),
        (&["run", "page.xsl", "-"], "<a>\n<b></a>", 1, &["stdin:2:", "tag mismatch", "1 error in stdin"]),
        (&["run", "page.xsl", "feed.xml", "--set", "max_inptu=1"], "", 1, &["did you mean `max_input`?"]),
        (&["run", "page.xsl", "feed.xml", "--set", "max_input=9"], "", 1, &["input_bytes", "`max_input`"]),
        (&["run", "page.xsl", "feed.xml", "--set", "max_output=9"], "", 1, &["output_bytes", "`max_output`"]),
        (&["run", "endless.xsl", "feed.xml"], "", 1, &["template_depth", "`max_depth`"]),
        (&["run", "reading.xsl", "feed.xml"], "", 1, &["give access to /etc/passwd", "`folders`"]),
        (&["run", "page.xsl", "nowhere.xml"], "", 2, &["failed to read nowhere.xml"]),
        (&["run", "nowhere.xsl", "feed.xml"], "", 1, &["read the stylesheet", "nowhere.xsl"]),
        (&["run", "page.xsl", "feed.xml", "--param", "at"], "", 2, &["NAME=VALUE"]),
        (&["profile", "broken.xsl", "feed.xml"], "", 1, &["broken.xsl:3:32"]),
    ] {
        let output = xslt(args, stdin);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(output.stdout.is_empty(), "{args:?}");
        for part in parts {
            assert!(told.contains(part), "{args:?}: {part} in {told}");
        }
    }
}

#[test]
fn what_stands_in_is_written_with_a_warning() {
    let output = xslt(&["run", "broken.xsl", "feed.xml", "--set", "on_error=pass"], "");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), FEED));
    let told = text(&output.stderr);
    assert!(told.starts_with("warning: ") && told.contains("broken.xsl:3:32"), "{told}");
}

#[test]
fn a_profile_lists_the_templates_by_their_time() {
    let output = xslt(&["profile", "page.xsl", "feed.xml", "--time", "0.1"], "");
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        table.starts_with("  SHARE") && table.contains("page.xsl:4:1)") && table.contains(" runs of "),
        "{table}"
    );
    assert!(table.contains("match=\"/feed\""), "{table}");
}
