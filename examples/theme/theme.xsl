<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:css="http://namespaces.plone.org/diazo/css" xmlns:dv="http://namespaces.plone.org/diazo" xmlns:dyn="http://exslt.org/dynamic" xmlns:esi="http://www.edge-delivery.org/esi/1.0" xmlns:exsl="http://exslt.org/common" xmlns:str="http://exslt.org/strings" xmlns:xhtml="http://www.w3.org/1999/xhtml" version="1.0" exclude-result-prefixes="exsl str css dv dyn xhtml esi">

<xsl:param name="path"/>


    <xsl:variable name="normalized_path">
      <xsl:value-of select="$path"/>
      <xsl:if test="substring($path, string-length($path)) != '/'">/</xsl:if>
    </xsl:variable>

    <xsl:output method="xml" indent="no" omit-xml-declaration="yes" media-type="text/html" encoding="UTF-8" doctype-public="-//W3C//DTD XHTML 1.0 Transitional//EN" doctype-system="http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd"/>

    <xsl:template match="@*|node()">
        <xsl:copy>
            <xsl:apply-templates select="@*|node()"/>
        </xsl:copy>
    </xsl:template>

    <xsl:template match="text()">
        <!-- Filter out quoted &#13; -->
        <xsl:value-of select="str:replace(., '&#13;&#10;', '&#10;')"/>
    </xsl:template>

    <xsl:template match="style/text()|script/text()">
        <xsl:value-of select="str:replace(., '&#13;&#10;', '&#10;')" disable-output-escaping="yes"/>
    </xsl:template>

    <xsl:template match="/html/@xmlns|/html/@*[local-name()='xml:lang']">
        <!-- Filter out -->
    </xsl:template>

    <xsl:template match="*" mode="before-content"/>
    <xsl:template match="*" mode="before-content-children"/>
    <xsl:template match="*" mode="after-content"/>
    <xsl:template match="*" mode="after-content-children"/>
    <xsl:template match="*" mode="replace-content">
        <xsl:copy>
            <xsl:apply-templates select="@*"/>
            <xsl:apply-templates select="." mode="before-content-children"/>
            <xsl:apply-templates select="node()"/>
            <xsl:apply-templates select="." mode="after-content-children"/>
        </xsl:copy>
    </xsl:template>


    <xsl:template match="/"><xsl:choose>
<xsl:when test="(//*[@id = 'content'])"><xsl:apply-templates select="." mode="r1"/></xsl:when>

<xsl:otherwise><xsl:apply-templates select="@*|node()"/></xsl:otherwise>
</xsl:choose></xsl:template>

    <!--THEME r1: frame/frame.html-->
    <xsl:template match="/" mode="r1"><html lang="en"><xsl:text>
</xsl:text><head><xsl:text>
</xsl:text><xsl:apply-templates select="//title"/><xsl:text>
</xsl:text><meta name="viewport" content="width=device-width, initial-scale=1"/><xsl:text>
</xsl:text><link rel="stylesheet" href="/static/style.css"/><xsl:text>
</xsl:text></head><xsl:text>
</xsl:text><body>
<header><a href="/">Harbour Museum</a><xsl:text> </xsl:text><nav><a href="/">Home</a><xsl:text> </xsl:text><a href="/visit.html">Visit</a></nav></header>
<xsl:choose><xsl:when test="(starts-with($normalized_path, '/visit.html/'))"/><xsl:otherwise><p id="welcome">Open today until six.</p></xsl:otherwise></xsl:choose>
<main id="page"><xsl:apply-templates select="//*[@id = 'notice']"/><xsl:apply-templates select="//*[@id = 'content']/node()"/></main>
<footer>Harbour Museum, Quay 7</footer>
</body><xsl:text>
</xsl:text></html>
</xsl:template>

    <!--RULE: <diazo:drop css:content="#content .draft" xml:id="r5" content="//*[@id = 'content']//*[@class and contains(concat(' ', normalize-space(@class), ' '), ' draft ')]"/>-->
    <xsl:template match="//*[@id = 'content']//*[@class and contains(concat(' ', normalize-space(@class), ' '), ' draft ')]">
    </xsl:template>

    <xsl:template mode="raw" match="@*|node()">
        <xsl:copy>
            <xsl:apply-templates mode="raw" select="@*|node()"/>
        </xsl:copy>
    </xsl:template>
    <xsl:template mode="raw" match="text()">
        <!-- Filter out quoted &#13; -->
        <xsl:value-of select="str:replace(., '&#13;&#10;', '&#10;')"/>
    </xsl:template>
    <xsl:template mode="raw" match="style/text()|script/text()">
        <xsl:value-of select="str:replace(., '&#13;&#10;', '&#10;')" disable-output-escaping="yes"/>
    </xsl:template>
    <xsl:template mode="raw" match="/html/@xmlns|/html/@*[local-name()='xml:lang']">
        <!-- Filter out -->
    </xsl:template>
</xsl:stylesheet>
