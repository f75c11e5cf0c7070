# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agent takes with all its processes: memory as PSS (what they share counts once), CPU of a core, descriptors, and
what the kernel keeps for it in BPF maps and programs.
"""
import argparse
import collections
import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

from common import HOLDFAST, PROGRAMS, ROOT, TICKS_PER_SECOND, cpu_seconds, list_dir, read_text, stat_fields, thread_cpu_ns, tree_of

sys.path.insert(0, os.path.join(ROOT, "tests/e2e/lib"))
from agent_live import Agent  # noqa: E402

RATES = (1, 10, 100, 1000, 10_000, 100_000)  # allocations a second
LEAKS = ("none", "cold", "hot")
MEMORY_GOAL_MIB = 64
TRACED, TRACED_GOAL_PERCENT = 20, 1
IDLE, IDLE_GOAL_PERCENT = 200, 0.2
START_S = 240
SETTLE_S = 60
# What agent_live shortens for tests, as it is by default.
INTERVALS = {"sampling_interval": 10, "leak_detection_interval": 60}


class Idle:
    """A process that does nothing, under a name of our own: other runs have theirs."""

    def __init__(self, program, _number):
        self.process = subprocess.Popen([program, "--rate=1"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def end(self):
        self.process.kill()
        self.process.wait()


class Busy(Idle):
    """One that allocates so many times a second, and may leak."""

    def __init__(self, program, number):
        rate, leak = RATES[number % len(RATES)], LEAKS[number // len(RATES) % len(LEAKS)]
        self.process = subprocess.Popen([program, f"--rate={rate}", f"--leak={leak}", "--leak-rate=5"],
                                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()


def wait(agent, which, count, seconds):
    """How many targets there are of these, once it is `count` or the time is over."""
    deadline = time.monotonic() + seconds
    while (there := targets(agent, which)) < count and time.monotonic() < deadline:
        time.sleep(1)
    return there


def targets(agent, which):
    return agent.get("/api/v1/status")["targets"][which]


def rollup_kib(pid):
    """0: gone."""
    found = re.search(r"^Pss:\s+(\d+) kB", read_text(f"/proc/{pid}/smaps_rollup"), re.M)
    return int(found.group(1)) if found else 0


def kernel_bytes(pids):
    """Of maps and programs that the processes have open, each once; those within other maps are not told by the kernel."""
    held = {}
    for pid in pids:
        for fd in list_dir(f"/proc/{pid}/fdinfo"):
            text = read_text(f"/proc/{pid}/fdinfo/{fd}")
            name = re.search(r"^(map_id|prog_id):\s+(\d+)", text, re.M)
            size = re.search(r"^memlock:\s+(\d+)", text, re.M)
            if name and size:
                held[name.group(1, 2)] = int(size.group(1))
    return sum(held.values())


def is_job(pid):
    return read_text(f"/proc/{pid}/comm").startswith("holdfast-job")


def weigh(agent):
    """{pss, own, kernel: MiB; fds, own_fds, processes}; own: of agent, broker and counter."""
    pids = tree_of(agent.process.pid)
    own = [pid for pid in pids if not is_job(pid)]
    return {"pss": sum(map(rollup_kib, pids)) / 1024, "own": sum(map(rollup_kib, own)) / 1024,
            "kernel": kernel_bytes(pids) / (1 << 20), "processes": len(pids),
            "fds": sum(len(list_dir(f"/proc/{pid}/fd")) for pid in pids),
            "own_fds": sum(len(list_dir(f"/proc/{pid}/fd")) for pid in own)}


PARTS = {
    "own": "of it agent, broker and counter",
    "main": "of it the traces' main threads",
    "threads": "of it their other threads",
    "children": "of it their short-lived children",
}


def spent(agent):
    """Seconds of CPU so far: as a whole, and by part."""
    pids = tree_of(agent.process.pid)
    # Children that were waited for are in it; a job that ended meanwhile is, too, by its broker.
    seconds = collections.Counter(all=cpu_seconds(pids))
    for pid in pids:
        if not is_job(pid):
            seconds["own"] += thread_cpu_ns(pid) / 1e9
            continue
        main = int((read_text(f"/proc/{pid}/task/{pid}/schedstat") or "0").split()[0])
        seconds["main"] += main / 1e9
        seconds["threads"] += (thread_cpu_ns(pid) - main) / 1e9
        seconds["children"] += sum(map(int, stat_fields(pid)[13:15])) / TICKS_PER_SECOND
    return seconds


def measure(agent, seconds, rounds):
    """({part: [percent of a core]}, [weigh()]) one CPU figure a round, a weight each second or so."""
    percent, weights = collections.defaultdict(list), []
    for _ in range(rounds):
        began, before = time.monotonic(), spent(agent)
        while time.monotonic() - began < seconds:
            time.sleep(1)
            weights.append(weigh(agent))
        after, passed = spent(agent), time.monotonic() - began
        for part in ("all", *PARTS):
            percent[part].append(100 * (after[part] - before[part]) / passed)
    return percent, weights


@contextlib.contextmanager
def fleet(kind, count, **settings):
    """(an agent, targets, their program): all end with it."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        comm = f"hf_bench_{os.getpid() % 100_000}"
        program = shutil.copy(os.path.join(PROGRAMS, "bench_loop"), os.path.join(folder, comm))
        processes = [kind(program, number) for number in range(count)]
        stack.callback(lambda: [process.end() for process in processes])
        options = argparse.Namespace(holdfast=HOLDFAST, scratch=folder)
        agent = stack.enter_context(Agent(options, targets=[{"comm": comm}], **{**INTERVALS, **settings}))
        yield agent, processes, program


def rows_agent(table, options):
    seconds, rounds = (20, 2) if options.quick else (60, 4)
    with fleet(Idle, IDLE) as (agent, _, _):
        wait(agent, "watched", IDLE, 60)
        time.sleep(20)
        table.title(f"The agent with {IDLE} idle processes, as it is by default")
        add(table, *measure(agent, seconds, rounds), IDLE_GOAL_PERCENT)
    with fleet(Busy, TRACED, mode="advanced", budget="1%", sampling_interval=5) as (agent, _, _):
        traced = wait(agent, "traced", TRACED, START_S)
        time.sleep(SETTLE_S)
        table.title(f"The agent with {TRACED} processes of 1 to 100,000 allocations a second, {traced} of them traced")
        add(table, *measure(agent, seconds, rounds), TRACED_GOAL_PERCENT)


def add(table, percent, weights, goal_percent):
    table.add("CPU of agent, broker and jobs", percent["all"], "%", goal_percent, "of a core")
    for part, name in PARTS.items():
        table.add(name, percent[part], "%")
    table.add("memory of agent, broker and jobs", [weight["pss"] for weight in weights], "MiB", MEMORY_GOAL_MIB, "PSS")
    table.add("of it agent, broker and counter", [weight["own"] for weight in weights], "MiB")
    table.add("beside it BPF maps and programs", [weight["kernel"] for weight in weights], "MiB",
              note="in the kernel; without unwind rows, 1 MiB and more a target")


def renew(processes, program, number):
    """One of them ends, by chance, and another begins."""
    at = random.randrange(len(processes))
    processes[at].end()
    processes[at] = Busy(program, number)


ROWS = {"agent": rows_agent}
