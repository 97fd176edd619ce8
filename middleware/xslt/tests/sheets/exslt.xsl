<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:exsl="http://exslt.org/common" xmlns:str="http://exslt.org/strings"
    xmlns:set="http://exslt.org/sets" xmlns:math="http://exslt.org/math" xmlns:date="http://exslt.org/dates-and-times"
    xmlns:func="http://exslt.org/functions" xmlns:dyn="http://exslt.org/dynamic" xmlns:my="urn:my"
    extension-element-prefixes="exsl str set math date func dyn" exclude-result-prefixes="my">
  <xsl:output indent="yes"/>
  <func:function name="my:double"><xsl:param name="n"/><func:result select="$n * 2"/></func:function>
  <xsl:template match="/numbers">
    <xsl:variable name="tree"><a/><b/><a/></xsl:variable>
    <results>
      <nodes><xsl:value-of select="count(exsl:node-set($tree)/a)"/></nodes>
      <words><xsl:for-each select="str:tokenize('to be or not', ' ')"><w><xsl:value-of select="."/></w></xsl:for-each></words>
      <padded><xsl:value-of select="str:padding(7, '*-')"/></padded>
      <distinct><xsl:copy-of select="set:distinct(n)"/></distinct>
      <max><xsl:value-of select="math:max(n)"/></max>
      <day><xsl:value-of select="date:day-name('2026-11-22')"/></day>
      <twice><xsl:value-of select="my:double(sum(n))"/></twice>
      <dynamic><xsl:value-of select="dyn:evaluate(@path)"/></dynamic>
    </results>
  </xsl:template>
</xsl:stylesheet>
