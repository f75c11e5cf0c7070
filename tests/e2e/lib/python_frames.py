#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stacks of Python as holdfast tells them, held against faulthandler's: how often each was met, by file, line and function.

usage: python_frames.py --holdfast PATH [--rounds N] -- INTERPRETER [ARGUMENT ...]    (the program to run comes last by itself)

Prints how many allocations and distinct stacks were compared. Exit 1 if fewer than 99.5 % of the allocations had the stack
that faulthandler wrote at the same line, or if one has a stack that was never written. Code that is made from a string and run
once may have no name, but none that is wrong.
"""
import argparse
import collections
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import talk  # noqa: E402

PROGRAM = os.path.join(HERE, "../../targets/python_frames.py")
FRAME = re.compile(r'  File "(.*)", line (\d+) in (.*)')
SAME = 0.995


def truths(folder):
    """(file, line, function) leaf first -> how often; without note()'s own frame, and without the thread's name."""
    found = collections.Counter()
    for name in os.listdir(folder):
        if not name.endswith(".stacks"):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            for text in file.read().split("\n\n"):
                frames = [FRAME.match(line).groups() for line in text.splitlines() if line.startswith("  File")]
                if frames:
                    assert frames[0][2] == "note", frames[0]
                    found[tuple((name, int(line), function) for name, line, function in frames[1:])] += 1
    return found


def told(report):
    """The same of the sites that allocate() calls malloc at."""
    found = collections.Counter()
    for site in report["sites"]:
        frames = [report["frames"][index] for index in site["stack"]]
        python = tuple((frame["file"], frame["line"], frame["function"].rpartition(".")[2])
                       for frame in frames if frame["kind"] == "python")
        # What malloc itself is called by: not what Python needs for its own objects on the same line.
        if python and python[0][2] == "allocate" and "ffi" in " ".join(
                frame["module"] for frame in frames[:4] if frame["kind"] != "python"):
            found[python] += site["allocs"]
    return found


def hunt(options, folder):
    target = talk.Target([*options.command, PROGRAM, folder, str(options.rounds)])
    report = os.path.join(folder, "report.json")
    tracer = None
    try:
        target.lines.find(lambda line: line.startswith("ready"), 60)
        tracer = subprocess.Popen(
            [options.holdfast, "hunt", str(target.pid), "--exact", "--for", "120s", "--log-level", "info",
             "--json", report, "--html", "/dev/null"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = talk.Lines(tracer.stderr)
        said.find(lambda line: "attached pid" in line, 90)
        target.process.stdin.write("go\n")
        target.lines.find(lambda line: line == "done", 100)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(60)
    finally:
        for process in (tracer, target.process):
            if process:
                process.kill()
                process.wait()
    with open(report, encoding="utf-8") as file:
        return json.load(file)


def describe(stack):
    return " < ".join(f"{function} {os.path.basename(file)}:{line}" for file, line, function in stack[:8]) + \
        (f" < ... of {len(stack)}" if len(stack) > 8 else "")


def is_made(stack):
    """Code that was made from a string, and may be gone before anybody reads its name."""
    return any(file == "<string>" for file, _, _ in stack)


def fits(stack, truth):
    """The same, but for frames of made code that have no name."""
    return len(stack) == len(truth) and all(
        one == other or one == ("", 0, "") and other[0] == "<string>" for one, other in zip(stack, truth))


def compare(wanted, found):
    kept = collections.Counter({stack: count for stack, count in wanted.items() if not is_made(stack)})
    same = sum((kept & found).values())
    unknown = [stack for stack in found if stack not in wanted]
    wrong = [stack for stack in unknown if not any(fits(stack, truth) for truth in wanted)]
    print(f"{sum(wanted.values())} allocations by {len(wanted)} stacks of Python, {sum(found.values())} told; of {sum(kept.values())} by "
          f"functions that stay {same} with the same stack; {sum(found[stack] for stack in unknown)} of the others without a name, "
          f"{sum(found[stack] for stack in wrong)} wrong")
    for stack in wrong[:5]:
        print(f"never written: {describe(stack)}")
    for stack, count in list((kept - found).items())[:5]:
        print(f"told {count} times less than written: {describe(stack)}")
    return same >= SAME * sum(kept.values()) and not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--holdfast", required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdfast-python.") as folder:
        report = hunt(options, folder)
        return 0 if compare(truths(folder), told(report)) else 1


if __name__ == "__main__":
    sys.exit(main())
