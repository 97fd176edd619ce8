"""The checks, each of one row of README.md: functions of a `Site` that raise `Wrong` with what they have seen."""

import importlib
from dataclasses import dataclass
from typing import Callable

GROUPS = ["answers", "streams", "environs", "paths", "inputs", "host", "failures"]
CHECKS = []


@dataclass
class Check:
    row: str
    site: str
    run: Callable

    @property
    def name(self):
        return self.run.__name__


def check(row, site="plain"):
    """Registers a check. `site` is the way in which its server is started (`servers/`)."""

    def register(function):
        CHECKS.append(Check(row, site, function))
        return function

    return register


def all_checks():
    for group in GROUPS:
        importlib.import_module(f"checks.{group}")
    return CHECKS
