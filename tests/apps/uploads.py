"""Reads what is sent, in the way that its path says, and tells how much it was."""

import hashlib


def read_all(body):
    return body.read()


def read_pieces(body):
    return b"".join(iter(lambda: body.read(1000), b""))


def read_lines(body):
    return b"".join(body)


READERS = {"/all": read_all, "/pieces": read_pieces, "/lines": read_lines, "/nothing": lambda body: b""}


def application(environ, start_response):
    print("called for", environ["PATH_INFO"])
    try:
        body = READERS[environ["PATH_INFO"]](environ["wsgi.input"])
    except Exception as error:
        print(f"the upload broke: {type(error).__name__}: {error}")
        raise
    text = f"{environ.get('CONTENT_LENGTH')} {len(body)} {hashlib.md5(body).hexdigest()}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]
