"""Applications that answer in every way that PEP 3333 allows, and in some that it does not."""

import gc
import io
import itertools
import sys
import time
import weakref

from fixtures import TEXT, Closing, fixture, note, query, thread, wait


@fixture
def hello(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-Method", environ["REQUEST_METHOD"])])
    return [b"hello"]


@fixture
def late_start(environ, start_response):
    start_response("201 Created", [*TEXT, ("X-Late", "yes")])
    yield b"one "
    yield b"two"


@fixture
def late_failure(environ, start_response):
    raise LookupError("before start_response, in the first iteration")
    yield b"never"


@fixture
def empty_then_failure(environ, start_response):
    start_response("200 OK", TEXT)
    yield b""
    yield b""
    raise LookupError("after chunks that were empty")


@fixture
def empty_then_other_head(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-First", "yes")])
    yield b""
    try:
        raise LookupError("after a chunk that was empty")
    except LookupError:
        start_response("503 Service Unavailable", TEXT, sys.exc_info())
    yield b"other"


@fixture
def empty_between(environ, start_response):
    start_response("200 OK", TEXT)
    return iter([b"", b"one ", b"", b"two", b""])


@fixture
def start_twice(environ, start_response):
    start_response("200 OK", TEXT)
    try:
        start_response("200 OK", TEXT)
    except Exception as error:
        return [f"refused by {type(error).__name__}".encode()]
    return [b"taken"]


@fixture
def start_again(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-First", "yes")])
    try:
        raise LookupError("before the head was sent")
    except LookupError:
        start_response("500 Replaced", [*TEXT, ("X-Second", "yes")], sys.exc_info())
    return [b"replaced"]


@fixture
def start_too_late(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"x" * 1000
    mine = LookupError("after the head was sent")
    try:
        raise mine
    except LookupError:
        try:
            start_response("500 Replaced", TEXT, sys.exc_info())
            note(environ, "taken")
        except LookupError as error:
            note(environ, "the same" if error is mine else "another")
            raise


class Held:
    """Something that a traceback keeps alive."""


LAST_HELD = None


@fixture
def start_holding(environ, start_response):
    global LAST_HELD
    held = Held()
    LAST_HELD = weakref.ref(held)
    start_response("200 OK", TEXT)
    try:
        raise LookupError("its traceback holds this frame")
    except LookupError:
        start_response("500 Replaced", TEXT, sys.exc_info())
    return [b"replaced"]


@fixture
def still_held(environ, start_response):
    gc.collect()
    start_response("200 OK", TEXT)
    return [b"held" if LAST_HELD and LAST_HELD() else b"gone"]


@fixture
def write(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"written ")
    write(b"")
    write(b"twice ")
    return [b"then ", b"yielded"]


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
    for _ in range(4096):
        write(b"x" * 65536)
        note(environ, "written")
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
def length(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", query(environ, "length"))])
    return iter([b"hello", query(environ, "more", "").encode()])


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
def nothing(environ, start_response):
    start_response("200 OK", TEXT)
    return []


@fixture
def whole(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "5"), ("X-Method", environ["REQUEST_METHOD"])])
    return [b"hello"]


@fixture
def status(environ, start_response):
    """Any status, and any one header: 1xx, 204 and 304 with a body that must not be sent, statuses that are none."""
    name, value = query(environ, "name"), query(environ, "value")
    status = {"number": 200}.get(query(environ, "status"), query(environ, "status"))
    start_response(status, [*TEXT, *([(name, value)] if name else [])])
    return [b"hello"]


@fixture
def cookies(environ, start_response):
    cookies = [("Set-Cookie", "b=1"), ("X-Between", "1"), ("Set-Cookie", "a=2"), ("Set-Cookie", "c=3")]
    start_response("200 OK", [*TEXT, *cookies])
    return [b"hello"]


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
    for _ in range(4096):
        note(environ, "yielded")
        yield b"x" * 65536


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
