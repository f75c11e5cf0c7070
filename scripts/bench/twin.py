# SPDX-License-Identifier: GPL-2.0-or-later
"""What a hunt costs its target, to a few tenths of a percent: two copies of a program share one CPU, one of them is hunted.

The machine's speed changes from second to second by more than a hunt costs, but not between two programs that take turns
on a CPU within milliseconds. So the CPU time of an operation of the one is held against that of the other: without a hunt,
and with it; then they exchange their parts. We, and what asks the programs to work, run on the other CPUs.
"""
import os
import statistics
import threading

from common import Trouble
from targets import Loop, Nginx, Python, PythonWeb, Redis
from tools import Hunt

# Nothing leaks: a hunt that is sure would end.
TARGETS = (Loop("loop-100k-1", 100_000, 1, "none"), Loop("loop-1m-1", 1_000_000, 1, "none"), Redis("jemalloc", 16), Python(),
           PythonWeb(), Nginx())


def bind(cpus):
    """This process, and what it starts from now on."""
    for task in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(task), cpus)


def windows(pair, seconds):
    """One of each, at the same time."""
    found = {}

    def measure(index):
        found[index] = pair[index].window(seconds)

    threads = [threading.Thread(target=measure, args=[index]) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) < 2 or not all(window.cpu_us for window in found.values()):
        raise Trouble("a window failed")
    return found[0], found[1]


def measure_round(pair, seconds):
    """{own: percent more CPU per operation, core: of a core, told: by the report, which knows of the stops, too}"""
    before = windows(pair, seconds)
    hunt = Hunt(pair[0].pid, [])
    try:
        hunted = windows(pair, seconds)
    finally:
        outcome = hunt.stop()
    own = 100 * (hunted[0].cpu_us / hunted[1].cpu_us * before[1].cpu_us / before[0].cpu_us - 1)
    return {"own": own, "core": own * hunted[0].cpu_percent / 100, "told": outcome["overhead_percent"]}


def measure(target, options):
    """Rounds of both parts, as a list."""
    everywhere = os.sched_getaffinity(0)
    first, others = min(everywhere), everywhere - {min(everywhere)}
    rounds = []
    if not others:
        raise Trouble("there is only one CPU")
    try:
        bind({first})
        with target.start() as a, target.start() as b:
            bind(others)
            windows((a, b), 1)
            for _ in range(options.rounds):
                for pair in ((a, b), (b, a)):
                    rounds.append(measure_round(pair, options.seconds))
    finally:
        bind(everywhere)
    return rounds


def error_of(values):
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")


def rows_twin(table, options):
    options.seconds, options.rounds = max(10, options.seconds), max(3, options.rounds)
    for target in TARGETS:
        if target.name not in {chosen.name for chosen in options.target_list}:
            continue
        table.title(f"A hunt, two copies on one CPU: {target.title}")
        reason = target.skip()
        try:
            rounds = [] if reason else measure(target, options)
        except Trouble as trouble:
            rounds, reason = [], str(trouble)
        for key, name, goal in (("core", "CPU that it takes of the target, of a core", 2), ("told", "as the report tells it, with the stops", None),
                                ("own", "of the CPU that the target has", None)):
            values = [one[key] for one in rounds]
            note = f"mean {statistics.mean(values):.2f} +- {error_of(values):.2f}" if values else reason
            table.add(name, values, "%", goal, note)
