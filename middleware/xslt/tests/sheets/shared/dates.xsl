<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="date"><xsl:value-of select="concat(@year, '-', format-number(@month, '00'))"/></xsl:template>
</xsl:stylesheet>
