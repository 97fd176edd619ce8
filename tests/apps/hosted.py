"""Dies, grows, waits, or tells who it is, as its path says."""

import ctypes
import hashlib
import os
import sys
import threading
import time

HELD = []

# What "/break" leaves behind, so that this never imports again.
BROKEN = os.environ.get("BROKEN", "")
if os.path.exists(BROKEN):
    raise RuntimeError("broken")


def dying():
    for _ in range(4):  # each is asked for when the one before has been written
        yield b"x" * 200_000
    os._exit(3)


def hog():
    """Holds every file descriptor there is, until a file is there."""
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        yield b"all taken"
    while not os.path.exists(os.environ["FREE"]):
        time.sleep(0.01)
    for descriptor in taken:
        os.close(descriptor)


def notice(environ):
    """Sends nothing after its first chunk, and asks whether anybody is there to get it."""
    is_disconnected = environ["vestibule.disconnected"]
    end = time.monotonic() + 60
    yield str(is_disconnected()).encode()
    while not is_disconnected() and time.monotonic() < end:
        time.sleep(0.01)
    print("nobody is there" if is_disconnected() else "nobody has left")


def wait(name):
    """Waits without the GIL until a file is there."""
    print("waits for", name)
    end = time.monotonic() + 60
    while not os.path.exists(os.path.join(os.environ["FREE"], name)) and time.monotonic() < end:
        time.sleep(0.01)


def keep():
    """Keeps the GIL, in calls of C that do not let it go, until something is written into a pipe."""
    libc = ctypes.PyDLL(None)
    byte = ctypes.create_string_buffer(1)
    end = os.path.join(os.environ["FREE"], "end")
    os.mkfifo(end)
    pipe = os.open(end, os.O_RDWR)
    sys.setswitchinterval(100)
    libc.creat(os.path.join(os.environ["FREE"], "begun").encode(), 0o600)
    libc.read(pipe, byte, 1)


def who(environ):
    lines = [
        f"pid={os.getpid()}",
        f"uid={os.getuid()}",
        f"gid={os.getgid()}",
        f"cwd={os.getcwd()}",
        f"greeting={os.environ.get('GREETING')}",
        f"version={sys.version.split()[0]}",
        f"multiprocess={environ['wsgi.multiprocess']}",
    ]
    return "\n".join(lines)


def variables(environ):
    return "\n".join(f"{name}={value!r}" for name, value in sorted(environ.items()) if name.isupper())


def application(environ, start_response):
    text = [("Content-Type", "text/plain; charset=utf-8")]
    match environ["PATH_INFO"]:
        case "/exit":
            os._exit(3)
        case "/break":
            open(BROKEN, "x").close()
            os._exit(3)
        case "/middle":
            start_response("200 OK", text)
            return dying()
        case "/raise":
            raise LookupError("no such thing")
        case "/block":
            print("blocks", file=environ["wsgi.errors"])
            threading.Event().wait()
        case "/grow":
            HELD.append(b"x" * 400_000_000)
        case "/hog":
            start_response("200 OK", text)
            return hog()
        case "/notice":
            start_response("200 OK", text)
            return notice(environ)
        case "/wait":
            wait(environ["QUERY_STRING"])
        case "/called":
            print("called", environ["QUERY_STRING"])
        case "/keep":
            keep()
        case "/upload":
            body = environ["wsgi.input"].read()
            start_response("200 OK", text)
            return [f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()]
        case "/large":
            start_response("200 OK", text)
            return [bytes([97 + number % 26]) * 100_000 for number in range(50)]
        case "/whole":
            start_response("200 OK", text)
            return [b"x" * 20_000_000]
        case "/environ":
            start_response("200 OK", text)
            return [variables(environ).encode()]
    start_response("200 OK", text)
    return [who(environ).encode()]
