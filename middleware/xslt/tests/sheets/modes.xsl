<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="html"/>
  <xsl:strip-space elements="*"/>
  <xsl:preserve-space elements="pre"/>
  <xsl:template match="/">
    <div>
      <ol class="contents"><xsl:apply-templates select="//section" mode="contents"/></ol>
      <xsl:apply-templates/>
    </div>
  </xsl:template>
  <xsl:template match="section" mode="contents">
    <li><a href="#s{position()}"><xsl:number level="multiple" format="1.a "/><xsl:value-of select="@title"/></a></li>
  </xsl:template>
  <xsl:template match="section"><section><h2><xsl:value-of select="@title"/></h2><xsl:apply-templates/></section></xsl:template>
  <xsl:template match="pre"><pre><xsl:apply-templates/></pre></xsl:template>
  <xsl:template match="p[1]" priority="2"><p class="first"><xsl:apply-templates/></p></xsl:template>
  <xsl:template match="p"><p><xsl:apply-templates/></p><br/></xsl:template>
  <xsl:template match="comment()"><xsl:comment> seen: <xsl:value-of select="."/> </xsl:comment></xsl:template>
</xsl:stylesheet>
