"""The applications under test behind one callable: the first segment of the path chooses one, what has no name answers
with its environ.

What happened on the side of the application is told in a file that the query names (`notes=FILE`), because not every
answer arrives; and `until=FILE` lets a client say when an application may go on. Both work whatever number of
processes and threads a server has.
"""

import json
import os
import threading
import time
import urllib.parse

APPLICATIONS = {}
TEXT = [("Content-Type", "text/plain")]
PATIENCE = 60  # seconds; a client that has lost its own is long gone


def fixture(function):
    """Puts an application at `/name-of-it`."""
    APPLICATIONS[function.__name__.replace("_", "-")] = function
    return function


def application(environ, start_response):
    # Servers that can have but one application answer for the second one, too.
    name = environ["PATH_INFO"].removeprefix("/other").strip("/").partition("/")[0]
    return APPLICATIONS.get(name, show)(environ, start_response)


def show(environ, start_response):
    """The environ as JSON; what is no text in it, by the name of its type."""
    told = {
        str(key): value if isinstance(value, (str, bool, int, list, tuple, type(None))) else type(value).__name__
        for key, value in environ.items()
    }
    told["type of the environ"] = type(environ).__name__
    told["types of the keys and texts"] = sorted({type(name).__name__ for name in environ})
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def query(environ, name, default=None):
    return urllib.parse.parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True).get(name, [default])[0]


def note(environ, text):
    """Tells the check something; lines are appended whole."""
    file = os.open(query(environ, "notes"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(file, f"{text}\n".encode())
    finally:
        os.close(file)


def wait(environ):
    """Waits for the client's leave, but not for ever."""
    path = query(environ, "until")
    end = time.monotonic() + PATIENCE
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.01)


def thread():
    return threading.get_native_id()


class Closing:
    """An iterable that tells when it is closed, and on which thread."""

    def __init__(self, environ, chunks):
        self._environ = environ
        self._chunks = iter(chunks)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._chunks)

    def close(self):
        note(self._environ, f"closed {thread()}")


import answers  # noqa: E402,F401  the fixtures themselves, which need what is above
import failures  # noqa: E402,F401
import inputs  # noqa: E402,F401
import others  # noqa: E402,F401
import streams  # noqa: E402,F401
