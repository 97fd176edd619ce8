"""A WSGI application is a function. This one shows what it was called with."""

import os
import threading
from html import escape

SHOWN = (
    "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "wsgi.url_scheme", "SERVER_NAME", "SERVER_PORT",
    "SERVER_PROTOCOL", "REMOTE_ADDR", "HTTP_HOST", "HTTP_USER_AGENT", "wsgi.multithread", "wsgi.multiprocess",
)

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hello · Vestibule quickstart</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/style.css">
<header class="bar"><a href="/">Vestibule quickstart</a><span>hello · plain WSGI</span></header>
<main>
<h1>Hello, {who}!</h1>
<p>This page is one Python function, called in process {process} on the thread <code>{thread}</code>.
The shop and the notice board run in the same process. Try <a href="{here}/you?colour=green">another path</a>.</p>
<table class="facts">
{rows}
</table>
</main>
</html>
"""


def application(environ, start_response):
    rows = "\n".join(
        f"<tr><th><code>{name}</code></th><td>{escape(str(environ.get(name, '')))}</td></tr>" for name in SHOWN
    )
    page = PAGE.format(
        who=escape(text(environ["PATH_INFO"]).strip("/") or "world"),
        process=os.getpid(),
        thread=escape(threading.current_thread().name),
        here=escape(text(environ["SCRIPT_NAME"])),
        rows=rows,
    ).encode()
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))])
    return [page]


def text(path):
    """The text of a path: WSGI hands the bytes over as latin-1 (PEP 3333)."""
    return path.encode("latin-1").decode("utf-8", "replace")
