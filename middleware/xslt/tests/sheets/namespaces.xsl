<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:a="http://www.w3.org/2005/Atom" xmlns="http://www.w3.org/1999/xhtml" xmlns:out="urn:out" exclude-result-prefixes="a" xmlns:axsl="urn:alias">
  <xsl:namespace-alias stylesheet-prefix="axsl" result-prefix="xsl"/>
  <xsl:output method="xml" doctype-public="-//W3C//DTD XHTML 1.0 Strict//EN" doctype-system="http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd"/>
  <xsl:template match="/a:feed">
    <html xml:lang="en"><head><title><xsl:value-of select="a:title"/></title></head><body>
      <xsl:for-each select="a:entry"><xsl:element name="out:entry" namespace="urn:out"><xsl:attribute name="out:id"><xsl:value-of select="a:id"/></xsl:attribute><br/><xsl:copy-of select="a:title"/></xsl:element></xsl:for-each>
      <axsl:template/>
    </body></html>
  </xsl:template>
</xsl:stylesheet>
