#!/usr/bin/env python3
"""Writes what `run.py` has told (its lines in FILE) as tables: results.md, and the short one in the README.

    table.py FILE
"""

import datetime
import re
import subprocess
import sys
from pathlib import Path

from servers import SERVERS

HERE = Path(__file__).parent
README = HERE.parent.parent / "README.md"
BEGIN, END = "<!-- written by tests/wsgi/compare -->\n", "<!-- end of what tests/wsgi/compare writes -->\n"
SIGNS = {"pass": "✓", "fail": "✗", "absent": "–"}


def main():
    lines = [line.split("\t") for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    outcomes = {}
    for server, row, check, outcome, seen in lines:
        outcomes.setdefault((server, row), []).append((check, outcome, seen))
    write_results(outcomes)
    readme = README.read_text(encoding="utf-8")
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    README.write_text(before + BEGIN + "\n" + summary(outcomes) + "\n" + END + after, encoding="utf-8")


def rows():
    """The names of the rows, in the order of README.md."""
    return re.findall(r"^\| `([\w-]+)` \|", (HERE / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


def verdict(checks):
    """A row is passed where all of its checks are that the server can be set up for."""
    found = {outcome for _, outcome, _ in checks}
    return next(outcome for outcome in ("fail", "pass", "absent") if outcome in found)


def summary(outcomes):
    lines = [
        "| row | " + " | ".join(server.title for server in SERVERS) + " |",
        "|---|" + ":-:|" * len(SERVERS),
    ]
    verdicts = {at: verdict(checks) for at, checks in outcomes.items()}
    for row in rows():
        lines.append(f"| `{row}` | " + " | ".join(SIGNS[verdicts[server.name, row]] for server in SERVERS) + " |")
    sums = []
    for server in SERVERS:
        of_server = [verdicts[server.name, row] for row in rows()]
        sums.append(f"{of_server.count('pass')} of {len(of_server) - of_server.count('absent')}")
    lines.append("| passed | " + " | ".join(sums) + " |")
    return "\n".join(lines) + f"\n\n{setting()}\n"


def write_results(outcomes):
    text = [
        "# What each server has done\n",
        "Written by `tests/wsgi/compare`. The rows are explained in [README.md](README.md), the servers are started as",
        "`servers.py` says. ✓ passed, ✗ failed, – the server cannot be set up so.\n",
        summary(outcomes),
        "## What was seen instead\n",
    ]
    for server in SERVERS:
        text.append(f"### {server.title}\n")
        failed = [
            f"- `{row}`, `{check}`: {seen or 'nothing'}"
            for row in rows()
            for check, outcome, seen in outcomes[server.name, row]
            if outcome == "fail"
        ]
        text.append("\n".join(map(escaped, failed)) + "\n" if failed else "Every row is passed.\n")
    (HERE / "results.md").write_text("\n".join(text).rstrip("\n") + "\n", encoding="utf-8")


def escaped(line):
    return line.replace("<", "&lt;").replace("*", "\\*")


def setting():
    """Date and versions."""
    pinned = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    versions = [line.replace("==", " ") for line in pinned if "==" in line]
    for title, package in (("mod_wsgi", "libapache2-mod-wsgi-py3"), ("Apache", "apache2-bin")):
        version = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package], check=True, capture_output=True, text=True
        ).stdout
        versions.append(f"{title} {version.split('-')[0]}")
    python = sys.version.split()[0]
    return f"Run on {datetime.date.today()}, with Python {python}: {', '.join(versions)}."


main()
