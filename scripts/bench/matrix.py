# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of targets and tools: windows without and with the tool in the order A B B A, within one run.

A tool that attaches meets one process, and a window without it follows each: A B B A C C A. Each window with it is held
against the one without it beside it. The tool has attached before its windows begin; the whole run is its life, from its
start to its end, attaching and detaching included. Loops that leak go on until the leak has its name, or patience ends.
"""
import statistics
import tempfile
import time

from common import Trouble, cpu_seconds, digits, duration, tree_of
from tools import right_and_wrong

WIDTHS = (20, 11, 14, 7, 9, 16, 9, 9, 10, 9, 9, 8, 13, 10)
HEADS = ("", "ops/s", "change, %", "CPU %", "CPU/op", "change, %", "p50", "p99", "our CPU %", "our MiB", "whole, %",
         "name s", "right/wrong", "lost")
LEGEND = """ops/s, CPU of the target in % of a core, CPU per operation, latency of an operation: medians of the windows
change   against the windows without the tool beside it: median, and half the way from the lowest to the highest
our      CPU in % of a core during the windows; memory at most, with the kernel's for BPF maps (a tool inside: what the target grew by)
whole    change of the throughput from the tool's start to its end, attaching and detaching included
name     from the tool's start until it said the name of the function that leaks
right/wrong   lost blocks that the report ascribes to stacks with that function, and to others
lost     events that were not seen"""


class Samples:
    """What was measured of one tool on one target."""

    def __init__(self):
        self.bare, self.traced = [], []  # of the same index: beside each other
        self.our_cpu, self.our_bytes = [], []
        self.whole, self.whole_s, self.named = [], [], []
        self.right = self.wrong = self.leaked = None
        self.lost = self.mode = None
        self.notes = []

    def add_pair(self, bare, traced):
        self.bare.append(bare)
        self.traced.append(traced)

    def add_outcome(self, outcome, function):
        if "lost_events" in outcome:
            self.lost = (self.lost or 0) + outcome["lost_events"]
        if "findings" in outcome and function:
            right, wrong = right_and_wrong(outcome["findings"], function)
            self.right, self.wrong = (self.right or 0) + right, (self.wrong or 0) + wrong
        self.mode = outcome.get("mode", self.mode)
        if "note" in outcome:
            self.notes.append(outcome["note"])


def spread(values):
    """{median, low, high}, or None of nothing."""
    known = [value for value in values if value is not None]
    return {"median": statistics.median(known), "low": min(known), "high": max(known)} if known else None


def change(with_it, without):
    """In percent; None where there is nothing to compare."""
    return 100 * (with_it / without - 1) if without and with_it is not None else None


def figures(windows):
    """Medians of what the windows tell."""
    row = {}
    for name in ("rate", "cpu_percent", "cpu_us", "p50_us", "p99_us"):
        values = spread(getattr(window, name) for window in windows)
        row[name] = values["median"] if values else None
    return row


def row_of(target, tool, samples):
    pairs = list(zip(samples.bare, samples.traced))
    row = {"target": target.name, "tool": tool, **figures(samples.traced),
           "change_percent": spread(change(b.rate, a.rate) for a, b in pairs),
           "cpu_change_percent": spread(change(b.cpu_us, a.cpu_us) for a, b in pairs),
           "cpu_added_us": spread(b.cpu_us - a.cpu_us for a, b in pairs if a.cpu_us and b.cpu_us),
           "core_added_percent": spread(b.cpu_percent - a.cpu_percent for a, b in pairs),
           "base": figures(samples.bare), "windows": len(pairs),
           "our_cpu_percent": spread(samples.our_cpu), "our_bytes": max(samples.our_bytes, default=None),
           "whole_percent": spread(samples.whole), "whole_s": spread(samples.whole_s),
           "named_s": spread(samples.named), "named_of": [sum(s is not None for s in samples.named), len(samples.named)],
           "right": samples.right, "wrong": samples.wrong, "leaked": samples.leaked, "lost_events": samples.lost,
           "mode": samples.mode, "notes": samples.notes}
    return row


# --- measuring

def watch_name(attached, function, patience_s):
    """Seconds to the name; waits for it, but not for ever."""
    while attached.named_s(function) is None and attached.alive() and time.monotonic() < attached.began + patience_s:
        time.sleep(0.1)
    return attached.named_s(function)


def traced_window(running, attached, seconds, samples):
    """A window during which the tool was there. One that ends (its verdict is firm) ends the window; None: too early."""
    cpu, began = attached.cpu_seconds(), time.monotonic()
    window = running.window(seconds, attached.alive)
    spent, passed = attached.cpu_seconds() - cpu, time.monotonic() - began
    attached.note_memory()
    if not running.busy or attached.alive():
        samples.our_cpu.append(100 * spent / passed)
    return window if not running.busy or window.seconds > seconds / 2 else None


def traced_pair(running, tool, options, samples):
    """Two windows with the tool. A tool that has seen enough is started again."""
    windows, attempts, attached = [], 0, None
    seconds = max(options.seconds, tool.least_window_s)
    while len(windows) < 2:
        attempts += 1
        if attempts > 3:
            raise Trouble("it ended before a window did: " + attached.last_words())
        attached = tool.attach(running)
        try:
            running.settle()
            while len(windows) < 2 and attached.alive():
                window = traced_window(running, attached, seconds, samples)
                if window:
                    windows.append(window)
            if tool.names_leaks and running.function:
                samples.named.append(watch_name(attached, running.function, options.patience))
        finally:
            outcome = attached.stop()
            samples.our_bytes.append(attached.peak_bytes)
        samples.add_outcome(outcome, running.function)
    return windows


def measure_whole(running, tool, options, samples):
    """traced_pair(), and what the target did from the tool's start to its end."""
    if not running.busy:
        return traced_pair(running, tool, options, samples), None
    before, began = running.stat(), time.monotonic()
    windows = traced_pair(running, tool, options, samples)
    after, passed = running.stat(), time.monotonic() - began
    if tool.names_leaks and running.function:
        samples.leaked = (samples.leaked or 0) + after["leaked_blocks"] - before["leaked_blocks"]
    samples.whole_s.append(passed)
    return windows, (after["pairs"] - before["pairs"]) / passed


