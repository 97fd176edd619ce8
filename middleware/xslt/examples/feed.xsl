<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:atom="http://www.w3.org/2005/Atom" exclude-result-prefixes="atom">
  <xsl:output method="html" encoding="UTF-8" doctype-system="about:legacy-compat"/>
  <xsl:template match="/atom:feed">
    <html lang="en">
      <head><title><xsl:value-of select="atom:title"/></title></head>
      <body>
        <h1><xsl:value-of select="atom:title"/></h1>
        <ul><xsl:apply-templates select="atom:entry"/></ul>
      </body>
    </html>
  </xsl:template>
  <xsl:template match="atom:entry"><li><xsl:value-of select="atom:title"/></li></xsl:template>
</xsl:stylesheet>
