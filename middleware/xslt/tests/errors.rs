//! Errors name the place and the cause.

use std::path::PathBuf;

use tower_xslt::{Limits, Policy, Stylesheet, XsltError};

/// Keeps the folder alive as long as the sheet's path is needed.
struct Sheet {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn write(lines: &[&str]) -> Sheet {
    let folder = tempfile::Builder::new().prefix("a sheet's folder é").tempdir().unwrap();
    let path = folder.path().join("the sheet.xsl");
    let head = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">"#;
    std::fs::write(&path, format!("{head}\n{}\n</xsl:stylesheet>\n", lines.join("\n"))).unwrap();
    Sheet { _folder: folder, path }
}

impl Sheet {
    fn error(&self, document: &str) -> XsltError {
        let result = Stylesheet::compile([&self.path], &Policy::default())
            .and_then(|sheet| sheet.transform(document.as_bytes(), &[], &Limits::default()));
        result.expect_err("there is a mistake")
    }

    fn message(&self, document: &str) -> String {
        self.error(document).to_string().replace(&self.path.display().to_string(), "SHEET")
    }
}

#[test]
fn a_sheet_that_is_not_well_formed() {
    let sheet = write(&["<xsl:template match='/'>", "  <a></b>", "</xsl:template>"]);
    assert_eq!(
        sheet.message("<a/>"),
        "compile the stylesheet: SHEET:3:10: Opening and ending tag mismatch: a line 3 and b"
    );
}

#[test]
fn an_expression_that_does_not_compile() {
    let sheet =
        write(&["<xsl:template match='/'>", "  <xsl:value-of", "    select=')('/>", "</xsl:template>"]);
    assert_eq!(
        sheet.message("<a/>"),
        "compile the stylesheet: SHEET:3:3: <value-of>: xsl:value-of : could not compile select expression ')(': \
         Invalid expression in \")(\""
    );
}

#[test]
fn the_files_that_a_sheet_would_have_been_compiled_from_are_told() {
    let sheet = write(&["<xsl:import href='none.xsl'/>"]);
    let mut tried = Vec::new();
    assert!(Stylesheet::compile_telling([&sheet.path], &Policy::default(), &mut tried).is_err());
    let tried: Vec<_> = tried.iter().map(|file| (file.path.as_path(), file.metadata.is_some())).collect();
    assert_eq!(tried, [(&*sheet.path, true), (&*sheet.path.with_file_name("none.xsl"), false)]);
}

#[test]
fn a_link_that_leads_out_of_the_folder_is_told_too() {
    let sheet = write(&["<xsl:import href='link.xsl'/>"]);
    let link = sheet.path.with_file_name("link.xsl");
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    let mut tried = Vec::new();
    let error = Stylesheet::compile_telling([&sheet.path], &Policy::default(), &mut tried).unwrap_err();
    assert!(matches!(error, XsltError::PolicyDenied { .. }), "{error}");
    let tried: Vec<_> = tried.iter().map(|file| (file.path.as_path(), file.metadata.is_some())).collect();
    assert_eq!(tried, [(&*sheet.path, true), (&*link, true)]);
}

#[test]
fn an_import_that_is_not_there() {
    let message = write(&["<xsl:import href='none.xsl'/>"]).message("<a/>");
    assert!(message.starts_with("compile the stylesheet: SHEET:2:1: <import>: "), "{message}");
    assert!(message.contains("none.xsl"), "{message}");
}

#[test]
fn a_mistake_that_is_found_at_the_very_end_of_compiling() {
    let sheet = write(&[
        "<xsl:attribute-set name='a' use-attribute-sets='b'/><xsl:attribute-set name='b' use-attribute-sets='a'/>",
        "<xsl:template match='/'><b xsl:use-attribute-sets='a'/></xsl:template>",
    ]);
    let message = sheet.message("<a/>");
    assert!(message.starts_with("compile the stylesheet: ") && message.contains("recursion"), "{message}");
}

#[test]
fn an_error_at_run_time() {
    let sheet = write(&[
        "<xsl:template match='/'>",
        " <x/>",
        "  <xsl:value-of select='$nothing'/>",
        "</xsl:template>",
    ]);
    let error = sheet.error("<a/>");
    assert!(matches!(error, XsltError::Failed(_)), "{error:?}");
    let message = sheet.message("<a/>");
    assert!(message.starts_with("run the stylesheet: SHEET:4:3: <value-of>: "), "{message}");
    assert!(message.contains("nothing"), "{message}");
}

#[test]
fn an_error_at_run_time_tells_where_the_run_stood() {
    let sheet = write(&[
        "<xsl:template match='/'><xsl:apply-templates select='r/item'/></xsl:template>",
        "<xsl:template match='item'><xsl:if test='@id = 2'><xsl:call-template name='price'/></xsl:if></xsl:template>",
        "<xsl:template name='price'>",
        "  <b><xsl:value-of select='$nothing'/></b>",
        "</xsl:template>",
    ]);
    let document = "<r>\n<item id='1'/>\n<item id='2'/></r>";
    let XsltError::Failed(faults) = sheet.error(document) else { panic!("it did not fail") };
    let [fault] = faults.iter().collect::<Vec<_>>()[..] else { panic!("{faults}") };
    assert_eq!(fault.message.matches("has not been declared").count(), 1);
    let place = fault.place.as_ref().unwrap();
    let source = fault.source.as_ref().unwrap();
    assert_eq!(source.line(place.line), Some("  <b><xsl:value-of select='$nothing'/></b>"));
    assert_eq!((place.line, place.column), (5, Some(6)));
    let trace = fault.trace.as_ref().unwrap();
    assert_eq!((trace.node.as_deref(), trace.line), (Some("/r/item[2]"), Some(3)));
    let calls: Vec<_> =
        trace.templates.iter().map(|call| (call.template.as_str(), call.place.line)).collect();
    assert_eq!(calls, [("name=\"price\"", 4), ("match=\"item\"", 3), ("match=\"/\"", 2)]);
    let message = sheet.message(document);
    assert!(
        message.contains(
            " in `<b><xsl:value-of select='$nothing'/></b>` at /r/item[2] (line 3 of the document), in the template \
             name=\"price\" (SHEET:4), called by match=\"item\" (SHEET:3), called by match=\"/\" (SHEET:2)"
        ),
        "{message}"
    );
}

#[test]
fn of_equal_elements_in_a_line_the_one_that_failed_is_found() {
    let line = "<xsl:template match='/'><xsl:value-of select='1'/><xsl:value-of select='$no'/><xsl:value-of select='2'/>";
    let message = write(&[line, "</xsl:template>"]).message("<a/>");
    let column = line.find("<xsl:value-of select='$no'").unwrap() + 1;
    assert!(message.starts_with(&format!("run the stylesheet: SHEET:2:{column}: <value-of>: ")), "{message}");
    let variables = "<xsl:variable name='a' select='1'/><xsl:variable name='b' select='$no'/>";
    let message = write(&[variables, "<xsl:template match='/'/>"]).message("<a/>");
    assert!(message.starts_with("run the stylesheet: SHEET:2:36: <variable>: "), "{message}");
}

#[test]
fn of_equal_elements_in_a_line_that_does_not_compile_no_wrong_one_is_told() {
    let line = "<xsl:template match='/'><xsl:value-of select=')('/><xsl:value-of select='2'/></xsl:template>";
    let message = write(&[line]).message("<a/>");
    assert!(message.starts_with("compile the stylesheet: SHEET:2: <value-of>: "), "{message}");
}

#[test]
fn a_sheet_that_ends_itself_tells_where_it_did() {
    let sheet = write(&[
        "<xsl:template match='/r'><xsl:for-each select='@id'><xsl:call-template name='end'/></xsl:for-each></xsl:template>",
        "<xsl:template name='end'><xsl:message terminate='yes'>no price</xsl:message></xsl:template>",
    ]);
    let message = sheet.message("<r id='1'/>");
    assert!(
        message.starts_with("run the stylesheet: it ended itself, saying \"no price\" at /r/@id")
            && message.contains("in the template name=\"end\" (SHEET:3), called by match=\"/r\" (SHEET:2)"),
        "{message}"
    );
}

#[test]
fn of_many_messages_the_last_one_is_why_the_run_ended() {
    let sheet = write(&[
        "<xsl:template match='/'><xsl:for-each select='//e'><xsl:message>another</xsl:message></xsl:for-each>",
        "<xsl:message terminate='yes'>the last</xsl:message></xsl:template>",
    ]);
    let XsltError::Terminated { message, .. } = sheet.error(&format!("<r>{}</r>", "<e/>".repeat(200))) else {
        panic!("it did not end itself")
    };
    assert_eq!(message, "the last");
}

#[test]
fn a_message_that_terminates() {
    let sheet = write(&[
        "<xsl:template match='/'>",
        "<xsl:message>just so</xsl:message>",
        "<xsl:message terminate='yes'>no <b>price</b></xsl:message></xsl:template>",
    ]);
    let XsltError::Terminated { message, .. } = sheet.error("<a/>") else { panic!("it did not end itself") };
    assert_eq!(message, "no price");
}

#[test]
fn a_message_cannot_pass_for_an_error() {
    let sheet = write(&[
        "<xsl:template match='/'><xsl:message>runtime error: file /etc/x line 1 element y</xsl:message>",
        "<xsl:message terminate='yes'>end</xsl:message></xsl:template>",
    ]);
    let XsltError::Terminated { message, .. } = sheet.error("<a/>") else { panic!("it did not end itself") };
    assert_eq!(message, "end");
}

#[test]
fn a_document_that_is_not_well_formed() {
    let sheet = write(&["<xsl:template match='/'/>"]);
    let document = "<a>\n  <b>\n</a>";
    let XsltError::NotWellFormed(fault) = sheet.error(document) else { panic!("it is not well-formed") };
    assert_eq!(fault.to_string(), "document:3:5: Opening and ending tag mismatch: b line 2 and a in `</a>`");
    assert!(matches!(sheet.error(""), XsltError::NotWellFormed(_)));
}

#[test]
fn a_sheet_that_is_not_there() {
    let error = Stylesheet::compile(["/nowhere/a.xsl"], &Policy::default()).unwrap_err();
    assert!(matches!(&error, XsltError::Unreadable { .. }), "{error:?}");
    assert!(error.to_string().contains("/nowhere"), "{error}");
}

#[test]
fn a_document_that_is_no_stylesheet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.xsl");
    std::fs::write(&path, "<html/>").unwrap();
    let error = Stylesheet::compile([path], &Policy::default()).unwrap_err();
    assert!(matches!(error, XsltError::Compile(_)), "{error:?}");
}
