//! The XSLT layer through the gateway, in front of every sort of backend.

mod attacks;
mod by_hand;
mod cache;
mod documents;
mod failures;
mod from_document;
mod html;
mod requests;
mod responses;
mod watch;
mod worn_out;

use crate::harness::TestGateway;
use crate::python;

/// A feed becomes a page.
const PAGE: &str = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="html" encoding="UTF-8"/>
<xsl:param name="at"/>
<xsl:template match="/feed"><h1><xsl:value-of select="title"/></h1><p><xsl:value-of select="$at"/></p></xsl:template>
</xsl:stylesheet>"#;

/// Starts a gateway whose sheets are `page.xsl` and those that are given.
fn start(yaml: &str, files: &[(&str, &str)]) -> TestGateway {
    let mut all = vec![("page.xsl", PAGE)];
    all.extend(files);
    python::start_with(yaml, &all, &[])
}
