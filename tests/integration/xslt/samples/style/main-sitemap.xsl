<?xml version="1.0"?>
<xsl:stylesheet version="2.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:sitemap="http://www.sitemaps.org/schemas/sitemap/0.9"
    xmlns:image="http://www.google.com/schemas/sitemap-image/1.1" exclude-result-prefixes="sitemap image">
  <xsl:import href="page.xsl"/>
  <xsl:template match="/">
    <xsl:call-template name="page">
      <xsl:with-param name="title" select="concat('Sitemap of ', count(sitemap:urlset/sitemap:url), ' pages')"/>
      <xsl:with-param name="list" select="sitemap:urlset/sitemap:url"/>
    </xsl:call-template>
  </xsl:template>
  <xsl:template match="sitemap:url">
    <li><a href="{sitemap:loc}"><xsl:value-of select="sitemap:loc"/></a>, <xsl:value-of select="count(image:image)"/> images</li>
  </xsl:template>
</xsl:stylesheet>
