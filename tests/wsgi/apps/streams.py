"""Applications whose answers take their time: streams, files, and what is closed after them."""

import io
import itertools
import time

from fixtures import TEXT, Closing, fixture, note, query, thread, wait


@fixture
def write_early(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"early")
    wait(environ)
    write(b" late")
    return []


@fixture
def write_endlessly(environ, start_response):
    write = start_response("200 OK", TEXT)
    try:
        for _ in range(4096):
            write(b"x" * 65536)
            note(environ, "written")
    finally:
        note(environ, "over")
    return []


@fixture
def closing(environ, start_response):
    how = query(environ, "how")
    write = start_response("200 OK", TEXT)
    if how == "write":
        write(b"written")
    return Closing(environ, closing_chunks(how))


def closing_chunks(how):
    yield b"one"
    if how == "error":
        raise LookupError("in mid-stream")
    yield b"two"
    while how == "endless":
        yield b"x" * 1024
        time.sleep(0.001)


@fixture
def empty_for_long(environ, start_response):
    start_response("200 OK", TEXT)
    end = time.monotonic() + 8

    def chunks():
        while time.monotonic() < end:
            time.sleep(0.01)
            yield b""
        note(environ, "nobody told it to stop")

    return Closing(environ, chunks())


@fixture
def broken_stream(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"x" * 1000
    wait(environ)
    raise LookupError("in mid-stream")


@fixture
def stream(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"one "
    yield b"two"


@fixture
def step(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"one"
    wait(environ)
    yield b"two"


@fixture
def flood(environ, start_response):
    """256 MiB; each chunk is noted before it is given."""
    start_response("200 OK", TEXT)
    try:
        for _ in range(4096):
            note(environ, "yielded")
            yield b"x" * 65536
    finally:
        note(environ, "over")


@fixture
def hold(environ, start_response):
    """A stream that lasts until the client lets it go."""
    start_response("200 OK", TEXT)
    yield b"held"
    note(environ, "held")
    wait(environ)
    yield b" long"


@fixture
def threads(environ, start_response):
    note(environ, f"called {thread()}")
    start_response("200 OK", TEXT)

    def chunks():
        for _ in range(3):
            note(environ, f"iterated {thread()}")
            yield b"x" * 100

    return Closing(environ, chunks())


class Told:
    """A file-like object with nothing but what `wsgi.file_wrapper` may ask for."""

    def __init__(self, environ, content):
        self._environ = environ
        self._file = io.BytesIO(content)

    def read(self, size=-1):
        return self._file.read(size)

    def close(self):
        note(self._environ, "closed")


@fixture
def wrapped(environ, start_response):
    content = b"".join(b"%07d\n" % number for number in range(20_000))
    how = query(environ, "how")
    if how == "file":
        with open(query(environ, "file"), "wb") as file:
            file.write(content)
        file = open(query(environ, "file"), "rb")
    elif how == "memory":
        file = io.BytesIO(content)
    else:
        file = Told(environ, content)
    start, size = int(query(environ, "start", "0")), query(environ, "size")
    if start:
        file.seek(start)
    headers = [("Content-Length", size), ("Content-Range", f"bytes {start}-{start + int(size) - 1}/160000")] if size else []
    start_response("206 Partial Content" if size else "200 OK", [*TEXT, *headers])
    return environ["wsgi.file_wrapper"](file, 4096)


@fixture
def counted(environ, start_response):
    """Chunks from an iterator that has no length."""
    start_response("200 OK", TEXT)
    return itertools.repeat(b"0123456789", 3)
