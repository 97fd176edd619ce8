#!/usr/bin/env python3
"""What an idle connection costs: opens many, asks once on each, and tells by how much the server's memory grew.

    tests/bench/idle.py VESTIBULE [CONNECTIONS]

The memory is the proportional set size (PSS) of all its processes, before the first connection and while all are open and
silent, each time once it falls no more. Needs a limit of open files above the number of connections.
"""

import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

FILE = """listen: 127.0.0.1:0
limits: { connections: %d, keep_alive: 10m }
routes: [ { respond: { text: "Hello, world!" } } ]
"""


def main():
    program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, max(count + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(FILE % (count + 100))
        file.flush()
        server = subprocess.Popen(
            [program, "run", file.name], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            measure(server, listening(server), count)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)


def listening(server):
    """The address that the log names, when the server is ready."""
    address = None
    for line in server.stderr:
        address = address or re.search(r"127\.0\.0\.1:(\d+)", line)
        if '"ready"' in line or " ready" in line:
            return "127.0.0.1", int(address[1])
    sys.exit("the server did not start")


def measure(server, address, count):
    ask(socket.create_connection(address), address)
    before = settled(server.pid)
    open_ones = []
    for _ in range(count):
        connection = socket.create_connection(address)
        ask(connection, address)
        open_ones.append(connection)
    after = settled(server.pid)
    print(f"{count} idle connections: {(after - before) / count / 1024:.1f} KiB each ({before >> 20} MiB before, {after >> 20} MiB with them)")


def ask(connection, address):
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n\r\n".encode())
    got = b""
    while not got.endswith(b"Hello, world!"):
        piece = connection.recv(4096)
        if not piece:
            sys.exit("a connection ended before its answer")
        got += piece


def settled(pid):
    """The memory, when it has not fallen for a while: what is free is given back after some seconds."""
    least = memory(pid)
    fallen = time.monotonic()
    while time.monotonic() < fallen + 4:
        time.sleep(0.5)
        now = memory(pid)
        if now < least:
            least, fallen = now, time.monotonic()
    return least


def memory(pid):
    """The bytes that a process and its children take."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        own = sum(int(line.split()[1]) << 10 for line in rollup if line.startswith("Pss:"))
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return own + sum(memory(int(child)) for child in children.read().split())


if __name__ == "__main__":
    main()
