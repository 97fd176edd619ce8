<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text" encoding="ISO-8859-1"/>
  <xsl:template match="/rows">
    <xsl:for-each select="row"><xsl:for-each select="cell"><xsl:if test="position() > 1">;</xsl:if>"<xsl:value-of select="normalize-space(.)"/>"</xsl:for-each><xsl:text>&#10;</xsl:text></xsl:for-each>
  </xsl:template>
</xsl:stylesheet>
