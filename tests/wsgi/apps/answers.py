"""Applications that answer in every way that PEP 3333 allows, and in some that it does not."""

import gc
import sys
import weakref

from fixtures import TEXT, fixture, note, query


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
def length(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", query(environ, "length"))])
    return iter([b"hello", query(environ, "more", "").encode()])


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
