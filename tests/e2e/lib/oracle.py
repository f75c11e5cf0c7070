#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds a truth program against an independent count, without holdfast (oracle_preload.c).

usage: oracle.py TARGETS_DIR PROGRAM [ARGUMENT ...] [--after=SECONDS]

--after: an endless program, which gets the line stop after so many seconds.
"""
import bisect
import json
import os
import subprocess
import sys
import tempfile
import time

import compare
import talk


class Symbols:
    """Names by nm, per module."""

    def __init__(self, program):
        self.program = program
        self.tables = {}

    def table(self, module):
        if module not in self.tables:
            path = self.program if module == "/proc/self/exe" else module
            rows = self.read(path, []) or self.read(path, ["-D"])
            self.tables[module] = sorted(rows)
        return self.tables[module]

    @staticmethod
    def read(path, options):
        output = subprocess.run(["nm", "-CS", "--defined-only", *options, path],
                                capture_output=True, text=True, check=False).stdout
        fields = (line.split(" ", 3) for line in output.splitlines())
        return [(int(row[0], 16), int(row[1], 16), row[3]) for row in fields
                if len(row) == 4 and len(row[1]) == 16 and row[2] in "tTwWi"]

    def name(self, module, address):
        if not module:
            return None
        table = self.table(module)
        at = bisect.bisect_right(table, (address, sys.maxsize, "")) - 1
        if at >= 0 and address < table[at][0] + table[at][1]:
            return table[at][2]
        return None


def name_frames(report, symbols):
    """raw_sites with frames in place -> frames[] and sites[] as in a report."""
    report["frames"], report["sites"] = [], []
    index = {}
    for site in report.pop("raw_sites"):
        stack = []
        for frame in site["stack"]:
            key = (frame["module"], frame["address"])
            if key not in index:
                index[key] = len(report["frames"])
                report["frames"].append({"function": symbols.name(*key), **frame})
            stack.append(index[key])
        report["sites"].append({**site, "stack": stack})
    return report


def run(directory, program, arguments, after):
    path = os.path.join(directory, program)
    with tempfile.TemporaryDirectory() as scratch:
        env = dict(os.environ, ORACLE_OUT=os.path.join(scratch, "oracle"),
                   LD_PRELOAD=os.path.abspath(os.path.join(directory, "oracle_preload.so")))
        target = talk.Target([path, *arguments], env=env)
        target.wait_ready()
        if after:
            time.sleep(0.1)
            target.say("go")
            time.sleep(after)
            target.say("stop")
            line = target.lines.find(lambda text: text.startswith("{\"pid\""), 60)
            truths = [json.loads(line)]
        else:
            truths = target.run(300)
        report = compare.read_report(f"{env['ORACLE_OUT']}.{target.pid}")
        status = target.end()
    return name_frames(report, Symbols(path)), truths, status


def main(argv):
    after = next((float(a.split("=")[1]) for a in argv if a.startswith("--after=")), 0)
    words = [a for a in argv[1:] if not a.startswith("--after=")]
    if len(words) < 2:
        sys.stderr.write(__doc__)
        return 64
    report, truths, status = run(words[0], words[1], words[2:], after)
    # The oracle counts only the process that was started, only malloc, and no mapping.
    truths = [{**truth, "mappings": [],
               "sites": [site for site in truth["sites"] if site["allocator"] == "malloc"]}
              for truth in truths if truth["final"]]
    differences = compare.compare(report, truths)
    for difference in differences:
        print(difference)
    verdict = "DIFFERS" if differences or status else "equal"
    print(f"{words[1]}: {verdict}, exit {status}, {compare.summary(truths)}")
    return 1 if differences or status else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
