<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="html" doctype-public="-//W3C//DTD HTML 4.01//EN" doctype-system="http://www.w3.org/TR/html4/strict.dtd" encoding="ISO-8859-1" indent="yes" media-type="text/html"/>
  <xsl:param name="path" select="'/default'"/>
  <xsl:param name="user"/>
  <xsl:template match="/page">
    <html><head><title><xsl:value-of select="title"/></title><script>if (a &lt; b &amp;&amp; c) { alert("x"); }</script></head>
    <body><h1 title="{$user}"><xsl:value-of select="$path"/></h1>
    <img src="a b.png?x=1&amp;y=2" alt=""/><hr noshade="noshade"/><input type="checkbox" checked="checked"/>
    <xsl:value-of select="raw" disable-output-escaping="yes"/>
    <xsl:copy-of select="p"/></body></html>
  </xsl:template>
</xsl:stylesheet>
