<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output encoding="US-ASCII"/>
  <xsl:template match="note"><note><xsl:apply-templates/></note></xsl:template>
  <xsl:template match="title"><title><xsl:value-of select="."/></title></xsl:template>
  <xsl:template match="date"><never/></xsl:template>
</xsl:stylesheet>
