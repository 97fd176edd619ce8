"""Tells which interpreter runs it, in which process and thread, and which packages it finds."""

import importlib.metadata
import importlib.util
import os
import sys
import threading


def application(environ, start_response):
    flask = importlib.util.find_spec("flask")
    lines = [
        f"version={sys.version.split()[0]}",
        f"prefix={sys.prefix}",
        f"pid={os.getpid()}",
        f"multiprocess={environ['wsgi.multiprocess']}",
        f"thread={threading.current_thread().name}",
        f"flask={importlib.metadata.version('flask') if flask else None}",
        f"from={flask.origin if flask else None}",
    ]
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return ["\n".join(lines).encode()]
