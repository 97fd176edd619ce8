"""The shop: a WSGI application, and what it runs in."""

import os
import sys


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    version = ".".join(map(str, sys.version_info[:3]))
    return [f"The shop: Python {version} in process {os.getpid()}\n".encode()]
