"""An XML document with a tag, as an application would serve it; its body is what the query says, if it says any."""

from urllib.parse import unquote


def application(environ, start_response):
    body = unquote(environ["QUERY_STRING"]).encode() or b"<feed><title>From Python</title></feed>"
    tag = '"python-1"'
    headers = [("Content-Type", "application/xml"), ("ETag", tag), ("Content-Length", str(len(body)))]
    if environ.get("HTTP_IF_NONE_MATCH") == tag:
        start_response("304 Not Modified", headers[1:2])
        return []
    start_response("200 OK", headers)
    return [body]
