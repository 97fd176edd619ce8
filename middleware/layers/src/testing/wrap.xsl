<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="/*"><page>wrapped <xsl:value-of select="."/></page></xsl:template>
</xsl:stylesheet>
