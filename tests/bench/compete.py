#!/usr/bin/env python3
"""Runs contestants side by side on the same work and prints what each request cost them.

FILE.json: {"cpu": 0, "load_cpu": 1, "support": [shell, ...], "contestants": [...], "workloads": [...]}
  support:    servers that run beside all contestants, on the load's processor
  contestant: name, port, start (shell), and maybe env, cwd, skip: [workload, ...]
  workload:   name, path, and maybe connections (32), wrk: [extra arguments], expect: text in the body of a plain GET

What counts is CPU microseconds per request, user and system, of all processes of the server, as a ratio within one run;
`kernel` is the part of it that the kernel takes. A control group of its own counts them; who may not make one gets the
sums of /proc, which lack the programs that the kernel reaps (Apache's mod_cgid leaves its own to it). The servers are
pinned to one processor and the load to another.

In each round all contestants are started, and then they take turns of a second at each workload, so that a change of
the machine's speed meets all of them: what counts is the median of the ratios to the best contestant in the same turn.
The range beside it holds the middle half of these ratios. Requests per second and latencies depend on what else the
machine does.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
FINISH_IN_ORDER, FINISH_AT_ALL = 5, 2  # seconds
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the loopback interface, whatever the proxy


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("file")
    options.add_argument("--only", help="names of contestants, separated by commas")
    options.add_argument("--workloads", help="names of workloads, separated by commas")
    options.add_argument("--rounds", type=int, default=3, help="how often all servers are started")
    options.add_argument("--turns", type=int, default=4, help="of each contestant at each workload in a round")
    options.add_argument("--seconds", type=int, default=1, help="of load in each turn")
    options.add_argument("--json", help="a file for the medians")
    options = options.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are stopped then, too

    with open(options.file, encoding="utf-8") as file:
        plan = json.loads(os.path.expandvars(file.read()))
    plan["contestants"] = chosen(plan["contestants"], options.only)
    plan["workloads"] = chosen(plan["workloads"], options.workloads)

    support = [Server(command, plan["load_cpu"], "support") for command in plan.get("support", [])]
    try:
        results = compete(plan, options)
    finally:
        for server in support:
            server.stop()
    for workload in plan["workloads"]:
        print_table(workload, results)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({f"{w}/{c}": summary(runs) for (w, c), runs in results.items()}, file, indent=1)


def chosen(things, names):
    return [thing for thing in things if not names or thing["name"] in names.split(",")]


def compete(plan, options):
    """All turns, by names of workload and contestant: in the same place those that were taken one after the other."""
    results = {(w["name"], c["name"]): [] for w in plan["workloads"] for c in plan["contestants"]}
    for number in range(1, options.rounds + 1):
        servers = {}
        try:
            for contestant in plan["contestants"]:
                servers[contestant["name"]] = start(contestant, plan)
            for workload in plan["workloads"]:
                take_turns(workload, servers, plan, options, results)
                print(f"round {number}: {workload['name']} done", file=sys.stderr)
        finally:
            for server in servers.values():
                server.stop()
    return results


def start(contestant, plan):
    return Server(
        contestant["start"], plan["cpu"], contestant["name"], contestant.get("env", {}), contestant.get("cwd")
    )


def take_turns(workload, servers, plan, options, results):
    """One after the other, in another order each time; who does not give the expected answer is left out."""
    ready = []
    for contestant in plan["contestants"]:
        if workload["name"] in contestant.get("skip", []):
            continue
        server = servers[contestant["name"]]
        url = f"http://127.0.0.1:{contestant['port']}{workload['path']}"
        turns = results[workload["name"], contestant["name"]]
        if problem := wait_for_answer(server, url, workload):
            turns += [{"problem": problem}] * options.turns
            continue
        ready.append((server, url, turns))
        wrk(url, workload, plan, 1)  # to warm up
    for number in range(options.turns if ready else 0):
        for server, url, turns in ready[number % len(ready) :] + ready[: number % len(ready)]:
            turns.append(load(server, url, workload, plan, options.seconds))


def wait_for_answer(server, url, workload):
    """Waits until the expected answer comes; what came instead, if it does not."""
    deadline = time.monotonic() + 10
    while True:
        try:
            with OPENER.open(url, timeout=5) as response:
                body = response.read()
            problem = None if workload.get("expect", "").encode() in body else f"unexpected body {body[:60]!r}"
        except (OSError, urllib.error.URLError) as error:
            problem = repr(error)
        if problem is None or time.monotonic() > deadline:
            return problem
        if server.process.poll() is not None:
            return f"it has ended: see {server.log}"
        time.sleep(0.1)


def wrk(url, workload, plan, seconds):
    """What wrk reports."""
    command = ["taskset", "-c", str(plan["load_cpu"]), "wrk", "-t1", f"-c{workload.get('connections', 32)}", "--latency"]
    command += [f"-d{seconds}s", *workload.get("wrk", []), url]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def load(server, url, workload, plan, seconds):
    """One turn."""
    before = server.cpu_seconds()
    report = wrk(url, workload, plan, seconds)
    user, system = (after - start for after, start in zip(server.cpu_seconds(), before))
    used = user + system

    requests = int(found(r"(\d+) requests in", report) or 0)
    problem = "it took no CPU: another server has its port" if requests and not used else None
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", report)
    return {
        "problem": problem if requests else "no requests",
        "cpu_us": used / max(requests, 1) * 1e6,
        "kernel_us": system / max(requests, 1) * 1e6,
        "per_second": float(found(r"Requests/sec:\s+([\d.]+)", report) or 0),
        "p99_ms": float(p99[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[p99[2]] if p99 else 0,
        "memory_mib": server.memory_mib(),
        "not_2xx": int(found(r"Non-2xx or 3xx responses: (\d+)", report) or 0),
        "socket_errors": found(r"Socket errors: (.*)", report) or "",
    }


def found(pattern, text):
    match = re.search(pattern, text)
    return match and match[1]


def summary(turns):
    """The median of each figure over the turns that worked; None if none did."""
    good = [turn for turn in turns if not turn["problem"]]
    if not good:
        return None
    figures = "cpu_us", "kernel_us", "per_second", "p99_ms", "memory_mib"
    medians = {figure: statistics.median(turn[figure] for turn in good) for figure in figures}
    return medians | {"not_2xx": sum(turn["not_2xx"] for turn in good), "socket_errors": good[-1]["socket_errors"]}


def ratios(turns, others):
    """The lower quartile, the median and the upper quartile of the ratios of turns that were taken together."""
    pairs = [(a["cpu_us"], b["cpu_us"]) for a, b in zip(turns, others) if not (a["problem"] or b["problem"])]
    values = [mine / other for mine, other in pairs] or [0]
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3


def print_table(workload, results):
    turns = {contestant: turns for (name, contestant), turns in results.items() if name == workload["name"] and turns}
    rows = {contestant: summary(turns) for contestant, turns in turns.items()}
    print(f"\n## {workload['name']}  ({workload['path']}, {workload.get('connections', 32)} connections)")
    columns = f"{'CPU us/req':>11}{'kernel':>10}{'vs best':>9}{'range':>13}{'req/s':>9}{'p99 ms':>9}{'PSS MiB':>9}"
    print(f"{'contestant':<18}{columns}  errors")
    best = None
    for contestant, row in sorted(rows.items(), key=lambda item: item[1]["cpu_us"] if item[1] else float("inf")):
        if row is None:
            print(f"{contestant:<18}{'-':>11}  {turns[contestant][0]['problem']}")
            continue
        best = best or contestant
        low, ratio, high = ratios(turns[contestant], turns[best])
        errors = (f"{row['not_2xx']} not 2xx " if row["not_2xx"] else "") + row["socket_errors"]
        print(
            f"{contestant:<18}{row['cpu_us']:>11.1f}{row['kernel_us']:>10.1f}{ratio:>9.2f}{f'{low:.2f}-{high:.2f}':>13}"
            f"{row['per_second']:>9.0f}{row['p99_ms']:>9.2f}{row['memory_mib']:>9.1f}  {errors}"
        )


def control_group():
    """A new control group (version 2); None where there are none, or none may be made."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        roots = [fields[1] for fields in map(str.split, mounts) if fields[2] == "cgroup2"]
    try:
        return tempfile.mkdtemp(prefix="vestibule-bench-", dir=roots[0]) if roots else None
    except OSError:
        return None


