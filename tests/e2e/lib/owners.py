#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds what, by rule, against the truth program's own account.

The hunt is drive.py's. Components are compared with the sites of the account (--part NAME=FUNCTION,...),
spans with its list "spans": [{"span", "key", "outstanding_bytes", "outstanding_count", ...}], components by thread with
its list "components": [{"name", "outstanding_bytes", "outstanding_count"}] (--about PERCENT: bytes so near to it, told as estimated).
Exit 0 if equal, else 1 with the differences on stdout.
"""
import argparse
import contextlib
import os
import sys
import tempfile

import drive
import talk

SPAN_NUMBERS = ("outstanding_bytes", "outstanding_count", "allocs", "alloc_bytes", "peak_bytes")


def component_differences(report, truth, parts):
    found = {c["name"]: c for c in report["components"]}
    for name, functions in parts.items():
        sites = [s for s in truth["sites"] if s["function"] in functions]
        for number in ("outstanding_bytes", "outstanding_count"):
            wanted = sum(s[number] for s in sites)
            if name not in found or found[name][number] != wanted:
                yield f"component {name}: {number} {found.get(name)}, truth {wanted}"
    held = sum(s["outstanding_bytes"] for s in report["sites"])
    total = sum(c["outstanding_bytes"] for c in report["components"])
    if not total == held == report["memory"]["heap_live_bytes"]:
        yield f"components {total}, sites {held}, heap {report['memory']['heap_live_bytes']}"


def thread_differences(report, truth, about):
    found = {c["name"]: c for c in report["components"]}
    for wanted in truth["components"]:
        c = found.get(wanted["name"])
        for number in ("outstanding_bytes", "outstanding_count"):
            off = abs(c[number] - wanted[number]) if c else None
            if off is None or off * 100 > about * wanted[number]:
                yield f"component {wanted['name']}: {number} {c}, truth {wanted}"
        if c and c["estimated"] != bool(about):
            yield f"component {wanted['name']}: estimated is {c['estimated']}"
    held = sum(s["outstanding_bytes"] for s in report["sites"])
    total = sum(c["outstanding_bytes"] for c in report["components"])
    if total != held:
        yield f"components {total}, sites {held}"


def managed_differences(report, truth):
    """What a component holds of blocks; what the interpreter maps on the way for its small objects is its, too."""
    found = {c["name"]: c["outstanding_bytes"] for c in report["components"]}
    mapped = sum(s["outstanding_bytes"] for s in report["sites"] if s["allocator"] == "mmap")
    for part in truth["managed"]:
        held = found.get(part["name"], 0)
        if not part["outstanding_bytes"] <= held <= part["outstanding_bytes"] + mapped:
            yield f"component {part['name']}: {held}, truth {part['outstanding_bytes']}, mapped {mapped}"


def span_differences(report, truth, ignored):
    found = {(s["span"], s["key"]): s for s in report["spans"] if s["key"] not in ignored}
    wanted = {(s["span"], s["key"]): s for s in truth["spans"]}
    for name in sorted(found.keys() - wanted.keys()):
        yield f"span {name}: the program knows of none; {found[name]}"
    for name in sorted(wanted):
        for number in SPAN_NUMBERS:
            if number not in wanted[name]:
                continue
            if name not in found or found[name][number] != wanted[name][number]:
                yield f"span {name}: {number} {found.get(name)}, truth {wanted[name]}"


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", action="append", default=[])
    parser.add_argument("--ignore-key", action="append", default=[])
    parser.add_argument("--about", type=float, default=0)
    parser.add_argument("--show", action="store_true")
    mine, rest = parser.parse_known_args(argv[1:])
    options = drive.parse(rest)
    options.mine = mine
    return options


def differences_of(options, report, truth):
    parts = dict(part.split("=", 1) for part in options.mine.part)
    parts = {name: functions.split(",") for name, functions in parts.items()}
    if options.mine.show:
        print(report["components"], *report.get("spans", []), *report["quality"]["notes"], sep="\n")
    yield from component_differences(report, truth, parts) if parts else ()
    yield from thread_differences(report, truth, options.mine.about) if "components" in truth else ()
    yield from managed_differences(report, truth) if "managed" in truth else ()
    yield from span_differences(report, truth, options.mine.ignore_key) if "spans" in truth else ()


def run(options, scratch):
    program = os.path.join(options.targets, options.program)
    command = [program, *options.arguments]
    if program.endswith(".py"):
        command.insert(0, "/usr/bin/python3")
    target = talk.Target(command)
    try:
        target.wait_ready()
        holdfast = drive.Holdfast(options, target.pid, scratch)
        with contextlib.ExitStack() as stack:
            stack.callback(holdfast.kill)
            holdfast.wait_attached(target.pid)
            truths = drive.run_target(options, target, holdfast)
            report = holdfast.stop_and_report()
    finally:
        target.end()
    return list(differences_of(options, report, truths[-1]))


def main(argv):
    options = parse(argv)
    with tempfile.TemporaryDirectory(prefix="holdfast-owners.") as scratch:
        try:
            differences = run(options, scratch)
        except (drive.Trouble, talk.Silence) as trouble:
            differences = [str(trouble)]
    print(*differences, f"{options.program}: {len(differences)} differences", sep="\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
