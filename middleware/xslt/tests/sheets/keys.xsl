<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" encoding="UTF-8" standalone="yes"/>
  <xsl:key name="by-author" match="book" use="author"/>
  <xsl:key name="by-id" match="book" use="@id"/>
  <xsl:template match="library">
    <authors>
      <xsl:for-each select="book[generate-id() = generate-id(key('by-author', author)[1])]">
        <author name="{author}" books="{count(key('by-author', author))}">
          <xsl:copy-of select="key('by-author', author)/title"/>
        </author>
      </xsl:for-each>
      <first><xsl:value-of select="key('by-id', /library/@first)/title"/></first>
    </authors>
  </xsl:template>
</xsl:stylesheet>
