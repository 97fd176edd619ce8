"""Applications that answer in every way that PEP 3333 allows, and are checked by wsgiref.validate where it is not stricter."""

import io
import sys
import threading
from wsgiref.validate import validator


def plain(start_response, *headers):
    return start_response("200 OK", [("Content-Type", "text/plain"), *headers])


@validator
def hello(environ, start_response):
    plain(start_response)
    return [b"Hello"]


def one_chunk(environ, start_response):
    plain(start_response)
    return [b"Hello"]


LENT = b"x" * 102_400


def lent(environ, start_response):
    """Tells how many refer to its body."""
    plain(start_response, ("X-References", str(sys.getrefcount(LENT))))
    return [LENT]


@validator
def generator(environ, start_response):
    plain(start_response)

    def chunks():
        yield b"one "
        yield b""
        yield b"two"

    return chunks()


def starts_late(environ, start_response):
    """`start_response` in the first iteration."""
    yield b""
    plain(start_response)
    yield b"late"


def fails_late(environ, start_response):
    plain(start_response)
    yield b""
    raise ValueError("before the first chunk")


def fails_midway(environ, start_response):
    plain(start_response)
    yield b"first"
    raise ValueError("in mid-stream")


def fails(environ, start_response):
    raise ValueError("at once, \udce9\N{EURO SIGN}")


def exits(environ, start_response):
    sys.exit(3)


def recurses(environ, start_response):
    return recurses(environ, start_response)


