"""Tells the variables that a protocol has brought, a line for each, and how long the body is."""


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    told = {name: value for name, value in environ.items() if isinstance(value, str) and "." not in name}
    lines = [f"{name}={value}\n" for name, value in told.items()]
    return ["".join(lines).encode("latin-1"), b"length=%d\n" % len(body)]
