<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:oai="http://www.openarchives.org/OAI/2.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
    exclude-result-prefixes="oai dc">
  <xsl:import href="page.xsl"/>
  <xsl:template match="/oai:OAI-PMH">
    <xsl:call-template name="page">
      <xsl:with-param name="title" select="concat(oai:request/@verb, ' of ', oai:request)"/>
      <xsl:with-param name="list" select="*/oai:record | */oai:resumptionToken"/>
    </xsl:call-template>
  </xsl:template>
  <xsl:template match="oai:record">
    <li><code><xsl:value-of select="oai:header/oai:identifier"/></code>
      <xsl:if test="oai:header/@status = 'deleted'"> (deleted)</xsl:if>
      <xsl:for-each select="oai:metadata//dc:title"> <i><xsl:value-of select="."/></i></xsl:for-each>
      <xsl:for-each select="oai:metadata//dc:creator"><xsl:value-of select="concat('; ', .)"/></xsl:for-each></li>
  </xsl:template>
  <xsl:template match="oai:resumptionToken">
    <li><a href="?verb=ListRecords&amp;resumptionToken={.}">more</a> of <xsl:value-of select="@completeListSize"/></li>
  </xsl:template>
</xsl:stylesheet>
