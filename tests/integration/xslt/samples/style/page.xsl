<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <!-- What all pages share: each sheet imports it, and says what its title and its list are. -->
  <xsl:output method="html" encoding="UTF-8" doctype-system="about:legacy-compat"/>
  <xsl:template name="page">
    <xsl:param name="title"/>
    <xsl:param name="list"/>
    <html>
      <head><title><xsl:value-of select="$title"/></title></head>
      <body>
        <h1><xsl:value-of select="$title"/></h1>
        <ul><xsl:apply-templates select="$list"/></ul>
      </body>
    </html>
  </xsl:template>
</xsl:stylesheet>
