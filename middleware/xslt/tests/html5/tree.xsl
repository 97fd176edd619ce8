<!-- Writes a tree node by node, as stylesheets see it. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text" encoding="UTF-8"/>
<xsl:template match="*">
  <xsl:param name="indent"/>
  <xsl:value-of select="concat($indent, '&lt;', namespace-uri(), ' ', local-name(), '&gt;&#10;')"/>
  <xsl:for-each select="@*">
    <xsl:sort select="local-name()"/>
    <xsl:value-of select="concat($indent, '  @', namespace-uri(), ' ', local-name(), '=', ., '|&#10;')"/>
  </xsl:for-each>
  <xsl:apply-templates><xsl:with-param name="indent" select="concat($indent, '  ')"/></xsl:apply-templates>
</xsl:template>
<xsl:template match="text()">
  <xsl:param name="indent"/>
  <xsl:value-of select="concat($indent, '&quot;', ., '&quot;&#10;')"/>
</xsl:template>
<xsl:template match="comment()">
  <xsl:param name="indent"/>
  <xsl:value-of select="concat($indent, '&lt;!--', ., '--&gt;&#10;')"/>
</xsl:template>
</xsl:stylesheet>
