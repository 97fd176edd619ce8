#!/usr/bin/env python3
"""What servers hold that have nothing to do: the memory of each, after one request of the hello application.

    tests/bench/run memory
    tests/bench/run memory -- --only vestibule,bjoern

The figures are sums over the processes of a server: the proportional set size (what is shared with other processes is
divided among them) and what no other process has.
"""

import argparse
import json
import os
import time

from compete import chosen, start, wait_for_answer

SETTLED = 2  # seconds


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("file")
    options.add_argument("--only", help="names of contestants, separated by commas")
    options = options.parse_args()
    with open(options.file, encoding="utf-8") as file:
        plan = json.loads(os.path.expandvars(file.read()))
    print(f"{'contestant':<18}{'processes':>10}{'PSS MiB':>9}{'own MiB':>9}")
    for contestant in chosen(plan["contestants"], options.only):
        print(contestant["name"].ljust(18) + measure(contestant, plan), flush=True)


def measure(contestant, plan):
    server = start(contestant, plan)
    try:
        workload = plan["workloads"][0]
        problem = wait_for_answer(server, f"http://127.0.0.1:{contestant['port']}{workload['path']}", workload)
        time.sleep(SETTLED)
        own = server.memory_mib("Private_Clean") + server.memory_mib("Private_Dirty")
        return problem or f"{len(server.pids()):>10}{server.memory_mib():>9.1f}{own:>9.1f}"
    finally:
        server.stop()


if __name__ == "__main__":
    main()
