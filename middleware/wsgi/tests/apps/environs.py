"""Applications that look at their environ."""

import json
import os
import threading
from wsgiref.validate import validator

KEPT = []


@validator
def everything(environ, start_response):
    """All that can be told as text."""
    KEPT.append(environ)
    told = {name: value for name, value in environ.items() if isinstance(value, (str, bool, tuple))}
    told["type"] = type(environ).__name__
    told["before"] = len(KEPT) > 1 and KEPT[-2]["PATH_INFO"]
    told["leaked"] = [name for name in os.environ if name in environ]
    body = json.dumps(told).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def changes(environ, start_response):
    """Tells what it finds, and leaves none of it as it was."""
    body = json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode("ascii")
    for name in [name for name, value in environ.items() if isinstance(value, str)]:
        environ[name] = "changed"
    del environ["SERVER_NAME"]
    environ["LEFT"] = "by another request"
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def prints_a_line_without_end(environ, start_response):
    for _ in range(100):
        print("." * 1000, end="")
    start_response("204 No Content", [])
    return []


def logs(environ, start_response):
    errors = environ["wsgi.errors"]
    errors.write("half a ")
    errors.writelines(["line\n", "any text \udce9 \N{EURO SIGN}\n"])
    print("printed")
    print("without an end", end="", file=errors)
    errors.flush()
    thread = threading.Thread(target=print, args=("from a thread of its own",))
    thread.start()
    thread.join()
    start_response("204 No Content", [])
    return []
