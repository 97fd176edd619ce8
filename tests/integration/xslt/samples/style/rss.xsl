<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:dc="http://purl.org/dc/elements/1.1/" exclude-result-prefixes="dc">
  <xsl:import href="page.xsl"/>
  <xsl:template match="/rss">
    <xsl:call-template name="page">
      <xsl:with-param name="title" select="channel/title"/>
      <xsl:with-param name="list" select="channel/item"/>
    </xsl:call-template>
  </xsl:template>
  <xsl:template match="item">
    <li><a href="{link}"><xsl:value-of select="title"/></a>
      <xsl:if test="dc:creator"> by <xsl:value-of select="dc:creator"/></xsl:if>,
      <time><xsl:value-of select="substring(pubDate, 6, 11)"/></time></li>
  </xsl:template>
</xsl:stylesheet>
