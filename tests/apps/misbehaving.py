"""Raises, exits, or blocks for ever, as its path says."""

import sys
import threading


def application(environ, start_response):
    match environ["PATH_INFO"]:
        case "/raise":
            raise LookupError("no such thing: \N{SNOWMAN}")
        case "/exit":
            sys.exit(3)
        case "/interrupt":
            raise KeyboardInterrupt
        case "/recurse":
            return application(environ, start_response)
        case "/block":
            print("blocks", file=environ["wsgi.errors"])
            threading.Event().wait()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"well"]
