"""Answers with what it is sent; in front of it stand layers that change that."""


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    headers = [
        ("Content-Type", environ.get("CONTENT_TYPE") or "text/plain"),
        ("X-Was", f"{environ['REQUEST_METHOD']} {environ.get('CONTENT_LENGTH')} {environ.get('CONTENT_TYPE')}"),
    ]
    start_response("200 OK", headers)
    return [body]
