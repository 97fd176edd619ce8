<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" cdata-section-elements="script style" encoding="UTF-16"/>
  <xsl:template match="@*|node()"><xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy></xsl:template>
  <xsl:template match="drop"/>
  <xsl:template match="processing-instruction('old')"><xsl:processing-instruction name="new">x="1"</xsl:processing-instruction></xsl:template>
</xsl:stylesheet>
