"""Reads documents as html5lib does, and writes their trees as `tree.xsl` does.

Each document comes behind a line with its length and its charset, or `-` for none; each tree goes behind one with its length.
"""

import sys

import html5lib

XMLNS = "{http://www.w3.org/2000/xmlns/}"


def split(name):
    uri, _, local = name[1:].rpartition("}") if name.startswith("{") else ("", "", name)
    return uri, local


def write(node, indent, lines):
    if not isinstance(node.tag, str):
        lines.append(f"{indent}<!--{node.text or ''}-->\n")
        return
    if node.tag == "<!DOCTYPE>":
        return
    lines.append(f"{indent}<{' '.join(split(node.tag))}>\n")
    attributes = [(split(name), value) for name, value in node.attrib.items() if not name.startswith(XMLNS)]
    for (uri, local), value in sorted(attributes, key=lambda attribute: attribute[0][1].encode()):
        lines.append(f"{indent}  @{uri} {local}={value}|\n")
    within(node, indent + "  ", lines)


def within(node, indent, lines):
    if node.text:
        lines.append(f'{indent}"{node.text}"\n')
    for child in node:
        write(child, indent, lines)
        if child.tail:
            lines.append(f'{indent}"{child.tail}"\n')


def tree(document, charset):
    # `fullTree` gives comments beside <html>, too.
    builder = html5lib.getTreeBuilder("etree", fullTree=True)
    parser = html5lib.HTMLParser(tree=builder, namespaceHTMLElements=False)
    lines = []
    within(parser.parse(document, transport_encoding=charset), "", lines)
    return "".join(lines)


while line := sys.stdin.buffer.readline().split():
    length, charset = int(line[0]), line[1].decode()
    written = tree(sys.stdin.buffer.read(length), None if charset == "-" else charset).encode()
    sys.stdout.buffer.write(b"%d\n" % len(written) + written)
