<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:import href="shared/base.xsl"/>
  <xsl:include href="shared/dates.xsl"/>
  <xsl:output method="xml" omit-xml-declaration="yes"/>
  <xsl:template match="title"><strong><xsl:apply-imports/></strong></xsl:template>
  <xsl:template match="countries"><xsl:value-of select="document('shared/countries.xml')/*/country[@code = current()/@code]"/></xsl:template>
</xsl:stylesheet>
