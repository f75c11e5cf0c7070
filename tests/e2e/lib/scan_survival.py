#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at a process that counts, and does harm to those who look: scan_survival.py SCAN_LOOP TARGET [CYCLES]

In each cycle one of parent, guard and worker gets SIGKILL, SIGSTOP or SIGTSTP at a random moment, mostly while the
target is stopped. Afterwards, within a second, the target runs (state not t or T), has no tracer, and goes on counting.
Exit 0 if it always did; what went wrong, and a line of counts, are on stdout.
"""
import collections
import os
import random
import signal
import subprocess
import sys
import time

HARM = (signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP)
PATIENCE = 3 * float(os.environ.get("HF_TEST_PATIENCE", "1"))


def status(pid, key):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(line.split()[1] for line in file if line.startswith(key + ":"))


def child_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
            words = file.read().split()
        return int(words[0]) if words else 0
    except OSError:
        return 0


def goes_on(target):
    """None, or what is wrong with it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        wrong = None
        if status(target.pid, "State") in "tT":
            wrong = "it stands"
        elif status(target.pid, "TracerPid") != "0":
            wrong = "it has a tracer"
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(0.002)


def progress(target):
    """Lines that the target has written; it writes one each millisecond."""
    target.stdin.write(b"?\n")
    target.stdin.flush()
    return int(target.stdout.readline())


def wait_for_family(loop):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        guard = child_of(loop.pid)
        worker = child_of(guard) if guard else 0
        if worker:
            return [loop.pid, guard, worker]
    return None


def wait_for_stop(target):
    """Most harm is done while it is stopped; it may be over by the time we see it."""
    deadline = time.monotonic() + random.uniform(0, 0.05)
    while time.monotonic() < deadline:
        if status(target.pid, "TracerPid") != "0":
            time.sleep(random.uniform(0, 0.003))
            return True
    return False


def cycle(options, target, counts):
    with subprocess.Popen([options[0], str(target.pid), "50"], stdout=subprocess.DEVNULL) as loop:
        harmed = 0
        try:
            family = wait_for_family(loop)
            if not family:
                return "no worker came"
            time.sleep(random.uniform(0, 0.02))
            family = wait_for_family(loop) or family
            role, what = random.randrange(3), random.choice(HARM)
            counts["stopped"] += wait_for_stop(target)
            harmed = family[role]
            try:
                os.kill(harmed, what)
            except ProcessLookupError:
                harmed = 0
                counts["missed"] += 1
            counts[what.name] += 1
            # Of a parent that lives on, scans follow each other: between two of them it is let go.
            if role == 2 or what != signal.SIGKILL:
                time.sleep(0.3)
                loop.kill()
            wrong = goes_on(target)
            return wrong and f"{what.name} to {('parent', 'guard', 'worker')[role]}: {wrong}"
        finally:
            loop.kill()
            if harmed:
                try:
                    os.kill(harmed, signal.SIGKILL)
                except ProcessLookupError:
                    pass


def main(argv):
    cycles = int(argv[3]) if len(argv) > 3 else 30
    seed = int(os.environ.get("SEED", time.time_ns()))
    random.seed(seed)
    counts = collections.Counter()
    with subprocess.Popen([argv[2]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as target:
        before = progress(target)
        for number in range(cycles):
            wrong = cycle(argv[1:], target, counts)
            now = progress(target)
            if not wrong and now <= before:
                wrong = "it makes no progress"
            if wrong:
                print(f"cycle {number}, seed {seed}: {wrong}")
                target.kill()
                return 1
            before = now
        target.kill()
    print(f"{cycles} cycles:", ", ".join(f"{key} {value}" for key, value in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
