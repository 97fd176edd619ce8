#!/usr/bin/env python3
"""Two applications that compute, in one process: what a second GIL gives.

    tests/bench/isolation.py VESTIBULE PYTHON [ROUNDS]

VESTIBULE is the release binary, PYTHON an interpreter or virtualenv of 3.13 or later. Each request takes 5 ms of Python.
For `shared` and `interpreter`, one application is asked alone and then two are asked at once, by one wrk each, for as long
as it takes to tell; the figure is the requests of both together over those of the one. Two idle processors are needed.
"""

import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

APP = """
def app(environ, start_response):
    total = 0
    for number in range(LOOPS):
        total += number * number
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]
"""
CALIBRATE = """
import time
def work(loops):
    start = time.thread_time()
    total = 0
    for number in range(loops):
        total += number * number
    return time.thread_time() - start
print(int(100_000 * 0.005 / min(work(100_000) for _ in range(50))))
"""
SECONDS = 5


def main(vestibule, python, rounds="3"):
    interpreter = Path(python) / "bin/python3" if Path(python).is_dir() else python
    loops = subprocess.run([interpreter, "-c", CALIBRATE], check=True, capture_output=True, text=True).stdout.strip()
    for isolation in ("shared", "interpreter"):
        with tempfile.TemporaryDirectory() as folder, Gateway(vestibule, python, isolation, loops, folder) as gateway:
            ratios = []
            for _ in range(int(rounds)):
                alone = gateway.load("one")
                both = gateway.load("one", "other")
                ratios.append(both / alone)
                print(f"{isolation}: one {alone:.0f} requests a second, two {both:.0f}: {both / alone:.2f}", flush=True)
            print(f"{isolation}: {statistics.median(ratios):.2f} times the throughput of one\n", flush=True)


class Gateway:
    def __init__(self, vestibule, python, isolation, loops, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        apps = ""
        for name in ("one", "other"):
            file = Path(folder, f"{name}.py")
            file.write_text(APP.replace("LOOPS", loops))
            apps += f"  {name}: {{ wsgi: {{ app: {file}, isolation: {isolation} }} }}\n"
        self.file = Path(folder, "vestibule.yaml")
        self.file.write_text(
            f'listen: "127.0.0.1:{self.port}"\npython: {python}\napps:\n{apps}'
            "routes: [ { mount: /one, app: one }, { mount: /other, app: other } ]\n"
        )
        self.command = [vestibule, "run", self.file]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{self.command[0]} does not start: try `vestibule check` with an application of this Python")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def load(self, *names):
        wrk = ["wrk", "-t1", "-c4", f"-d{SECONDS}s"]
        runs = [
            subprocess.Popen([*wrk, f"http://127.0.0.1:{self.port}/{name}"], stdout=subprocess.PIPE, text=True)
            for name in names
        ]
        return sum(float(re.search(r"Requests/sec:\s*([\d.]+)", run.communicate()[0])[1]) for run in runs)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
