"""An application that tells which interpreter it lives in."""

import os
import subprocess
import sys
import threading
import time

count = 0


def app(environ, start_response):
    global count
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise LookupError("no such thing")
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/large":
        return [b"x" * 100_000]
    if path == "/large-by-a-thread":
        thread = threading.Thread(target=write, args=(b"x" * 100_000,))
        thread.start()
        thread.join()
        return []
    text = ""
    if path == "/count":
        count += 1
        text = str(count)
    elif path == "/variable":
        child = [sys.executable, "-c", "import os; print(os.environ.get('I_DEPLOY'))"]
        child = subprocess.run(child, capture_output=True, text=True).stdout.strip()
        text = f"{os.environ.get('I_DEPLOY')} {child} {environ.get('I_DEPLOY')}"
    elif path == "/set":
        os.environ["I_DEPLOY"] = "set"
    elif path == "/leak":
        os.environ["I_LEAK"] = "leaked"
    elif path == "/leaked":
        text = str(os.environ.get("I_LEAK"))
    elif path == "/fork":
        text = fork()
    elif path == "/hold":
        text = hold(environ["QUERY_STRING"])
    elif path == "/keep":
        text = keep(environ["QUERY_STRING"])
    elif path == "/wait":
        text = wait(environ["QUERY_STRING"])
    elif path == "/name":
        text = threading.current_thread().name
    elif path == "/print":
        print("a line from its own interpreter")
        text = "printed"
    elif path == "/venv":
        import i_package

        text = f"{i_package.VERSION} {sys.prefix} {sys.executable}"
    return [text.encode()]


def fork():
    try:
        if os.fork() == 0:
            os._exit(0)
    except RuntimeError as error:
        return str(error)


def hold(folder):
    """Keeps the GIL, but for the moments in which it looks for a file."""
    # Only somebody who waits for this GIL would make it switch.
    sys.setswitchinterval(100)
    with open(os.path.join(folder, "begun"), "w"):
        pass
    end = time.monotonic() + 20
    while time.monotonic() < end and not os.path.exists(os.path.join(folder, "end")):
        sum(range(100_000))
    sys.setswitchinterval(0.005)
    return "let go"


def keep(folder):
    """Keeps the GIL until something is written into a pipe: these calls of C do not let it go, as others that wait do."""
    import ctypes

    libc = ctypes.PyDLL(None)
    byte = ctypes.create_string_buffer(1)
    end = os.path.join(folder, "end")
    os.mkfifo(end)
    pipe = os.open(end, os.O_RDWR)
    begun = os.path.join(folder, "begun").encode()
    # Nor does it go to somebody who waits for it between the two.
    sys.setswitchinterval(100)
    libc.creat(begun, 0o600)
    libc.read(pipe, byte, 1)
    sys.setswitchinterval(0.005)
    os.close(pipe)
    return "let go"


def wait(folder):
    """Waits without the GIL until a file is there."""
    end = time.monotonic() + 20
    while time.monotonic() < end and not os.path.exists(os.path.join(folder, "end")):
        time.sleep(0.01)
    return "let go"
