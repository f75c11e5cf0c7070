#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What tracing costs a target and us, and what it finds out, paired with the target's own pace in one run.

usage: sudo make bench [ARGS='--quick --targets loop-1m-1,python --tools exact,heaptrack --peer "CMD {pid}" --json FILE']

The table holds scan, budget (a hunt as it is by default) and exact (hunt --exact) beside the same target without a tool,
and other tools where they are installed: on a few of the targets, or on those that --targets names. Windows with a tool
and without it take turns (A B B A), so that a slow phase of the machine meets both. CPU figures bear other load, times
want a quiet machine. To tell 2 % on any: --rows twin.

--rows   main      the table; the only one by default, all means these too:
         twin      CPU that a hunt takes of its target, to some tenths of a percent: two copies on one CPU
         pair      a malloc+free pair in exact mode with full stacks: 1 and 2 threads, 5 and 32 frames
         peer      bcc memleak in holdfast's place, and each --peer ({pid}: the target's)
         parts     a trap by kind of instruction and link, a ring event (tests/bench/bench_traps.c)
         programs  our BPF programs' own time by depth of stack, and what the parts add up to
         ring      events a second that are taken in: from a recording, and live with 2 busy threads
         ledger    ns per pair and bytes per live block (tests/bench/bench_ledger.c)
         attach    from the start of a hunt to the probes; the target's longest stall at both ends
         report    from the stop to the written report at 1 M live blocks, by parts
         agent     memory and CPU of the agent with 200 idle processes, and with 20 traced ones (10 minutes)
         scan      how long a look at a heap stops it, by size (tests/bench/bench_heap.c)
"""
import argparse
import json
import os
import signal
import sys

sys.dont_write_bytecode = True
import agent  # noqa: E402
import parts  # noqa: E402
import twin  # noqa: E402
from matrix import Matrix  # noqa: E402
from targets import all_targets  # noqa: E402
from tools import all_tools  # noqa: E402

ROWS = {"twin": twin.rows_twin, **parts.ROWS, **agent.ROWS}
QUICK_TARGETS = "loop-10k-1,loop-1m-2,loop-max-1,loop-1m-1-hot,redis-jemalloc-16,python"
QUICK_PEERS = ("heaptrack", "jemalloc prof")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="of one window (1.25)")
    parser.add_argument("--rounds", type=int, help="of A B B A (1; of the other rows 2)")
    parser.add_argument("--patience", type=float, help="seconds to wait for a leak's name (12)")
    parser.add_argument("--targets", metavar="NAME,...", help="only these: a name, or how it begins with a - at the end")
    parser.add_argument("--tools", metavar="NAME,...", help="only these")
    parser.add_argument("--rows", default="main", metavar="NAME,...", help="main, all, or those above")
    parser.add_argument("--peer", action="append", default=[], metavar="CMD", help="another tool that attaches")
    parser.add_argument("--quick", action="store_true", help="in two minutes: fewer targets, with a wider spread")
    parser.add_argument("--list", action="store_true", help="names of targets and tools, and what is missing for them")
    parser.add_argument("--json", metavar="FILE", help="the same for programs")
    options = parser.parse_args()
    options.part_seconds = options.seconds or (0.4 if options.quick else 1)
    options.part_rounds = options.rounds or (1 if options.quick else 2)
    options.seconds = options.seconds or (1 if options.quick else 1.25)
    options.rounds = options.rounds or 1
    options.patience = options.patience if options.patience is not None else (6 if options.quick else 12)
    if options.rows == "all":
        options.rows = ",".join(["main", *ROWS])
    choose(parser, options)
    return options


def choose(parser, options):
    """options.target_list, tool_list; what is named must be there."""
    unknown = set(options.rows.split(",")) - {"main", *ROWS}
    if unknown:
        parser.error(f"no rows {', '.join(sorted(unknown))}: there are main, {', '.join(ROWS)}")
    targets, tools = all_targets(), all_tools(options.peer)
    options.chosen_targets = options.targets is not None
    options.chosen_tools = options.tools.split(",") if options.tools else []
    words = (options.targets or (QUICK_TARGETS if options.quick else "")).split(",")
    options.target_list = [target for target in targets if words == [""] or any(
        target.name == word or (word.endswith("-") and target.name.startswith(word)) for word in words)]
    options.tool_list = [tool for tool in tools if is_chosen(options, tool)]
    for word in words:
        if word and not any(target.name.startswith(word) for target in options.target_list):
            parser.error(f"no target {word}: --list has them")
    for word in options.chosen_tools:
        if word not in {tool.name for tool in tools}:
            parser.error(f"no tool {word}: there are {', '.join(tool.name for tool in tools)}")


def is_chosen(options, tool):
    """A --peer always is."""
    if tool.name in options.chosen_tools or tool.by_user:
        return True
    return not options.tools and (not options.quick or tool.ours or tool.name in QUICK_PEERS)


def show_list(options):
    for title, things in (("targets", options.target_list), ("tools", options.tool_list)):
        print(title)
        for thing in things:
            reason = thing.skip() if title == "targets" else thing.skip(options.target_list[0])
            print(f"  {thing.name:<24}{getattr(thing, 'title', '')}{'  (' + reason + ')' if reason else ''}")


def run_main(options):
    matrix = Matrix(options)
    matrix.head()
    for target in options.target_list:
        matrix.add_target(target, options.tool_list)
    matrix.legend()
    return matrix.rows


def run_parts(options, names):
    table = parts.Table()
    options.seconds, options.rounds = options.part_seconds, options.part_rounds
    for name in names:
        ROWS[name](table, options)
    return table.rows


def main():
    options = parse_options()
    if options.list:
        show_list(options)
        return
    if os.geteuid():
        sys.exit("bench: needs root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"kernel {os.uname().release}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    if os.getloadavg()[0] > 0.5:
        print("other programs are running: times will be too long, and spread")
    names = options.rows.split(",")
    result = {"schema": "holdfast.bench/1", "kernel": os.uname().release, "cpus": os.cpu_count(),
              "load": os.getloadavg()[0], "seconds": options.seconds, "rounds": options.rounds}
    result["main"] = run_main(options) if "main" in names else []
    result["rows"] = run_parts(options, [name for name in names if name != "main"])
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump(result, f, indent=1)


main()
