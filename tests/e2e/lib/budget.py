#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hunts bench_loop, in windows if it is fast, and holds the report against what the program tells of itself.

usage: budget.py HOLDFAST BENCH_LOOP SECONDS CHECK [ARGUMENT of bench_loop ...]
       budget.py HOLDFAST BENCH_LOOP TIMES killed [ARGUMENT of bench_loop ...]
"""
import json
import os
import subprocess
import sys
import tempfile
import time


class Loop:
    def __init__(self, program, *arguments):
        self.process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)
        self.process.stdout.readline()
        self.say("go")

    def say(self, word):
        self.process.stdin.write(word + "\n")

    def stat(self):
        self.say("stat")
        return json.loads(self.process.stdout.readline())


def functions(report, site):
    return [report["frames"][index]["function"] for index in site["stack"]]


def lost_by(report, function):
    """(lost blocks told of this function's stacks, of others' stacks, without a stack)"""
    right = wrong = bare = 0
    for finding in report["findings"]:
        names = [frame["function"] for frame in finding["stack"]]
        if not names:
            bare += finding["lost_count"]
        elif function in names:
            right += finding["lost_count"]
        else:
            wrong += finding["lost_count"]
    return right, wrong, bare


def in_windows(report, _truth, _passed):
    capture = report["capture"]
    assert capture["mode"] == "budget" and capture["windows"] >= 3, capture
    assert 0 < capture["duty"] < 0.5, capture
    assert capture["overhead_percent"] <= 1.1 * capture["budget_percent"], capture
    assert report["quality"]["lost_events"] == 0, report["quality"]


def leak(report, truth, passed):
    in_windows(report, truth, passed)
    function = truth["function"]
    right, wrong, bare = lost_by(report, function)
    print(f"{function}: {right} lost blocks told right, {wrong} wrong, {bare} without a stack")
    assert report["verdict"]["state"] == "leaking", report["verdict"]
    first = report["findings"][0]
    assert function in [frame["function"] for frame in first["stack"]], first
    assert wrong <= 0.02 * (right + wrong), (right, wrong)
    rate = 20 * 48
    assert 0.5 * rate < first["growth_bytes_per_second"] < 1.6 * rate, first


def exact(report, _truth, _passed):
    capture = report["capture"]
    assert capture["mode"] == "exact" and capture["duty"] == 1 and not capture["windows"], capture
    assert not any(site["estimated"] for site in report["sites"])


def estimates(report, _truth, passed):
    """Of a target that windows do not slow down."""
    in_windows(report, _truth, passed)
    told = sum(site["allocs"] for site in report["sites"] if site["estimated"])
    true = passed["rate"] * report["capture"]["duration_s"]
    print(f"{told / true:.2f} of the true allocations")
    assert 0.7 < told / true < 1.3, (told, true)
    assert report["verdict"]["state"] != "leaking", report["verdict"]


def code_changes(pid):
    """Bytes of its mapped code that are other than in their files: breakpoints."""
    changed = 0
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            fields = line.split()
            if "x" not in fields[1] or len(fields) < 6 or not fields[5].startswith("/"):
                continue
            start, end = (int(part, 16) for part in fields[0].split("-"))
            memory.seek(start)
            with open(fields[5], "rb") as file:
                file.seek(int(fields[2], 16))
                there, here = file.read(end - start), memory.read(end - start)
            changed += sum(1 for a, b in zip(there, here) if a != b)
    return changed


def kill_again_and_again(holdfast, loop, times):
    """At any moment of an attach, of windows, of their ends: the target goes on, and nothing is left in it."""
    for round_ in range(times):
        hunt = subprocess.Popen([holdfast, "hunt", str(loop.process.pid), "-q", "--json", "/dev/null",
                                 "--html", "/dev/null"], stderr=subprocess.DEVNULL)
        time.sleep(0.2 + 2.2 * (round_ * 0.618 % 1))
        hunt.kill()
        hunt.wait()
        time.sleep(0.3)
        assert loop.process.poll() is None, f"the target died in round {round_}"
    before = loop.stat()["pairs"]
    time.sleep(1)
    assert loop.stat()["pairs"] > before
    changed = code_changes(loop.process.pid)
    assert not changed, f"{changed} bytes of its code are not its own"


def main():
    holdfast, program, seconds, check, *arguments = sys.argv[1:]
    loop = Loop(program, *arguments)
    if check == "killed":
        try:
            return kill_again_and_again(holdfast, loop, int(seconds))
        finally:
            loop.process.kill()
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "r.json")
            before = loop.stat()
            hunt = subprocess.run([holdfast, "hunt", str(loop.process.pid), "--for", f"{seconds}s", "-q",
                                   "--json", path, "--html", "/dev/null"], stdin=subprocess.DEVNULL,
                                  check=False)
            assert hunt.returncode <= 2, hunt.returncode
            with open(path, encoding="utf-8") as file:
                report = json.load(file)
        truth = loop.stat()
    finally:
        loop.process.kill()
    arguments = dict(argument.lstrip("-").split("=", 1) for argument in arguments)
    passed = {"pairs": truth["pairs"] - before["pairs"], "rate": float(arguments.get("rate", 0))}
    globals()[check](report, truth, passed)


main()
