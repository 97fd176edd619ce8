"""Applications that should not be: each has an outcome that is defined (README.md)."""

import json
import os
import sys
import time

from fixtures import TEXT, fixture, note, query


@fixture
def no_iterable(environ, start_response):
    start_response("200 OK", TEXT)


@fixture
def texts(environ, start_response):
    start_response("200 OK", TEXT)
    return {"string": "text", "chunk": ["text"], "number": [7], "late": iter([b"", "text"])}[query(environ, "how")]


@fixture
def no_start(environ, start_response):
    return {"whole": [b"hello"], "empty": [], "stream": iter([b"a", b"b"])}[query(environ, "how")]


@fixture
def wrong_head(environ, start_response):
    """What is no status or no list of headers."""
    wrong = {
        "None": ("200 OK", None),
        "tuple": ("200 OK", (("X-A", "1"),)),
        "bytes": ("200 OK", [(b"X-A", b"1")]),
        "number": ("200 OK", [("X-A", 1)]),
        "three": ("200 OK", [("X-A", "1", "2")]),
        "status": (b"200 OK", []),
    }
    start_response(*wrong[query(environ, "how")])
    return [b"hello"]


@fixture
def raising(environ, start_response):
    how = query(environ, "how")
    if how == "call":
        raise LookupError("in the call")
    start_response("200 OK", TEXT)
    if how == "started":
        raise LookupError("after start_response")
    return Raising(how)


class Raising:
    """Raises where it is told to."""

    def __init__(self, how):
        self.how = how
        self.left = 2

    def __iter__(self):
        if self.how == "iter":
            raise LookupError("in __iter__")
        return self

    def __next__(self):
        if self.how == "next":
            raise LookupError("in the first __next__")
        self.left -= 1
        if self.left < 0:
            raise StopIteration
        return b"whole"

    def close(self):
        if self.how == "close":
            raise LookupError("in close")


@fixture
def leaving(environ, start_response):
    how = query(environ, "how")
    if how == "_exit":
        os._exit(9)
    if how == "stream":
        start_response("200 OK", TEXT)
        return leave_in_stream()
    if how == "exit":
        sys.exit(9)
    raise {"interrupt": KeyboardInterrupt, "generator": GeneratorExit, "base": BaseException}[how]


def leave_in_stream():
    yield b"x" * 1000
    sys.exit(9)


@fixture
def forking(environ, start_response):
    """A child that leaves, one that comes back as if it were the parent, and one that raises."""
    how = query(environ, "how")
    try:
        child = os.fork()
    except RuntimeError:  # as Python has it in an interpreter that is not the main one
        note(environ, "refused")
        start_response("200 OK", TEXT)
        return [b"parent"]
    if child == 0:
        note(environ, "child")
        if how == "exit":
            os._exit(0)
        if how == "raise":
            raise LookupError("in the child")
        if how == "sys.exit":
            sys.exit(0)
        start_response("200 OK", TEXT)
        return [b"child"]
    end = time.monotonic() + 8
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > end:
            os.kill(child, 9)
            os.waitpid(child, 0)
            note(environ, "the child lived on")
            break
        time.sleep(0.01)
    start_response("200 OK", TEXT)
    return [b"parent"]


@fixture
def recursing(environ, start_response):
    """Without end in Python, or in C."""
    if query(environ, "how") == "C":
        json.loads("[" * 1_000_000)
    return recursing(environ, start_response)


@fixture
def blocking(environ, start_response):
    """Blocks for ever, for all that a test can tell."""
    note(environ, "blocked")
    time.sleep(3600)


@fixture
def printing(environ, start_response):
    """Prints so many MiB, without or with ends of lines."""
    piece = "x" * (1 << 20) if query(environ, "how") == "line" else ("x" * 1023 + "\n") * 1024
    stream = environ["wsgi.errors"] if query(environ, "to") == "errors" else sys.stdout
    for _ in range(int(query(environ, "size"))):
        stream.write(piece)
    stream.write("\n")
    stream.flush()
    note(environ, "printed")
    start_response("200 OK", TEXT)
    return [b"printed"]
