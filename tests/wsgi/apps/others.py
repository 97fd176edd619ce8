"""Applications that look around: at their environ, their process, their log."""

import atexit
import os
import signal
import sys
import threading

from fixtures import TEXT, fixture, note, query, wait

atexit.register(lambda: print("the function for the exit has run", file=sys.stderr, flush=True))


@fixture
def marked(environ, start_response):
    """Whether a change of one environ is seen in the next."""
    seen = environ.get("test.mark", "none")
    environ["test.mark"] = "left behind"
    environ["wsgi.url_scheme"] = "gopher"
    start_response("200 OK", TEXT)
    return [seen.encode()]


KEPT = []


@fixture
def keep(environ, start_response):
    KEPT.append(environ)
    start_response("200 OK", TEXT)
    return [b"kept"]


@fixture
def kept(environ, start_response):
    start_response("200 OK", TEXT)
    old = KEPT.pop()
    return [f"{old['PATH_INFO']} {old.get('HTTP_X_TOKEN')} {old is environ}".encode()]


@fixture
def truth(environ, start_response):
    """Tells who runs it while another request may run beside it."""
    flags = [environ[f"wsgi.{name}"] for name in ("multithread", "multiprocess", "run_once")]
    note(environ, " ".join(map(str, [os.getpid(), *map(bool, flags)])))
    wait(environ)
    start_response("200 OK", TEXT)
    return [b"told"]


@fixture
def log(environ, start_response):
    token = query(environ, "token")
    errors = environ["wsgi.errors"]
    errors.write(f"{token} by write\n")
    errors.flush()
    errors.writelines([f"{token} by writelines 1\n", f"{token} by writelines 2\n"])
    errors.write(f"{token} flushed ")
    errors.flush()
    errors.write("apart\n")
    print(f"{token} by print", file=errors, flush=True)
    print(f"{token} on stdout", flush=True)
    print(f"{token} on stderr", file=sys.stderr, flush=True)
    start_response("200 OK", TEXT)
    return [b"logged"]


@fixture
def odd_log(environ, start_response):
    token = query(environ, "token")
    for text in ("gr\xfc\xdfe", "\u2603", "\U0001f600", "\udce4", "\0", "\x1b[31m"):
        print(f"{token} {text}", file=environ["wsgi.errors"])
        print(f"{token} {text}")
    print(f"{token} after all", file=environ["wsgi.errors"], flush=True)
    start_response("200 OK", TEXT)
    return [b"logged"]


@fixture
def signals(environ, start_response):
    """What a library may try in the middle of a request."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except ValueError:
        pass  # so it is on a thread that is not the main one
    start_response("200 OK", TEXT)
    return [b"tried"]


@fixture
def starts_thread(environ, start_response):
    """A thread that outlives its request."""
    mine = dict(environ)  # whether the environ itself may be kept is asked elsewhere
    threading.Thread(target=lambda: (wait(mine), note(mine, "the thread has run"))).start()
    start_response("200 OK", TEXT)
    return [b"started"]


@fixture
def compressible(environ, start_response):
    body = b"all work and no play " * 500
    headers = [
        ("Content-Type", "text/html"),
        ("Content-Length", str(len(body))),
        ("ETag", '"one"'),
        ("Accept-Ranges", "bytes"),
    ]
    how = query(environ, "how")
    if how == "304":
        start_response("304 Not Modified", [("ETag", '"one"')])
        return []
    if how == "206":
        part = [("Content-Range", f"bytes 0-4999/{len(body)}"), ("Content-Length", "5000")]
        start_response("206 Partial Content", [*headers[:1], *part])
        return [body[:5000]]
    if how == "file":
        with open(query(environ, "file"), "wb") as file:
            file.write(body)
        start_response("200 OK", headers)
        return environ["wsgi.file_wrapper"](open(query(environ, "file"), "rb"))
    start_response("200 OK", headers)
    return [body]
