"""Applications that read their input, or do not."""

import hashlib
import json

from fixtures import TEXT, fixture, note, query, wait

WAYS = {
    "read": lambda body: [body.read(), body.read(), body.read(5)],
    "read(-1)": lambda body: [body.read(-1), body.read(-1)],
    "read(n)": lambda body: [body.read(0), body.read(4), body.read(1000), body.read(1)],
    "readline": lambda body: [body.readline(), body.readline(), body.readline(), body.readline()],
    "readline(n)": lambda body: [body.readline(2), body.readline(100), body.readline(-1), body.readline(1)],
    "readlines": lambda body: [*body.readlines(), body.read()],
    "readlines(hint)": lambda body: [*body.readlines(1), *body.readlines(), body.readline()],  # a server may ignore it
    "iteration": lambda body: [*body, body.read()],
}


@fixture
def read(environ, start_response):
    """Reads in a way that the query names, past the end."""
    pieces = WAYS[query(environ, "how")](environ["wsgi.input"])
    body = json.dumps([piece.decode() for piece in pieces]).encode()
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body]


@fixture
def digest(environ, start_response):
    """Size and hash of the body, and what was said of it before."""
    if query(environ, "notes"):
        note(environ, "called")
    body = environ["wsgi.input"].read()
    told = {
        "size": len(body),
        "hash": hashlib.sha256(body).hexdigest(),
        "length": environ.get("CONTENT_LENGTH"),
        "terminated": environ.get("wsgi.input_terminated", False),
        "transfer-encoding": environ.get("HTTP_TRANSFER_ENCODING"),
    }
    if query(environ, "notes"):
        note(environ, f"read {len(body)}")
    told = json.dumps(told).encode()
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(told)))])
    return [told]


@fixture
def truncated(environ, start_response):
    """Reads a body that ends too soon."""
    note(environ, "called")
    read = 0
    try:
        while True:
            piece = environ["wsgi.input"].read(8192)
            if not piece:
                break
            read += len(piece)
    except Exception as error:
        note(environ, f"raised {type(error).__name__}")
        raise
    note(environ, f"ended after {read}")
    start_response("200 OK", TEXT)
    return [b"read"]


@fixture
def unread(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "6")])
    return [b"unread"]


@fixture
def smuggled(environ, start_response):
    note(environ, "smuggled")
    start_response("200 OK", TEXT)
    return [b"smuggled"]


@fixture
def read_later(environ, start_response):
    note(environ, "called")
    wait(environ)
    size = len(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    start_response("200 OK", TEXT)
    return [b"%d" % size]
