#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent for a long time, with targets that come and go: what it takes must not grow.

usage: soak.py [MINUTES]     (120)

Twenty processes of mixed rates are traced all the time; each 15 seconds one of them ends, and another begins. The first third
is for warming up (caches fill, the store grows to its pages); the median of the last third must not be above that of
the second by more than is stated below. Prints a line a minute; exit 1: something grew.
"""
import collections
import os
import statistics
import sys
import time

sys.dont_write_bytecode = True
from agent import Busy, fleet, renew, targets, weigh  # noqa: E402
from common import list_dir, read_text  # noqa: E402

COUNT = 20
RENEW_S = 15
WEIGH_S = 5
# By so much the last third may lie above the second one: chance, and what of them is just looking up names.
MAY_GROW = {"own": 1.5, "pss": 5, "own_fds": 10, "kernel": 4}  # MiB; descriptors


def thirds(samples, key):
    third = len(samples) // 3
    return [statistics.median(sample[key] for sample in samples[third * i:third * (i + 1)]) for i in range(3)]


def judge(samples):
    """The lines, and whether all is well."""
    well = True
    for key, room in MAY_GROW.items():
        first, second, last = thirds(samples, key)
        grew = last > second + room
        well &= not grew
        print(f"{key:<8} {first:8.1f} {second:8.1f} {last:8.1f}   may grow by {room:g}{'  GREW' if grew else ''}")
    return well


def left_behind():
    """Jobs that nobody owns any more."""
    return [pid for pid in list_dir("/proc") if pid.isdigit() and read_text(f"/proc/{pid}/comm").startswith("holdfast-job")
            and read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()[1:2] == ["1"]]


def soak(minutes):
    before, samples, number = set(left_behind()), [], COUNT
    with fleet(Busy, COUNT, mode="advanced", budget="1%", sampling_interval=5) as (agent, processes, program):
        began = renewed = told = time.monotonic()
        while time.monotonic() - began < minutes * 60:
            time.sleep(WEIGH_S)
            samples.append(weigh(agent))
            if time.monotonic() - renewed >= RENEW_S:
                renewed, number = time.monotonic(), number + 1
                renew(processes, program, number)
            if time.monotonic() - told >= 60:
                told = time.monotonic()
                mean = collections.Counter()
                for sample in samples[-60 // WEIGH_S:]:
                    mean.update(sample)
                text = " ".join(f"{key} {value / min(len(samples), 60 // WEIGH_S):.1f}" for key, value in mean.items())
                print(f"{(told - began) / 60:5.0f} min, {number - COUNT} came: {text}, traced {targets(agent, 'traced')}", flush=True)
    print(f"\n{'median':<8} {'first':>8} {'second':>8} {'last':>8}   third")
    well = judge(samples)
    left = set(left_behind()) - before
    if left:
        print(f"left behind: {', '.join(sorted(left))}")
    return well and not left


def main():
    if os.geteuid():
        sys.exit("needs root: sudo make soak ARGS='agent 120'")
    sys.exit(0 if soak(float(sys.argv[1]) if len(sys.argv) > 1 else 120) else 1)


main()
