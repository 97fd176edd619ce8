"""An application that holds 500 MB, every page of which is in use."""

HELD = b"x" * (500 << 20)


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % len(HELD)]
