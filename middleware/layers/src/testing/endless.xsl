<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="/ | *">
    <xsl:for-each select="//node()"><xsl:for-each select="//node()"><xsl:for-each select="//node()">
      <xsl:value-of select="count(//node())"/>
    </xsl:for-each></xsl:for-each></xsl:for-each>
  </xsl:template>
</xsl:stylesheet>
