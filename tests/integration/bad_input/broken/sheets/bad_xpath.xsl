<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="/">
    <xsl:value-of select="a[1"/>
    <xsl:apply-templates select="b//"/>
  </xsl:template>
</xsl:stylesheet>
