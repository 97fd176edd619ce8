"""Judged by the standard library on both sides: what the server hands over, and what the application gives."""

from wsgiref.validate import validator

TEXT = [("Content-Type", "text/plain")]


def simple(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    match environ["PATH_INFO"]:
        case "/stream":
            start_response("200 OK", TEXT)
            return (b"%d " % number for number in range(5))
        case "/write":
            write = start_response("200 OK", TEXT)
            write(b"written ")
            return [b"and given"]
        case "/empty":
            start_response("204 No Content", [])
            return []
        case "/wrong":
            start_response("200 OK", [("Content-Type: twice", "text/plain")])
    start_response("200 OK", TEXT)
    return [environ["REQUEST_METHOD"].encode(), b" ", body]


application = validator(simple)
