# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agent takes with all its processes: memory as PSS (what they share counts once), CPU of a core, descriptors, and
what the kernel keeps for it in BPF maps and programs.
"""
import contextlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

from common import HOLDFAST, PROGRAMS, Trouble, cpu_seconds, list_dir, read_text, tree_of

RATES = (1, 10, 100, 1000, 10_000, 100_000)  # allocations a second
LEAKS = ("none", "cold", "hot")
MEMORY_GOAL_MIB = 64
TRACED, TRACED_GOAL_PERCENT = 20, 1
IDLE, IDLE_GOAL_PERCENT = 200, 0.2
START_S = 240
SETTLE_S = 60


class Idle:
    """A process that does nothing, under a name of our own: other runs have theirs."""

    def __init__(self, program):
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


class Agent:
    """One on a free port, with a store of its own, that watches the processes called comm."""

    def __init__(self, folder, comm, **settings):
        config, self.log = os.path.join(folder, "agent.yaml"), os.path.join(folder, "log")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"memory_profiling": {"listen": "127.0.0.1:0", "store": os.path.join(folder, "store"),
                                            "targets": [{"comm": comm}], **settings}}, file)
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([HOLDFAST, "agent", "--config", config], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.port = 0

    def status(self):
        """{} while it does not answer."""
        found = re.search(r"the agent serves \S+:(\d+)\b", read_text(self.log))
        if self.process.poll() is not None:
            raise Trouble("the agent ended: " + read_text(self.log)[-500:])
        if not found:
            return {}
        connection = http.client.HTTPConnection("127.0.0.1", int(found.group(1)), timeout=30)
        try:
            connection.request("GET", "/api/v1/status")
            return json.loads(connection.getresponse().read())
        except OSError:
            return {}
        finally:
            connection.close()

    def targets(self, which):
        return self.status().get("targets", {}).get(which, 0)

    def wait(self, which, count, seconds):
        deadline = time.monotonic() + seconds
        while self.targets(which) < count:
            if time.monotonic() > deadline:
                return self.targets(which)
            time.sleep(1)
        return count

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


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


def weigh(agent):
    """{pss, own, kernel: MiB; fds, own_fds, processes}; own: of agent and broker."""
    pids = tree_of(agent.process.pid)
    own = [pid for pid in pids if not read_text(f"/proc/{pid}/comm").startswith("holdfast-job")]
    return {"pss": sum(map(rollup_kib, pids)) / 1024, "own": sum(map(rollup_kib, own)) / 1024,
            "kernel": kernel_bytes(pids) / (1 << 20), "processes": len(pids),
            "fds": sum(len(list_dir(f"/proc/{pid}/fd")) for pid in pids),
            "own_fds": sum(len(list_dir(f"/proc/{pid}/fd")) for pid in own)}


def measure(agent, seconds, rounds):
    """([percent of a core], [weigh()]) one CPU figure a round, a weight each second or so."""
    percent, weights = [], []
    for _ in range(rounds):
        began, before = time.monotonic(), cpu_seconds(tree_of(agent.process.pid))
        while time.monotonic() - began < seconds:
            time.sleep(1)
            weights.append(weigh(agent))
        # Children that were waited for are in it; a job that ended meanwhile is, too, by its broker.
        percent.append(100 * (cpu_seconds(tree_of(agent.process.pid)) - before) / (time.monotonic() - began))
    return percent, weights


@contextlib.contextmanager
def fleet(kind, count, **settings):
    """(an agent, targets): all end with it."""
    targets, folder = [], tempfile.mkdtemp()
    comm = f"hf_bench_{os.getpid() % 100_000}"
    program = os.path.join(folder, comm)
    shutil.copy(os.path.join(PROGRAMS, "bench_loop"), program)
    agent = None
    try:
        for number in range(count):
            targets.append(kind(program, number) if kind is Busy else kind(program))
        agent = Agent(folder, comm, **settings)
        yield agent, targets, program
    finally:
        if agent:
            agent.end()
        for target in targets:
            target.end()
        shutil.rmtree(folder, ignore_errors=True)


def rows_agent(table, options):
    seconds, rounds = (20, 2) if options.quick else (60, 4)
    with fleet(Idle, IDLE) as (agent, _, _):
        agent.wait("watched", IDLE, 60)
        time.sleep(20)
        table.title(f"The agent with {IDLE} idle processes, as it is by default")
        percent, weights = measure(agent, seconds, rounds)
        add(table, percent, weights, IDLE_GOAL_PERCENT)
    with fleet(Busy, TRACED, mode="advanced", budget="1%", sampling_interval=5) as (agent, _, _):
        traced = agent.wait("traced", TRACED, START_S)
        time.sleep(SETTLE_S)
        table.title(f"The agent with {TRACED} processes of 1 to 100,000 allocations a second, {traced} of them traced")
        percent, weights = measure(agent, seconds, rounds)
        add(table, percent, weights, TRACED_GOAL_PERCENT)


def add(table, percent, weights, goal_percent):
    table.add("CPU of agent, broker and jobs", percent, "%", goal_percent, "of a core")
    table.add("memory of agent, broker and jobs", [weight["pss"] for weight in weights], "MiB", MEMORY_GOAL_MIB, "PSS")
    table.add("of it agent and broker", [weight["own"] for weight in weights], "MiB")
    table.add("beside it BPF maps and programs", [weight["kernel"] for weight in weights], "MiB",
              note="in the kernel; without unwind rows, 1 MiB and more a target")


def renew(targets, program, number):
    """One of them ends, by chance, and another begins."""
    at = random.randrange(len(targets))
    targets[at].end()
    targets[at] = Busy(program, number)


ROWS = {"agent": rows_agent}
