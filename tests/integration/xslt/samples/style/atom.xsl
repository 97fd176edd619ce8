<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:atom="http://www.w3.org/2005/Atom" xmlns:html="http://www.w3.org/1999/xhtml" exclude-result-prefixes="atom html">
  <xsl:import href="page.xsl"/>
  <xsl:template match="/atom:feed">
    <xsl:call-template name="page">
      <xsl:with-param name="title" select="atom:title"/>
      <xsl:with-param name="list" select="atom:entry"/>
    </xsl:call-template>
  </xsl:template>
  <xsl:template match="atom:entry">
    <li><a href="{atom:link[@rel='alternate']/@href}"><xsl:value-of select="atom:title"/></a>
      <xsl:apply-templates select="atom:content/html:div/*"/></li>
  </xsl:template>
  <xsl:template match="html:*">
    <xsl:element name="{local-name()}"><xsl:apply-templates/></xsl:element>
  </xsl:template>
</xsl:stylesheet>
