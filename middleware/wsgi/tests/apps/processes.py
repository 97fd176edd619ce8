"""Applications that meddle with the process."""

import os
import signal
import threading

GREETING = "before"
previous = signal.signal(signal.SIGTERM, lambda number, frame: os._exit(9))


def answer(start_response, text):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


def handlers(environ, start_response):
    return answer(start_response, f"{previous!r} {signal.getsignal(signal.SIGINT)!r}")


def forks(environ, start_response):
    """The child comes back as if it were the parent."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return answer(start_response, f"the child left with {os.waitstatus_to_exitcode(status)}")
    return answer(start_response, "the child answers")


def forks_a_stream(environ, start_response):
    """The child sends more than anybody reads."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        yield f"the child left with {os.waitstatus_to_exitcode(status)}".encode()
    else:
        signal.alarm(10)
        while True:
            yield b"x" * 65536


def names_thread(environ, start_response):
    local = threading.local()
    local.x = 1
    return answer(start_response, str(threading.current_thread() is threading.main_thread()))


def make(greeting="made"):
    def application(environ, start_response):
        return answer(start_response, greeting)

    return application


class Site:
    made = staticmethod(make("by a class"))


not_callable = 7
