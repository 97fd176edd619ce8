"""What a check sees of a server: where it listens, what it has logged, and the files by which applications tell."""

import itertools
import json
import os
import urllib.parse

from client import PATIENCE, Connection, Wrong, eventually, expect, request

NUMBERS = itertools.count(1)


class Site:
    """One server, started in one way."""

    def __init__(self, server, process, address, prefix=""):
        self.server, self.process, self.address, self.prefix = server, process, address, prefix

    def connect(self, **options):
        return Connection(self.address, **options)

    def file(self, name="file"):
        """A path that is not there yet, and where every application may write."""
        return os.path.join(self.process.shared, f"{name}-{next(NUMBERS)}")

    def target(self, path, **query):
        return f"{self.prefix}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")

    def ask(self, path, headers=(), body=b"", method="GET", version="1.1", patience=PATIENCE, **query):
        """Sends one request on a connection of its own, and gives the whole answer."""
        with self.connect() as connection:
            connection.socket.settimeout(patience)
            headers = [*headers, *(["Connection: close"] if version == "1.1" else [])]
            connection.send(request(method, self.target(path, **query), headers, body, version))
            return connection.answer(method)

    def environ(self, target="/environ", **options):
        """The environ as the application saw it; the target is sent as it stands."""
        with self.connect() as connection:
            headers = [*options.get("headers", ()), "Connection: close"]
            connection.send(request(options.get("method", "GET"), target, headers, options.get("body", b"")))
            return self.parsed(connection.answer())

    @staticmethod
    def parsed(answer):
        expect(answer.status == 200, f"{answer.status} instead of the environ")
        return json.loads(answer.body)

    @staticmethod
    def token():
        """A word that stands nowhere in the log yet."""
        return f"token-{next(NUMBERS)}"

    def notes(self):
        return Notes(self)

    def leave(self):
        return Leave(self)

    def log(self):
        return self.process.log()

    def logs(self, *texts):
        """Waits until all texts are in the log, and names those that are not."""
        missing = []

        def all_there():
            log = self.log()
            missing[:] = [text for text in texts if text not in log]
            return not missing

        expect(eventually(all_there), f"not in the log: {', '.join(map(repr, missing))}")

    def survives(self):
        """Every trouble is over for the next request."""
        try:
            answer = self.ask("/hello")
        except (OSError, Wrong) as error:
            raise Wrong(f"the next request failed: {error}") from None
        expect(answer.body == b"hello", f"the next request: {answer}")


class Notes:
    """What an application tells by `note()`."""

    def __init__(self, site):
        self.path = site.file("notes")

    def lines(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def wait(self, start, seconds=PATIENCE):
        """Waits for a line that begins so."""
        found = eventually(lambda: next((line for line in self.lines() if line.startswith(start)), None), seconds)
        expect(found, f"the application never came to tell {start!r}, only {self.lines()[:4]}")
        return found


class Leave:
    """By which a client says that an application that waits may go on."""

    def __init__(self, site):
        self.path = site.file("leave")

    def give(self):
        open(self.path, "w").close()
