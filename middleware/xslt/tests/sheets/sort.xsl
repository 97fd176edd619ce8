<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" indent="yes"/>
  <xsl:template match="/people">
    <sorted>
      <xsl:for-each select="person">
        <xsl:sort select="@born" data-type="number" order="descending"/>
        <xsl:sort select="name" case-order="upper-first"/>
        <person rank="{position()}" of="{last()}"><xsl:value-of select="concat(name, ', ', @born)"/></person>
      </xsl:for-each>
    </sorted>
  </xsl:template>
</xsl:stylesheet>
