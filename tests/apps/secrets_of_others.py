"""Looks for what it should not know: in its environment and in all of its memory."""

import os
import re

# Not the text itself, or it would find itself.
SECRET = re.compile(rb"[t]op-secret-of-[a-z]+")


def in_memory():
    found = set()
    with open("/proc/self/maps", encoding="utf-8") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, permissions, _, _, _, *name = line.split(maxsplit=5)
            if not permissions.startswith("rw") or name and name[0].startswith("/dev"):
                continue
            begin, end = (int(number, 16) for number in span.split("-"))
            while begin < end:
                size = min(end - begin, 1 << 20)
                try:
                    memory.seek(begin)
                    found.update(match.decode() for match in SECRET.findall(memory.read(size)))
                except OSError:
                    break
                begin += size
    return found


def application(environ, start_response):
    with open("/proc/self/environ", "rb") as file:
        names = sorted(pair.split(b"=")[0].decode() for pair in file.read().split(b"\0") if pair)
    lines = [
        f"uid={os.getuid()}",
        f"groups={os.getgroups()}",
        f"names={' '.join(names)}",
        f"memory={' '.join(sorted(in_memory()))}",
        *(f"{name}={os.environ.get(name)}" for name in ("HOME", "USER", "LOGNAME", "LANG", "OWN")),
    ]
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return ["\n".join(lines).encode()]
