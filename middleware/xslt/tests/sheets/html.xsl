<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="html" encoding="UTF-8"/>
  <xsl:template match="/"><html><body><ul><xsl:for-each select="//a[@href]"><li><xsl:copy-of select="."/></li></xsl:for-each></ul></body></html></xsl:template>
</xsl:stylesheet>
