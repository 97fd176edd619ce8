"""An HTTP service beside the gateway: it tells the time, and what the gateway told it of the request.

usage: clock.py PORT_FILE    listens on a free port of 127.0.0.1 and writes the number into PORT_FILE
"""

import json
import os
import sys
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


def main(port_file):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Clock)
    part = f"{port_file}.part"
    with open(part, "w", encoding="ascii") as file:
        file.write(f"{server.server_port}\n")
    os.rename(part, port_file)  # whoever waits for the file finds the number in it
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
