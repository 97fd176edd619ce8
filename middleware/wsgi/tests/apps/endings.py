"""An application that leaves work for the end of the process, or of its interpreter."""

import atexit
import os
import sys
import threading
import time

OVER = threading.Event()


@atexit.register
def at_exit():
    print("atexit ran")
    print("without an end of the line", end="")


class Mark:
    """Makes a folder when it goes, as all objects do when their interpreter ends."""

    def __init__(self, path):
        self.path = path

    def __del__(self, make=os.mkdir):
        make(self.path)


def work():
    OVER.wait(20)
    print("the thread ended")


def app(environ, start_response):
    query, _, path = environ["QUERY_STRING"].partition("=")
    if query == "thread":
        threading.Thread(target=work).start()
    elif query == "stuck":
        print("the request is stuck")
        OVER.wait()
    elif query == "daemon":
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    elif query == "mark":
        # The host keeps the application, and with it this module.
        sys.mark = Mark(path)
    else:
        OVER.set()
    start_response("200 OK", [])
    return [b"x" * 100_000 if query == "large" else b"ok"]