def recurses_deeply(environ, start_response):
    """5,000 frames of two functions in turn: no line of their traceback repeats the one before it."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        return deep_one(2_500)
    finally:
        sys.setrecursionlimit(usual)


def deep_one(left):
    return deep_other(left)


def deep_other(left):
    if left == 0:
        raise LookupError("deep down")
    return deep_one(left - 1)


def never_starts(environ, start_response):
    return [b"no status"]


def never_starts_empty(environ, start_response):
    return []


def returns_none(environ, start_response):
    plain(start_response)


def yields_text(environ, start_response):
    plain(start_response)
    return ["text"]


def starts_twice(environ, start_response):
    plain(start_response)
    try:
        plain(start_response)
    except AssertionError as error:
        return [str(error).encode()]
    return [b"nothing was raised"]


def replaces(environ, start_response):
    plain(start_response, ("X-First", "1"))
    try:
        raise KeyError("lost")
    except KeyError:
        start_response("503 Busy", [("X-Second", "2")], exc_info=sys.exc_info())
    return [b"replaced"]


def replaces_too_late(environ, start_response):
    plain(start_response)("sent".encode())
    try:
        raise KeyError("lost")
    except KeyError:
        try:
            start_response("500 Oops", [], sys.exc_info())
        except KeyError as error:
            return [f", {error!r} was raised again".encode()]
    return [b"nothing was raised"]


def replaces_with_nonsense(environ, start_response):
    """What only looks like `sys.exc_info()`, after the head was sent."""
    plain(start_response)("sent".encode())
    for nonsense in [(int, 5, None), (None, None, None), (ValueError, ValueError, None), (), 5]:
        try:
            start_response("500 Oops", [], nonsense)
        except TypeError:
            yield b", TypeError"


@validator
def writes(environ, start_response):
    write = plain(start_response)
    write(b"written, ")
    write(b"")
    return [b"yielded"]


@validator
def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"a"'), ("Content-Length", "5")])
    return [b"12345"]


def one_empty_chunk(environ, start_response):
    start_response(environ["QUERY_STRING"].replace("+", " "), [])
    return [b""]


def bodiless_with_body(environ, start_response):
    start_response("204 No Content", [("Content-Length", "4")])
    return [b"body"]


def informational(environ, start_response):
    start_response("103 Early Hints", [])
    return []


def reason(environ, start_response):
    start_response("200 Caf\xe9 open", [("X-Latin", "\xe9t\xe9"), ("Set-Cookie", "b=1"), ("Set-Cookie", "a=2")])
    return []


def hop_by_hop(environ, start_response):
    plain(start_response, ("Connection", "close"), ("Transfer-Encoding", "chunked"))
    return [b"body"]


def splits_header(environ, start_response):
    plain(start_response, ("X-Bad", "a\r\nX-Injected: 1"))
    return [b"body"]


def too_long(environ, start_response):
    plain(start_response, ("Content-Length", "3"))
    return [b"ab", b"cdef"]


def too_short(environ, start_response):
    plain(start_response, ("Content-Length", "9"))
    return [b"abc"]


def fails_with_a_last_word(environ, start_response):
    """What only the traceback still holds writes when it is given up."""
    last = LastWord(plain(start_response))
    raise ValueError(f"with {last}")


class LastWord:
    def __init__(self, write):
        self.write = write

    def __del__(self):
        try:
            self.write(b"late")
        except Exception as error:
            print("the last word:", error, file=sys.stderr)


def empty_until_gone(environ, start_response):
    """Gives nothing for as long as somebody waits, then ends."""
    if environ["QUERY_STRING"] == "next":
        plain(start_response)
        yield b"next"
        return
    print("empty_until_gone has begun", file=sys.stderr)
    while True:
        yield b""


class Closing:
    """An iterable that counts its closings and tells the threads it was used on."""

    closed = []
    changed = threading.Condition()

    def __init__(self, name, chunks):
        self.name = name
        self.chunks = iter(chunks)
        self.thread = threading.get_ident()

    def __iter__(self):
        return self

    def __next__(self):
        assert threading.get_ident() == self.thread
        return next(self.chunks)

    def close(self):
        assert threading.get_ident() == self.thread
        with self.changed:
            self.closed.append(self.name)
            self.changed.notify_all()


def closing(environ, start_response):
    name = environ["QUERY_STRING"]
    if name.startswith("?"):
        # Waits until the others are closed, then tells how often each one was.
        with Closing.changed:
            Closing.changed.wait_for(lambda: name[1:] in Closing.closed, 20)
        plain(start_response)
        return [str(Closing.closed.count(name[1:])).encode()]
    write = plain(start_response)
    if name == "write":
        write(b"written")
    return Closing(name, CHUNKS[name]())


def forever():
    while True:
        yield b"x" * 10_000


def empty_forever():
    yield b"x"
    while True:
        yield b""


def broken():
    yield b"one"
    raise ValueError("broken")


CHUNKS = {
    "end": lambda: [b"a", b"b"],
    "write": lambda: [b"a"],
    "head": lambda: [b"a", b"b"],
    "error": broken,
    "gone": forever,
    "gone-empty": empty_forever,
}


def fails_to_close(environ, start_response):
    plain(start_response, ("Content-Length", "2"))

    class Iterable(list):
        def close(self):
            raise ValueError("in close()")

    return Iterable([b"ok"])


def fails_twice(environ, start_response):
    plain(start_response)

    class Iterable:
        def __iter__(self):
            raise LookupError("in the answer")

        def close(self):
            raise ValueError("in its close()")

    return Iterable()


@validator
def file(environ, start_response):
    plain(start_response)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"line\n" * 5000), 1000)


def large(environ, start_response):
    """More than may wait for a slow client."""
    plain(start_response)
    for _ in range(64):
        yield b"x" * 16384


def starts_wrongly(environ, start_response):
    told = []
    headers = [("Content-Type", "text/plain")]
    for arguments, named in [(("200 OK",), {}), (("200 OK",), {"headers": headers}), ((), {"status": "200 OK"}), ((1, 2, 3, 4), {})]:
        try:
            start_response(*arguments, **named)
        except TypeError as error:
            told.append(str(error))
    start_response("200 OK", headers)
    return ["; ".join(told).encode()]


def echoes_headers(environ, start_response):
    start_response("200 OK", [tuple(pair.split("=")) for pair in environ["QUERY_STRING"].split("&")])
    return []


def keeps_start_response(environ, start_response, kept=[]):
    if kept:
        message = "nothing was raised"
        try:
            kept[0]("200 OK", [])
        except RuntimeError as error:
            message = str(error)
        plain(start_response)
        return [message.encode()]
    kept.append(start_response)
    plain(start_response)
    return [b"kept"]


def never_ends_empty(environ, start_response):
    """All that the Content-Length allows, and then nothing for ever."""
    start_response("200 OK", [("Content-Length", "2")])
    if environ["QUERY_STRING"] == "next":
        yield b"ok"
        return
    yield b"ok"
    while True:
        yield b""


def prints_parts(environ, start_response):
    """Begins lines that it does not end."""
    query = environ["QUERY_STRING"]
    print("half of", query, end="")
    print("half an error of", query, end="", file=environ["wsgi.errors"])
    start_response("200 OK", [])
    return [b"ok"]
