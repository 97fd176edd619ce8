"""An HTTP service beside the gateway: it tells the time, and what the gateway told it of the request.

usage: clock.py SOCKET    listens on this unix socket
"""

import json
import os
import sys
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingUnixStreamServer

TOLD = ("Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Request-Id")


class Clock(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept open

    def do_GET(self):
        answer = {
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "path": self.path,
            "told": {name: self.headers[name] for name in TOLD if name in self.headers},
            "process": os.getpid(),
        }
        body = json.dumps(answer, indent=2).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """The gateway keeps the access log."""


if __name__ == "__main__":
    ThreadingUnixStreamServer(sys.argv[1], Clock).serve_forever()