def measure_attaching(target, tools, options):
    """{tool: Samples}: all tools one after the other on one process."""
    found = {tool.name: Samples() for tool in tools}
    with target.start() as running:
        running.settle()
        bare = running.window(options.seconds)
        for tool in [tool for _ in range(options.rounds) for tool in tools]:
            samples = found[tool.name]
            try:
                windows, whole = measure_whole(running, tool, options, samples)
            except Trouble as trouble:
                samples.notes.append(str(trouble))
                continue
            finally:
                running.settle()
                after = running.window(options.seconds)
                bare, before = after, bare
            samples.add_pair(before, windows[0])
            samples.add_pair(after, windows[1])
            if whole is not None:
                samples.whole.append(change(whole, (before.rate + after.rate) / 2))
    return found


def measure_jobs(target, tool, options):
    """A target whose windows are processes of their own."""
    samples = Samples()

    def once(traced):
        with target.start() as running:
            if not traced:
                return running.window(options.seconds)
            attached = tool.attach(running)
            try:
                attached.note_memory()
                window = traced_window(running, attached, options.seconds, samples)
            finally:
                outcome = attached.stop()
            samples.our_bytes.append(attached.peak_bytes)
            samples.add_outcome(outcome, "")
            return window

    for _ in range(options.rounds):
        first, second, third, fourth = once(False), once(True), once(True), once(False)
        samples.add_pair(first, second)
        samples.add_pair(fourth, third)
    return samples


def measure_started(target, tool, options):
    """A tool under which the target is started: four processes, A B B A."""
    samples = Samples()

    def once(traced, folder):
        prefix, words = (tool.prefix(folder), tool.environment(folder)) if traced else ([], tool.base_environment())
        with target.start(prefix, words) as running:
            running.settle()
            beside = tree_of(running.process.pid, without=running.pid)
            cpu, began = cpu_seconds(beside), time.monotonic()
            window = running.window(options.seconds)
            spent, passed = cpu_seconds(beside) - cpu, time.monotonic() - began
            if traced:
                samples.our_cpu.append(100 * spent / passed)
            return window, running.rss_bytes()

    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            first, second, third, fourth = (once(traced, folder) for traced in (False, True, True, False))
            samples.add_pair(first[0], second[0])
            samples.add_pair(fourth[0], third[0])
            samples.our_bytes += [max(0, with_it[1] - without[1]) for without, with_it in
                                  ((first, second), (fourth, third)) if with_it[1] and without[1]]
    return samples


