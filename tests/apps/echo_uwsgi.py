"""What uWSGI runs behind a gateway: tells what it got, answers at length, and dies where it is asked to."""

import hashlib
import json
import os
import signal


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def environ_of(environ):
    return json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}, indent=0)


def hash_of(environ):
    body = hashlib.sha256()
    length = 0
    while piece := environ["wsgi.input"].read(65536):
        body.update(piece)
        length += len(piece)
    return f"{environ.get('CONTENT_LENGTH')} {length} {body.hexdigest()}"


def large():
    for number in range(1000):
        yield b"%09d\n" % number * 1000


def cut_off():
    yield b"the beginning"
    die()


def application(environ, start_response):
    match environ["PATH_INFO"]:
        case "/hash":
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [hash_of(environ).encode()]
        case "/large":
            start_response("200 OK", [])
            return large()
        case "/large/told":
            start_response("200 OK", [("Content-Length", "10000000")])
            return large()
        case "/teapot":
            start_response("418 I'm a teapot", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
            return []
        case "/pid":
            start_response("200 OK", [])
            return [str(os.getpid()).encode()]
        case "/dies":
            die()
        case "/dies/within":
            start_response("200 OK", [("Content-Length", "100")])
            return cut_off()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [environ_of(environ).encode()]
