"""Counts on signals: an alarm, and one that it sends to itself; tells how a program that it starts ends by one."""

import os
import signal
import subprocess


def application(environ, start_response):
    if environ["PATH_INFO"] == "/rings":
        signal.signal(signal.SIGALRM, lambda number, frame: None)
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        while signal.getitimer(signal.ITIMER_REAL)[0]:
            pass
        signal.signal(signal.SIGUSR1, lambda number, frame: None)
        os.kill(os.getpid(), signal.SIGUSR1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    child = subprocess.run(["sh", "-c", "kill -USR1 $$"])
    return [f"{os.getpid()} {signal.Signals(-child.returncode).name}".encode()]
