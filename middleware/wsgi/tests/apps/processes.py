"""Applications that meddle with the process."""

import os
import select
import signal
import threading

GREETING = "before"
previous = signal.signal(signal.SIGTERM, lambda number, frame: os._exit(9))
signal.signal(35, lambda number, frame: os._exit(9))


def answer(start_response, text):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


def handlers(environ, start_response):
    return answer(start_response, f"{previous!r} {signal.getsignal(signal.SIGINT)!r}")


def left(child):
    """How the child left; one that does not is killed, and told as -9."""
    watch = os.pidfd_open(child)
    if not select.select([watch], [], [], 20)[0]:
        os.kill(child, signal.SIGKILL)
    os.close(watch)
    _, status = os.waitpid(child, 0)
    return f"the child left with {os.waitstatus_to_exitcode(status)}"


def forks(environ, start_response):
    """The child comes back as if it were the parent."""
    child = os.fork()
    if child:
        return answer(start_response, left(child))
    return answer(start_response, "the child answers")


def forks_a_stream(environ, start_response):
    """The child sends more than anybody reads."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    child = os.fork()
    if child:
        yield left(child).encode()
    else:
        while True:
            yield b"x" * 65536


class EndsInChild:
    """An answer whose beginning is a fork, and whose end in the child is its beginning."""

    def __iter__(self):
        self.child = os.fork()
        if self.child:
            yield left(self.child).encode()

    def close(self):
        if not self.child:
            os._exit(9)


def forks_and_ends_a_stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return EndsInChild()


def forks_and_prints(environ, start_response):
    """The child prints, asks for its client, and reads what only the parent can."""
    child = os.fork()
    if child:
        return answer(start_response, left(child))
    try:
        print("printed by the child")
        if environ["vestibule.disconnected"]():
            os._exit(10)
        environ["wsgi.input"].read()
    except OSError as error:
        os._exit(7 if "forked" in str(error) else 8)
    os._exit(9)


printing = "not yet"


def prints(environ, start_response):
    """Prints; or tells how far another request has come with that."""
    global printing
    if environ["QUERY_STRING"] != "asks":
        printing = "printing"
        print("a line for the log")
        printing = "printed"
    return answer(start_response, printing)


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