class Server:
    """A command with all its processes: a session and a control group of its own, pinned to one processor."""

    def __init__(self, command, cpu, name, env=None, cwd=None):
        self.log = f"{os.environ['LOGS']}/{name}.log"
        self.group = control_group()
        enter = f"echo $$ > {self.group}/cgroup.procs && " if self.group else ""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(cpu), "sh", "-c", f"{enter}exec {command}"],
                env=os.environ | (env or {}), cwd=cwd, stdout=log, stderr=log, start_new_session=True,
            )

    def pids(self):
        return [pid for pid in filter(str.isdigit, os.listdir("/proc")) if stat(pid)[3:4] == [str(self.process.pid)]]

    def cpu_seconds(self):
        """User and system time of all its processes, also of those that have ended."""
        if self.group:
            with open(f"{self.group}/cpu.stat", encoding="ascii") as file:
                text = file.read()
            return tuple(int(found(rf"{kind}_usec (\d+)", text)) / 1e6 for kind in ("user", "system"))
        ticks = [[int(field) for field in stat(pid)[11:15]] for pid in self.pids()]
        return tuple(sum(of[at] + of[at + 2] for of in ticks if of) / TICKS_PER_SECOND for at in (0, 1))

    def memory_mib(self, kind="Pss"):
        """What would be free without it: the proportional set size; or another kind of what `smaps_rollup` tells."""
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                    total += int(found(rf"\n{kind}:\s+(\d+)", file.read()) or 0)
            except OSError:
                pass  # it has ended
        return total / 1024

    def stop(self):
        for number, patience in ((signal.SIGTERM, FINISH_IN_ORDER), (signal.SIGKILL, FINISH_AT_ALL)):
            for pid in self.pids():
                try:
                    os.kill(int(pid), number)
                except ProcessLookupError:
                    pass
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline and (self.process.poll() is None or self.pids()):
                time.sleep(0.05)
            if not self.pids():
                break
        self.process.wait(timeout=FINISH_AT_ALL)
        if self.group:
            try:
                os.rmdir(self.group)
            except OSError:
                pass  # one of its processes has not ended


def stat(pid):
    """The fields of /proc/PID/stat from the third on; none if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()
    except OSError:
        return []


if __name__ == "__main__":
    main()
