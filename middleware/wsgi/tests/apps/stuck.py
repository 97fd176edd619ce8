"""Applications that do not answer in time."""

import gc
import threading
import time
import traceback

GATES = {}
TOLD = threading.Event()
BEGUN = threading.Event()


def gate(environ):
    return GATES.setdefault(environ["QUERY_STRING"].partition("=")[2], threading.Event())


def waits(environ, start_response):
    """`?stand=NAME` waits until `?open=NAME` comes."""
    if environ["QUERY_STRING"].startswith("stand="):
        print("stands at", environ["QUERY_STRING"])
        stands_here(environ)
    elif environ["QUERY_STRING"].startswith("open="):
        gate(environ).set()
    start_response("200 OK", [])
    return [b"answered"]


class ClosesLate(list):
    """What `?stand=NAME` closes when `?open=NAME` comes; other requests are answered by a plain list."""

    def __init__(self, environ, start_response):
        super().__init__(waits({**environ, "QUERY_STRING": ""}, start_response))
        self.environ = environ

    def close(self):
        stands_here(self.environ)


def closes_late(environ, start_response):
    if environ["QUERY_STRING"].startswith("stand="):
        return ClosesLate(environ, start_response)
    return waits(environ, start_response)


def counts(environ, start_response):
    """As `waits`, and tells how many environs there are of this application."""
    answer = waits(environ, start_response)
    if environ["QUERY_STRING"] != "count":
        return answer
    return [str(sum(type(known) is dict and "COUNTED" in known for known in gc.get_objects())).encode()]


def stands_here(environ):
    assert gate(environ).wait(20)


def turns(environ, start_response):
    """Never ends by itself, in Python, and holds on to what is raised."""
    start_response("200 OK", [])
    if environ["QUERY_STRING"] == "next":
        return [b"answered"]
    try:
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                pass
    finally:
        print("the turning ends")


def lingers(environ, start_response):
    """Ends just when it is told where it stands; telling goes on until `?next` has begun."""
    start_response("200 OK", [])
    if environ["QUERY_STRING"] == "next":
        BEGUN.set()
        # An exception that is meant for the other request would be raised in here.
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            pass
        return [b"answered"]
    assert TOLD.wait(20)
    return [b"late"]


def _telling(format_stack):
    def tells(frame):
        if any(above.f_code is lingers.__code__ for above, _ in traceback.walk_stack(frame)):
            TOLD.set()
            BEGUN.wait(20)
        return format_stack(frame)

    return tells


traceback.format_stack = _telling(traceback.format_stack)


def asks(environ, start_response):
    """Yields nothing after the first chunk, and asks whether anybody is there."""
    is_disconnected = environ["vestibule.disconnected"]
    start_response("200 OK", [])
    try:
        yield str(is_disconnected()).encode()
        end = time.monotonic() + 20
        while not is_disconnected() and time.monotonic() < end:
            time.sleep(0.01)
    finally:
        # Who leaves while the first chunk is on its way has the iterable closed right after it.
        print("noticed that the client has left" if is_disconnected() else "noticed nothing")