# --- showing

def cell(value):
    return "-" if value is None else digits(value)


def percent(values):
    return f"{values['median']:+.1f} ±{(values['high'] - values['low']) / 2:.1f}" if values else "-"


def time_cell(us):
    return "-" if us is None else duration(us)


def named(row):
    if not row["named_of"][1]:
        return "-"
    text = digits(row["named_s"]["median"]) if row["named_s"] else "no"
    return text if row["named_of"][0] in (0, row["named_of"][1]) else f"{text}*"


def cells_of(row):
    mebibytes = None if row["our_bytes"] is None else row["our_bytes"] / 1048576
    ascribed = "-" if row["right"] is None else f"{row['right']}/{row['wrong']}"
    return [row["tool"], cell(row["rate"]), percent(row["change_percent"]), cell(row["cpu_percent"]),
            time_cell(row["cpu_us"]), percent(row["cpu_change_percent"]), time_cell(row["p50_us"]),
            time_cell(row["p99_us"]), cell((row["our_cpu_percent"] or {}).get("median")), cell(mebibytes),
            f"{row['whole_percent']['median']:+.1f}" if row["whole_percent"] else "-", named(row), ascribed,
            "-" if row["lost_events"] is None else f"{row['lost_events']:,}"]


def show(cells):
    line = f"{cells[0]:<{WIDTHS[0]}}" + "".join(f"{text:>{width}}" for text, width in zip(cells[1:], WIDTHS[1:]))
    print("  " + line.rstrip(), flush=True)


def show_row(row):
    if row["rate"] is None:
        print(f"  {row['tool']:<{WIDTHS[0]}} {'; '.join(row['notes']) or 'nothing measured'}", flush=True)
        return
    show(cells_of(row))
    for note in row["notes"]:
        print(f"  {'':<{WIDTHS[0]}} {note}", flush=True)


def show_bare(windows):
    row = figures(windows)
    show(["none", cell(row["rate"]), "", cell(row["cpu_percent"]), time_cell(row["cpu_us"]), "",
          time_cell(row["p50_us"]), time_cell(row["p99_us"])])


def skipped_row(target, tool, reason):
    row = row_of(target, tool, Samples())
    row["notes"].append("skipped: " + reason)
    return row


class Matrix:
    """Rows as they come; rows is what programs get."""

    def __init__(self, options):
        self.options = options
        self.rows = []

    def add(self, row):
        self.rows.append(row)
        show_row(row)

    def tools_for(self, target, tools):
        """Those that can be; a row with the reason for each of the others."""
        chosen = []
        for tool in tools:
            if not (tool.ours or target.peers or self.options.chosen_targets):
                continue
            reason = tool.skip(target)
            if reason:
                self.add(skipped_row(target, tool.name, reason))
            else:
                chosen.append(tool)
        return chosen

    def add_target(self, target, tools):
        print(f"\n{target.title}  [{target.name}]", flush=True)
        reason = target.skip()
        if reason:
            self.add(skipped_row(target, "-", reason))
            return
        tools = self.tools_for(target, tools)
        try:
            self.add_attaching(target, [tool for tool in tools if tool.attaches])
            for tool in tools:
                if not tool.attaches:
                    self.add(row_of(target, tool.name, measure_started(target, tool, self.options)))
        except Trouble as trouble:
            self.add(skipped_row(target, "-", str(trouble)))

    def add_attaching(self, target, tools):
        if not tools:
            return
        if target.jobs:
            found = {tool.name: measure_jobs(target, tool, self.options) for tool in tools}
        else:
            found = measure_attaching(target, tools, self.options)
        bare = [window for samples in found.values() for window in samples.bare]
        if bare:
            show_bare(bare)
        for name, samples in found.items():
            self.add(row_of(target, name, samples))

    def head(self):
        show(HEADS)

    def legend(self):
        print("\n" + LEGEND, flush=True)
