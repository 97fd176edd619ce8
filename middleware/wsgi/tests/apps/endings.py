"""An application that leaves work for the end of the process."""

import atexit
import threading

OVER = threading.Event()


@atexit.register
def at_exit():
    print("atexit ran")
    print("without an end of the line", end="")


def work():
    OVER.wait(20)
    print("the thread ended")


def app(environ, start_response):
    if environ["QUERY_STRING"] == "thread":
        threading.Thread(target=work).start()
    elif environ["QUERY_STRING"] == "stuck":
        print("the request is stuck")
        OVER.wait()
    else:
        OVER.set()
    start_response("200 OK", [])
    return [b"ok"]
