"""Applications that hold their threads."""

import threading

HELD = threading.Semaphore(0)
GATE = threading.Event()
SERVED = []


def holds(environ, start_response):
    """Tells that it runs, then waits for the gate."""
    SERVED.append(environ["QUERY_STRING"])
    HELD.release()
    assert GATE.wait(20)
    start_response("200 OK", [])
    return [b"held"]


def opens(environ, start_response):
    """Waits until as many are held as the query says, then opens the gate."""
    for _ in range(int(environ["QUERY_STRING"])):
        assert HELD.acquire(timeout=20)
    GATE.set()
    start_response("200 OK", [])
    return [b"opened"]


def served(environ, start_response):
    start_response("200 OK", [])
    return [",".join(sorted(SERVED)).encode()]
