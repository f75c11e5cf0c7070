#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Paired benchmarks: what tracing costs the target, and what it costs us.

usage: sudo make bench [ARGS='--seconds 3 --rounds 3 --peer "CMD {pid}" --json FILE']

Each line is a pair measured in one run in the order A B B A (A: untraced, B: traced), so that a slow
phase of the machine meets both. Figures are CPU time of the target per malloc+free pair, read from
/proc, so other load on the machine widens the spread but does not move the ratio. --peer runs another
tool in B's place as well: {pid} in its command line is replaced by the target's.
"""
import argparse
import json
import os
import re
import shlex
import signal
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOLDFAST = os.path.join(ROOT, "holdfast")
TARGETS = os.path.join(os.environ.get("O", os.path.join(ROOT, ".output")), "targets")
TICKS = os.sysconf("SC_CLK_TCK")


class Churn:
    """One run of the target churn; counts pairs and CPU seconds between two looks."""

    def __init__(self, threads, depth):
        self.process = subprocess.Popen(
            [os.path.join(TARGETS, "churn"), f"--threads={threads}", f"--depth={depth}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.process.stdout.readline()
        self.say("go")
        time.sleep(0.2)

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def look(self):
        self.say("stat")
        pairs = json.loads(self.process.stdout.readline())["pairs"]
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return pairs, (int(fields[11]) + int(fields[12])) / TICKS

    def ns_per_pair(self, seconds):
        pairs, cpu = self.look()
        time.sleep(seconds)
        pairs_after, cpu_after = self.look()
        done = pairs_after - pairs
        return (cpu_after - cpu) / done * 1e9 if done else float("nan")

    def end(self):
        self.process.kill()
        self.process.wait()


def start_holdfast(pid, extra):
    tool = subprocess.Popen(
        [HOLDFAST, "hunt", str(pid), "--exact", "--for", "600s", "--quiet", "--log-level", "info",
         "--json", "/dev/null", "--html", "/dev/null", *extra],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    line = tool.stderr.readline()
    if "attached" not in line:
        sys.exit(f"bench: holdfast did not attach: {line}")
    return tool, float(re.search(r"in ([0-9.]+) ms", line).group(1))


def start_peer(pid, command):
    tool = subprocess.Popen(shlex.split(command.replace("{pid}", str(pid))),
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(3)
    return tool, float("nan")


def stop(tool):
    tool.send_signal(signal.SIGINT)
    try:
        tool.wait(30)
    except subprocess.TimeoutExpired:
        tool.kill()
        tool.wait()


def pair(threads, depth, options, start):
    """A B B A, rounds times: lists of ns per pair, and the attach times in ms."""
    base, traced, attach = [], [], []
    target = Churn(threads, depth)
    try:
        for _ in range(options.rounds):
            base.append(target.ns_per_pair(options.seconds))
            tool, attach_ms = start(target.process.pid)
            attach.append(attach_ms)
            traced.append(target.ns_per_pair(options.seconds))
            traced.append(target.ns_per_pair(options.seconds))
            stop(tool)
            base.append(target.ns_per_pair(options.seconds))
    finally:
        target.end()
    return base, traced, attach


def spread(values):
    return f"{min(values):.0f}-{max(values):.0f}"


def report_pair(name, threads, depth, options, start):
    base, traced, attach = pair(threads, depth, options, start)
    low, high = statistics.median(base), statistics.median(traced)
    row = {"tool": name, "threads": threads, "frames": depth, "base_ns": low, "traced_ns": high,
           "ratio": high / low, "cost_ns": high - low, "attach_ms": statistics.median(attach)}
    print(f"{name:<22} {threads:>7} {depth:>6} {low:>8.0f} {high:>9.0f} {high / low:>7.1f} "
          f"{(high - low) / 1000:>8.2f} {spread(traced):>13} {row['attach_ms']:>9.1f}", flush=True)
    return row


def run_programs():
    """The benches of single parts: each program prints its own lines."""
    folder = os.path.join(os.environ.get("O", os.path.join(ROOT, ".output")), "tests", "bench")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            print(f"\n{name}", flush=True)
            subprocess.run([path], check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", action="append", default=[], metavar="CMD")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if os.geteuid():
        sys.exit("bench: needs root")
    print(f"{'tool':<22} {'threads':>7} {'frames':>6} {'base ns':>8} {'traced ns':>9} {'ratio':>7} "
          f"{'cost us':>8} {'spread ns':>13} {'attach ms':>9}")
    rows = []
    for threads, depth in ((1, 5), (1, 27), (2, 5)):
        rows.append(report_pair("holdfast exact", threads, depth, options,
                                lambda pid: start_holdfast(pid, [])))
        rows.append(report_pair("holdfast no faults", threads, depth, options,
                                lambda pid: start_holdfast(pid, ["--faults", "off"])))
        for command in options.peer:
            rows.append(report_pair(os.path.basename(command.split()[0]), threads, depth, options,
                                    lambda pid, c=command: start_peer(pid, c)))
    run_programs()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump(rows, f, indent=1)


main()
