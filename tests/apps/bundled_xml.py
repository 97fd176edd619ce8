"""Uses lxml, parser and XSLT and errors, while the gateway transforms what it answers."""

from lxml import etree

SHEET = etree.XSLT(
    etree.XML(
        '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
        '<xsl:template match="/"><numbers count="{count(//number)}"/></xsl:template>'
        "</xsl:stylesheet>"
    )
)


def application(environ, start_response):
    numbers = etree.fromstring("<list>" + "<number/>" * 1000 + "</list>")
    count = SHEET(numbers).getroot().get("count")
    try:
        etree.fromstring("<list><number></list>")
    except etree.XMLSyntaxError as error:
        mistake = f"{error.lineno}: {error.msg}"
    answer = etree.Element("answer", count=count, mistake=mistake, libxml=".".join(map(str, etree.LIBXML_VERSION)))
    start_response("200 OK", [("Content-Type", "application/xml")])
    return [etree.tostring(answer)]
