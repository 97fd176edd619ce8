#!/usr/bin/env python3
"""Writes the files that the servers of the benchmarks serve: always the same bytes."""

import random
import shutil
import subprocess
from pathlib import Path

WWW = Path("/tmp/bench-www")  # the configurations of the peers name it, and not all of them can read a variable


def catalog(items, dice):
    lines = "".join(
        f'  <item id="i{i}" stock="{dice.randint(0, 50)}"><name>Widget number {i} &amp; Co</name>'
        f'<price currency="EUR">{dice.randint(100, 99999) / 100:.2f}</price><tag>t{i % 7}</tag><tag>u{i % 5}</tag></item>\n'
        for i in range(items)
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<catalog title="Spring">\n{lines}</catalog>\n'


def main():
    dice = random.Random(7)
    (WWW / "xml").mkdir(parents=True, exist_ok=True)
    for name, items in (("small", 5), ("medium", 70), ("large", 7000)):
        (WWW / "xml" / f"{name}.xml").write_text(catalog(items, dice))
    (WWW / "php").mkdir(exist_ok=True)
    (WWW / "php" / "index.php").write_text('<?php header("Content-Type: text/plain"); echo "Hello, ".$_SERVER["REQUEST_URI"];')
    WWW.chmod(0o755)  # php-fpm is another user
    (WWW / "hello.txt").write_text("Hello, " + "world! " * 12 + "\n")
    (WWW / "big").write_text("x" * 102_400)
    (WWW / "cgi").mkdir(exist_ok=True)
    subprocess.run(["cc", "-O2", "-o", WWW / "cgi" / "hello.cgi", Path(__file__).parent / "apps" / "hello.c"], check=True)
    shutil.copy(Path(__file__).parent / "apps" / "catalog.xsl", WWW)


main()
