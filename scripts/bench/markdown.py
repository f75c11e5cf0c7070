#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""README's tables from the bench's JSON:
make bench ARGS='--json FILE' && /usr/bin/python3 scripts/bench/markdown.py FILE
"""
import json
import sys

sys.dont_write_bytecode = True
from common import digits, duration  # noqa: E402
from targets import all_targets  # noqa: E402

OURS = ("scan", "budget", "exact")


def speed(rate):
    """1.00 M, 58.3 k, 1.24 operations a second."""
    for factor, unit in ((1e6, " M"), (1e3, " k")):
        if rate >= factor:
            return digits(rate / factor) + unit
    return digits(rate)


def time_of(us):
    return duration(us).replace("us", "µs")


def costs(row):
    """-79 % · 4.3 µs · p99 6.7 µs: throughput, CPU of an operation, latency."""
    change = f"{row['change_percent']['median']:+.0f} %".replace("-0 %", "0 %").replace("+0 %", "0 %").replace("-", "−")
    parts = [change] + ([time_of(row["cpu_us"])] if row["cpu_us"] else [])
    return " · ".join(parts + ([f"p99 {time_of(row['p99_us'])}"] if row["p99_us"] else []))


def found(row):
    """2.1 s, 139/0: when the leak had its name, and blocks rightly and wrongly called lost."""
    if not row["named_of"][1]:
        return ""
    name = f"{digits(row['named_s']['median'])} s" if row["named_s"] else "not named"
    return f"{name}, {row['right']}/{row['wrong']}"


def cell(row):
    if not row:
        return ""
    if row["rate"] is None or not row["change_percent"]:
        return "–"
    lost = f"{row['lost_events']:,} events lost" if row["lost_events"] else ""
    return "<br>".join(text for text in (costs(row), found(row), lost) if text)


def base_of(rows):
    for row in rows.values():
        base = row["base"]
        if base["rate"]:
            return f"{speed(base['rate'])}/s" + (f" · {time_of(base['cpu_us'])}" if base["cpu_us"] else "") + (
                f" · p99 {time_of(base['p99_us'])}" if base["p99_us"] else "")
    return "–"


def by_target(rows):
    found_rows = {}
    for row in rows:
        found_rows.setdefault(row["target"], {})[row["tool"]] = row
    return found_rows


def is_exact_anyway(tool, rows):
    """A budget that was kept nowhere is no column."""
    return tool == "budget" and all(tools.get(tool, {}).get("mode") in (None, "exact") for tools in rows)


def line(cells):
    print("| " + " | ".join(cells) + " |")


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        result = json.load(f)
    titles = {target.name: target.title for target in all_targets()}
    rows = by_target(result["main"])
    ours = [tool for tool in OURS if not is_exact_anyway(tool, rows.values())]
    line(["target", "alone", *ours])
    line(["---"] * (2 + len(ours)))
    for name, tools in rows.items():
        line([titles[name], base_of(tools), *(cell(tools.get(tool)) for tool in ours)])
    peers = list(dict.fromkeys(row["tool"] for row in result["main"] if row["tool"] not in OURS and row["rate"] is not None))
    where = [name for name, tools in rows.items() if any(peer in tools for peer in peers)]
    if not peers:
        return
    print()
    line(["tool", *(titles[name] for name in where)])
    line(["---"] * (1 + len(where)))
    for peer in peers:
        line([peer, *(cell(rows[name].get(peer)) for name in where)])


main()
