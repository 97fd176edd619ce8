"""A client that sends the bytes it is given and tells what came back, and how the connection ended."""

import select
import socket
import time

PATIENCE = 30  # seconds that anything may take
MOST = 64 << 20  # no check wants a longer answer


class Absent(Exception):
    """The server does not offer what is asked for, and need not."""


class Wrong(Exception):
    """What was seen, where something else had to be."""


def expect(condition, seen):
    if not condition:
        raise Wrong(seen)


class Answer:
    """An answer as it came. `whole` says whether its end was marked, `end` how the connection ended, if it did."""

    def __init__(self, status, reason, headers):
        self.status, self.reason, self.headers = status, reason, headers
        self.body, self.whole, self.end = b"", False, None

    def all(self, name):
        return [value for known, value in self.headers if known.lower() == name.lower().encode()]

    def header(self, name):
        return next(iter(self.all(name)), None)

    def is_chunked(self):
        return b"chunked" in (self.header("Transfer-Encoding") or b"").lower()

    def length(self):
        value = self.header("Content-Length")
        return None if value is None else int(value)

    def looks_whole(self):
        """Whether a client would take it for a whole answer: one that ends with its connection needs a clean end."""
        return self.whole or (self.status != 0 and not self.is_chunked() and self.length() is None and self.end == "closed")

    def __str__(self):
        end = f", {self.end}" if self.end else ""
        if not self.status:
            return f"no answer{end}"
        return f"{self.status} with {len(self.body)} bytes, {'whole' if self.looks_whole() else 'cut off'}{end}"


class Connection:
    """A connection. Every wait has an end."""

    def __init__(self, address, receive_buffer=None):
        is_unix = address.startswith("/")
        host, _, port = address.rpartition(":")
        self.socket = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET)
        self.socket.settimeout(PATIENCE)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address if is_unix else (host, int(port)))
        self.buffer = b""
        self.end = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """Sends; a server need not take all of what it refuses."""
        try:
            self.socket.sendall(data)
        except ConnectionError:
            return False
        return True

    def reset(self):
        """Goes away without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def more(self):
        """Receives something; false at the end, which is kept."""
        if self.end:
            return False
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            self.end = "reset"
            return False
        except TimeoutError:
            raise Wrong(f"nothing came for {self.socket.gettimeout():g} s") from None
        if not data:
            self.end = "closed"
        self.buffer += data
        return bool(data)

    def is_silent(self, seconds):
        """Whether nothing comes for so long; what comes is kept for later."""
        return not self.buffer and not select.select([self.socket], [], [], seconds)[0]

    def until(self, mark):
        """Receives until there is `mark`, and gives all before its end."""
        while mark not in self.buffer:
            if not self.more():
                return None
        at = self.buffer.index(mark) + len(mark)
        taken, self.buffer = self.buffer[:at], self.buffer[at:]
        return taken

    def take(self, size):
        while len(self.buffer) < size and self.more():
            pass
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def head(self):
        """The next head, `None` where the connection ends before it."""
        text = self.until(b"\r\n\r\n")
        if text is None:
            return None
        first, *lines = text[:-4].split(b"\r\n")
        version, _, rest = first.partition(b" ")
        status, _, reason = rest.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not status.isdigit():
            raise Wrong(f"no head of an answer: {first[:60]!r}")
        headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        return Answer(int(status), reason, headers)

    def answer(self, method="GET"):
        """The next answer, without those of 1xx before it; of status 0 where the connection ends instead."""
        answer = self.head()
        while answer and 100 <= answer.status < 200:
            answer = self.head()
        if answer is None:
            answer = Answer(0, b"", [])
            answer.end = self.end
            return answer
        return self.body(answer, method)

    def body(self, answer, method="GET"):
        """Completes an answer by its body."""
        if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            answer.whole = True
        elif answer.is_chunked():
            self.chunks(answer)
        elif answer.length() is not None:
            answer.body = self.take(answer.length())
            answer.whole = len(answer.body) == answer.length()
        else:
            while self.more():
                expect(len(self.buffer) < MOST, f"more than {MOST} bytes")
            answer.body, self.buffer = self.buffer, b""
        answer.end = self.end
        return answer

    def chunks(self, answer):
        while (chunk := self.chunk()) is not None:
            if not chunk:
                answer.whole = True
                return
            answer.body += chunk

    def chunk(self):
        """One chunk, empty the last, `None` where the connection ends before it."""
        line = self.until(b"\r\n")
        if line is None:
            return None
        size = int(line.split(b";")[0], 16)
        data = self.take(size + 2)
        return data[:size] if len(data) == size + 2 else None

    def piece(self, answer):
        """What comes next of a body that is still being made."""
        if answer.is_chunked():
            return self.chunk()
        if not self.buffer:
            self.more()
        piece, self.buffer = self.buffer, b""
        return piece


def request(method, target, headers=(), body=b"", version="1.1", host="test.example"):
    """The bytes of a request; a length is told where there is a body."""
    lines = [f"{method} {target} HTTP/{version}", *([f"Host: {host}"] if host else []), *headers]
    if body and not any(header.lower().startswith(("content-length", "transfer-encoding")) for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(body, size=1000):
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def eventually(found, seconds=PATIENCE):
    """Waits for a condition; gives what it gave, or what it gave last."""
    end = time.monotonic() + seconds
    while True:
        result = found()
        if result or time.monotonic() > end:
            return result
        time.sleep(0.02)
