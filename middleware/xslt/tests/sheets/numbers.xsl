<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" indent="yes" encoding="UTF-8"/>
  <xsl:decimal-format name="eu" decimal-separator="," grouping-separator="." NaN="keine" infinity="unendlich"/>
  <xsl:variable name="total" select="sum(//n)"/>
  <xsl:attribute-set name="common"><xsl:attribute name="unit">EUR</xsl:attribute></xsl:attribute-set>
  <xsl:template match="/list">
    <out total="{format-number($total, '#.##0,00', 'eu')}">
      <xsl:for-each select="n">
        <n xsl:use-attribute-sets="common" i="{position()}" share="{format-number(. div $total, '0.0%')}"><xsl:number value="position()" format="I"/>: <xsl:value-of select="format-number(., '#.##0,###', 'eu')"/></n>
      </xsl:for-each>
      <nan><xsl:value-of select="format-number('x', '0', 'eu')"/></nan>
      <inf><xsl:value-of select="format-number(1 div 0, '0', 'eu')"/></inf>
      <round><xsl:value-of select="round(-2.5)"/>,<xsl:value-of select="floor(2.7)"/>,<xsl:value-of select="1 div 3"/>,<xsl:value-of select="1e15 * 10"/></round>
      <letters><xsl:for-each select="n"><xsl:number format="a"/>-</xsl:for-each></letters>
      <xsl:call-template name="count"><xsl:with-param name="n" select="3"/></xsl:call-template>
      <xsl:choose><xsl:when test="$total > 1000"><big/></xsl:when><xsl:otherwise><small/></xsl:otherwise></xsl:choose>
    </out>
  </xsl:template>
  <xsl:template name="count"><xsl:param name="n"/><xsl:if test="$n > 0"><c><xsl:value-of select="$n"/></c><xsl:call-template name="count"><xsl:with-param name="n" select="$n - 1"/></xsl:call-template></xsl:if></xsl:template>
</xsl:stylesheet>
