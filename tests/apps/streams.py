"""Streams whose next piece the test lets out, through a named pipe in the gateway's folder."""

import os

TEXT = [("Content-Type", "text/plain")]
os.mkfifo("gate")


def pass_gate():
    """Waits until somebody opens the other end, and closes it."""
    with open("gate", "rb") as gate:
        gate.read()


class Watched:
    """Tells when it is closed."""

    def __init__(self, chunks):
        self.chunks = chunks

    def __iter__(self):
        print("the stream begins")
        return self.chunks

    def close(self):
        print("the iterable is closed")


def gated():
    for chunk in [b"first", b"second", b"third", b"fourth"]:
        yield chunk
        pass_gate()


def endless(chunk):
    while True:
        yield chunk


def breaking():
    yield b"first"
    pass_gate()
    raise OSError("the disk is full")


def failing_early():
    yield b""
    raise OSError("nothing was sent")


STREAMS = {
    "/gated": gated,
    "/endless": lambda: endless(b"x" * 1000),
    "/silent": lambda: endless(b""),
    "/breaking": breaking,
    "/failing-early": failing_early,
}


def application(environ, start_response):
    start_response("200 OK", TEXT)
    return Watched(STREAMS[environ["PATH_INFO"]]())


def short(environ, start_response):
    """Promises more than it gives."""
    start_response("200 OK", TEXT + [("Content-Length", "100")])
    return [b"short"]
