"""Applications that answer with files."""

import gzip
import io
import os
import tempfile

CONTENT = b"".join(b"%06d\n" % number for number in range(100_000))
KEPT = {}


def made(kind):
    if kind == "memory":
        return io.BytesIO(CONTENT)
    if kind == "pipe":
        reads, writes = os.pipe()
        os.write(writes, CONTENT[:1000])
        os.close(writes)
        return os.fdopen(reads, "rb")
    if kind == "sizeless":
        return open("/proc/sys/kernel/ostype", "rb")
    file = tempfile.TemporaryFile()
    if kind == "gzip":
        file.write(gzip.compress(CONTENT))
        file.seek(0)
        return gzip.GzipFile(fileobj=file)
    if kind == "unflushed":
        file.write(CONTENT[:1000])
        file.seek(0)
        file.write(b"written")
        file.read(3)
        return file
    file.write(CONTENT)
    file.seek(0)
    if kind == "offset":
        assert file.readline() == b"000000\n"
    return os.fdopen(os.dup(file.fileno()), "rb", 0) if kind == "raw" else file


def wraps(environ, start_response):
    """`?KIND&LENGTH`: a file of that kind, with that Content-Length; `?KIND&closed` tells whether it was closed.

    `KIND-NAME` is a file that no test but one asks for.
    """
    kind, _, length = environ["QUERY_STRING"].partition("&")
    if length == "closed":
        start_response("200 OK", [])
        return [str(KEPT[kind].closed).encode()]
    file = KEPT[kind] = made(kind.partition("-")[0])
    start_response("200 OK", [("Content-Length", length)] if length else [])
    return environ["wsgi.file_wrapper"](file)


def renames(application):
    """Middleware that puts its mark around what the application says."""

    def wrapped(environ, start_response):
        environ["mark"] = environ.get("mark", "") + "inner "
        return [b"[", *application(environ, start_response), b"]"]

    return wrapped


class Outer:
    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        environ["mark"] = environ.get("mark", "") + "outer "
        return [b"<", *self.application(environ, start_response), b">"]


def marked(environ, start_response):
    start_response("200 OK", [])
    return [environ["mark"].encode()]


def makes_nothing(application):
    return None
