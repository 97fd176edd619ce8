"""Tells the variables of the environ that are neither CGI's nor WSGI's."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{name}={value}\n".encode() for name, value in sorted(environ.items()) if "." not in name]
