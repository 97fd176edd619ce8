#!/usr/bin/env python3
"""Runs the checks of tests/wsgi against servers, and tells what each has done.

    run.py vestibule waitress           these servers; all of the tables without a name
    run.py --row close --row write      only these rows
    run.py --list                       the rows and their checks; runs nothing

A line for each check: server, row, check, `pass`, `fail` or `absent` (the server cannot be set up so), and what was seen.

    VESTIBULE              the binary
    VESTIBULE_TEST_VENV    the virtualenv or interpreter it is given; by default the one that runs this
    PEERS                  the bin folder of a virtualenv with the peers
"""

import argparse
import re
import signal
import sys

import checks
from client import Absent, Wrong, eventually, expect
from processes import Place, Process
from servers import OTHERS, PREFIXES, SERVERS
from sites import Site

DEADLINE = 150  # seconds, for a check
STARTING = 60


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("servers", nargs="*", metavar="SERVER", help=", ".join(server.name for server in SERVERS + OTHERS))
    options.add_argument("--row", action="append", help="only the checks of this row")
    options.add_argument("--check", action="append", help="only this check")
    options.add_argument("--retry", action="store_true", help="what fails is run once more: a machine may be busy")
    options.add_argument("--list", action="store_true", help="tell the rows and their checks")
    options = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGALRM, give_up)

    chosen = [
        check
        for check in checks.all_checks()
        if (not options.row or check.row in options.row) and (not options.check or check.name in options.check)
    ]
    if options.list:
        for check in chosen:
            print(check.row, check.name, sep="\t")
        return
    named = [server for server in SERVERS + OTHERS if server.name in options.servers]
    for server in named if options.servers else SERVERS:
        run(server, chosen, options.retry)


def run(server, chosen, retry):
    sites = Sites(server)
    try:
        for check in chosen:
            outcome, seen = judge(sites, check)
            if outcome == "fail" and retry:
                outcome, seen = judge(sites, check)
            tell(server, check.row, check.name, outcome, seen)
    finally:
        sites.stop()


def tell(server, row, check, outcome, seen):
    print(server.name, row, check, outcome, one_line(seen), sep="\t", flush=True)


def judge(sites, check):
    signal.alarm(DEADLINE)
    try:
        site = sites.get(check.site)
        if site is None:
            return "absent", ""
        check.run(site)
    except Absent:
        return "absent", ""
    except Wrong as wrong:
        return "fail", str(wrong)
    except Exception as error:
        # Whatever a client trips over is an answer that is wrong.
        return "fail", f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return "pass", ""


def give_up(*_):
    raise Wrong(f"not over after {DEADLINE} s")


def one_line(text):
    """What was seen, without what differs from run to run."""
    return re.sub(r"/\S*wsgi-\w+/", "", " ".join(text.split()))[:160]


class Sites:
    """The sites of one server, each started when a check asks for it, and again where the last check has broken it."""

    def __init__(self, server):
        self.server = server
        self.running = {}

    def get(self, kind):
        site = self.running.get(kind)
        if site and not self.is_well(kind, site):
            self.end(kind)
            site = None
        return site or self.start(kind)

    @staticmethod
    def is_well(kind, site):
        try:
            return kind == "broken" or site.ask("/hello", patience=10).body == b"hello"
        except (OSError, Wrong):
            return False

    def start(self, kind):
        for _ in range(3):
            place = Place()
            command = self.server.command(kind, place)
            if command is None:
                place.remove()
                return None
            process = Process(place, command, self.server.environment(kind))
            address = place.socket if kind == "unix" else place.address
            site = self.running[kind] = Site(self.server, process, address, PREFIXES.get(kind, ""))
            eventually(lambda site=site: process.code() is not None or self.is_well(kind, site), STARTING)
            if kind == "broken" or process.code() is None:
                return site
            log = site.log()[-2000:]
            self.end(kind)
            # Another program may have been faster at the port that was free.
            expect("in use" in log, f"it does not start: {log}")
        raise Wrong("no port stays free")

    def end(self, kind):
        site = self.running.pop(kind)
        if self.server.never_logged and self.server.never_logged in site.log():
            tell(self.server, "survival", kind, "fail", f"{self.server.never_logged} is in the log")
        site.process.stop()

    def stop(self):
        for kind in list(self.running):
            self.end(kind)


main()
