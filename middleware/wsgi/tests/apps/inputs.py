"""Applications that read their request's body."""

from wsgiref.validate import validator


def answer(start_response, text):
    body = text.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def reads(environ, start_response):
    """Every way to read; the body is `one\\ntwo\\nthree\\nfour\\nfive\\nsix` and what comes after."""
    stream = environ["wsgi.input"]
    told = [
        stream.read(2),
        stream.readline(),
        stream.readline(2),
        stream.readline(-1),
        stream.readlines(1),
        next(iter(stream)),
        stream.read(0),
        stream.read(-1)[:5],
        stream.read(),
        stream.read(None),
        stream.readline(),
        stream.readlines(),
        list(stream),
    ]
    return answer(start_response, f"{told} of {environ.get('CONTENT_LENGTH')}")


@validator
def validated(environ, start_response):
    stream = environ["wsgi.input"]
    told = [stream.read(3), stream.readline(), stream.readlines(), stream.read(5)]
    return answer(start_response, str(told))


def size(environ, start_response):
    stream = environ["wsgi.input"]
    total = 0
    while chunk := stream.read(10_000):
        total += len(chunk)
    return answer(start_response, f"{total} of {environ.get('CONTENT_LENGTH')} {environ.get('HTTP_TRANSFER_ENCODING')}")


def answers_each(environ, start_response):
    """Answers three bytes with a chunk of their own."""
    start_response("200 OK", [])
    yield b""
    while piece := environ["wsgi.input"].read(3):
        yield piece + f" of {environ.get('CONTENT_LENGTH')}".encode()


def size_at_once(environ, start_response):
    return answer(start_response, str(len(environ["wsgi.input"].read())))


def catches(environ, start_response):
    stream = environ["wsgi.input"]
    told = []
    for _ in range(2):
        try:
            told.append(len(stream.read()))
        except OSError as error:
            told.append(str(error))
    return answer(start_response, str(told))


def propagates(environ, start_response):
    environ["wsgi.input"].read()


def keeps(environ, start_response, kept=[]):
    if not kept:
        kept.append(environ["wsgi.input"])
        return answer(start_response, "kept")
    try:
        return answer(start_response, str(kept[0].read()))
    except ValueError as error:
        return answer(start_response, str(error))


def refuses(environ, start_response):
    start_response("413 Content Too Large", [("Content-Length", "0")])
    return []
