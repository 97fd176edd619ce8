"""Compiles rules by Diazo, and applies them by lxml.

    themed.py RULES FOLDER PAGE,PATH,MODE...

The compiled sheet is theme.xsl in the folder; the results beside it are 0.html, 1.html and so on.
"""

import sys
from pathlib import Path

from diazo.compiler import compile_theme
from lxml import etree

rules, folder, *pages = sys.argv[1:]
sheet = compile_theme(rules, absolute_prefix="/static", xsl_params={"mode": "", "path": "/"})
Path(folder, "theme.xsl").write_bytes(etree.tostring(sheet, encoding="utf-8"))
transform = etree.XSLT(sheet)
for number, page in enumerate(pages):
    name, path, mode = page.split(",")
    document = etree.parse(str(Path(rules).with_name(name)), etree.HTMLParser(encoding="utf-8"))
    params = {"path": etree.XSLT.strparam(path), "mode": etree.XSLT.strparam(mode)}
    Path(folder, f"{number}.html").write_bytes(bytes(transform(document, **params)))
