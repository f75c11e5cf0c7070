#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agent in production mode takes of a leaking service's throughput, among twenty services.

usage: bench_fleet.py [--holdfast ./holdfast] [--rounds 20] [--seconds 10]     (as root; build first: make built-root)

The leaking one serves as fast as it goes, on a CPU of its own; nineteen others (tests/e2e/lib/agent_fleet.py) and the agent
are on the rest. Rounds with the agent and without it take turns. With it means: while it traces that service, which it does
only once the service has grown for a while; so this is more than what it takes on the average.
"""
import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e/lib"))
from agent_fleet import LEAKY, PRODUCTION, SERVICES, service, stat  # noqa: E402
from agent_live import Agent, until  # noqa: E402

# About 60 us of work and five blocks a request; one in 4,000 leaks.
BUSY = ("--rate=0", "--work=30", "--every=4000")


def bind(process, cpus):
    """Children inherit it."""
    os.sched_setaffinity(process, cpus)


def measure(process, seconds):
    """(requests a second, CPU microseconds a request)"""
    before, began = stat(process), time.monotonic()
    time.sleep(seconds)
    after, ended = stat(process), time.monotonic()
    requests = after["requests"] - before["requests"]
    return requests / (ended - began), (after["cpu_ns"] - before["cpu_ns"]) / requests / 1000


def with_agent(options, busy):
    """A window in which it is traced."""
    options.scratch = tempfile.mkdtemp(dir=options.folder)
    rules = [{"exe": os.path.join(os.path.realpath(options.folder), "*")}]
    with Agent(options, **PRODUCTION, targets=rules) as agent:
        until(lambda: agent.target(busy.pid)["traced"], "it is traced", 120)
        time.sleep(2)  # attached
        found = measure(busy, options.seconds)
        if not agent.target(busy.pid)["traced"]:
            return None
        agent.end(20)
    return found


def spread(values):
    """In percent."""
    mean = statistics.mean(values)
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"mean {mean:+.2f} % +- {error:.2f} (standard error), median {statistics.median(values):+.2f} %, " \
           f"from {min(values):+.2f} to {max(values):+.2f}, {len(values)} rounds"


def rounds_of(options, busy):
    """[(change of throughput, change of CPU a request)] in percent, each against the mean of what is before and after."""
    plain, changes = measure(busy, options.seconds), []
    while len(changes) < options.rounds:
        traced, after = with_agent(options, busy), measure(busy, options.seconds)
        if traced:
            changes.append([200 * traced[i] / (plain[i] + after[i]) - 100 for i in (0, 1)])
            print(f"{plain[0]:8.0f} {traced[0]:8.0f} {after[0]:8.0f} requests/s  {changes[-1][0]:+.2f} %  "
                  f"CPU a request {changes[-1][1]:+.2f} %", flush=True)
        plain = after
    return changes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--holdfast", default=os.path.join(ROOT, "holdfast"))
    parser.add_argument("--targets", default=os.path.join(ROOT, ".output/targets"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    cpus = os.sched_getaffinity(0)
    if len(cpus) < 2:
        sys.exit("bench_fleet: there is only one CPU")
    with contextlib.ExitStack() as stack:
        options.folder = options.scratch = stack.enter_context(tempfile.TemporaryDirectory())
        bind(0, {max(cpus)})
        for name in SERVICES:
            if name != LEAKY:
                stack.enter_context(service(options, name))
        busy = stack.enter_context(service(options, LEAKY, *BUSY))
        bind(busy.pid, {min(cpus)})
        bind(0, cpus - {min(cpus)})
        busy.stdout.readline()
        time.sleep(5)
        changes = rounds_of(options, busy)
    print("throughput    ", spread([change[0] for change in changes]))
    print("CPU a request ", spread([change[1] for change in changes]))


if __name__ == "__main__":
    main()
