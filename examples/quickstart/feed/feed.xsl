<?xml version="1.0" encoding="utf-8"?>
<!-- An Atom feed as a page. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:atom="http://www.w3.org/2005/Atom" exclude-result-prefixes="atom">
  <xsl:output method="html" encoding="utf-8" doctype-system="about:legacy-compat" indent="no"/>

  <!-- Where the feed is to be had untransformed: set in vestibule.yaml. -->
  <xsl:param name="raw"/>

  <xsl:template match="/atom:feed">
    <html lang="{@xml:lang}">
      <head>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <title><xsl:value-of select="atom:title"/></title>
        <link rel="icon" href="/icon.svg"/>
        <link rel="stylesheet" href="/style.css"/>
        <link rel="alternate" type="application/atom+xml" href="{$raw}"/>
      </head>
      <body>
        <header class="bar"><a href="/">Vestibule quickstart</a><span>feed · XSLT</span></header>
        <main>
          <h1><xsl:value-of select="atom:title"/></h1>
          <p class="lead"><xsl:value-of select="atom:subtitle"/></p>
          <xsl:apply-templates select="atom:entry">
            <xsl:sort select="atom:updated" order="descending"/>
          </xsl:apply-templates>
          <p class="small">
            <xsl:value-of select="count(atom:entry)"/> entries of an Atom feed, for feed readers at
            <a href="{$raw}"><xsl:value-of select="$raw"/></a>.
          </p>
        </main>
      </body>
    </html>
  </xsl:template>

  <xsl:template match="atom:entry">
    <article class="entry">
      <p class="small"><xsl:call-template name="day"><xsl:with-param name="time" select="atom:updated"/></xsl:call-template></p>
      <h2><a href="{atom:link/@href}"><xsl:value-of select="atom:title"/></a></h2>
      <p><xsl:value-of select="atom:summary"/></p>
    </article>
  </xsl:template>

  <!-- 2026-11-03T08:15:00Z as "3 November 2026". -->
  <xsl:template name="day">
    <xsl:param name="time"/>
    <xsl:variable name="months" select="'January  February March    April    May      June     July     August   SeptemberOctober  November December '"/>
    <xsl:variable name="month" select="normalize-space(substring($months, 9 * number(substring($time, 6, 2)) - 8, 9))"/>
    <xsl:value-of select="concat(number(substring($time, 9, 2)), ' ', $month, ' ', substring($time, 1, 4))"/>
  </xsl:template>
</xsl:stylesheet>
