<!-- Gives the tree as it is. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="/"><xsl:copy-of select="node()"/></xsl:template>
</xsl:stylesheet>
