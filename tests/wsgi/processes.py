"""Starting servers, and ending them whatever happens."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from client import eventually

APPS = Path(__file__).parent / "apps"
ENVIRONMENT = {"DATABASE_PASSWORD": "secret", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
PR_SET_PDEATHSIG = 1


class Place:
    """Where one server runs: a folder with the applications, which a server under another user may read."""

    def __init__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="wsgi-", ignore_cleanup_errors=True)
        self.folder = Path(self.temporary.name)
        self.folder.chmod(0o755)
        self.apps = self.folder / "apps"
        shutil.copytree(APPS, self.apps, ignore=shutil.ignore_patterns("__pycache__"))
        self.shared = self.folder / "shared"
        self.shared.mkdir()
        self.shared.chmod(0o777)
        self.socket = str(self.folder / "socket")
        self.log = self.folder / "log"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"

    def remove(self):
        self.temporary.cleanup()

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Process:
    """A server with all of its processes: those of its session."""

    def __init__(self, place, command, environment):
        self.place, self.shared = place, str(place.shared)
        with open(place.log, "ab") as log:
            self.child = subprocess.Popen(
                command,
                cwd=place.apps,
                env={**os.environ, **ENVIRONMENT, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )

    def code(self):
        """The exit code, once it has ended."""
        return self.child.poll()

    def log(self):
        return self.place.log.read_text(encoding="utf-8", errors="replace")

    def signal(self, number):
        self.child.send_signal(number)

    def memory(self):
        """Bytes in memory, of all its processes."""
        pages = 0
        for process in self.processes():
            try:
                pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
            except OSError:
                continue
        return pages * os.sysconf("SC_PAGE_SIZE")

    def processes(self):
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.child.pid:
                found.append(int(stat.parent.name))
        return found

    def stop(self):
        """Asks it to end, then ends it."""
        if self.code() is None:
            self.child.terminate()
            eventually(lambda: self.code() is not None, 3)
        for process in self.processes():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.child.wait()
        self.place.remove()


def end_with_parent():
    """No server outlives the checks, not even those that were killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
