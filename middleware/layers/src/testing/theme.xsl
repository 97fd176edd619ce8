<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="html" encoding="utf-8"/>
  <xsl:param name="path" select="'nowhere'"/>
  <xsl:template match="/page">
    <h1><xsl:value-of select="concat($path, ': ', .)"/></h1>
  </xsl:template>
</xsl:stylesheet>
