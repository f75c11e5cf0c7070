#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Objects of a Python process as `holdfast scan` counts them from outside, held against what the process knows itself.

usage: python_census.py --holdfast PATH [--sessions N] -- INTERPRETER [ARGUMENT ...]    (the program to run comes last by itself)

Counts of tracked objects by type: within 0.1 % of gc.get_objects(). Bytes: what sys.getsizeof() tells, and the attributes' memory, which
it leaves out. Pools: equal to sys._debugmallocstats(). Holders of ten and more kinds of containers. Circles: as many as gc.collect()
then frees. Prints what was compared; exit 1 if anything differs.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "../../targets/python_objects.py")

HOLDERS = {
    "__main__.Session": "__main__.REGISTRY.by_id[*]",
    "__main__.InList": "__main__.ROWS[*]",
    "__main__.InSet": "__main__.UNIQUE[*]",
    "__main__.InDeque": "__main__.QUEUE[*]",
    "__main__.InAttribute": "__main__.BOX.inner.items[*]",
    "__main__.InClosure": "__main__.handler.<closure>.seen[*]",
    "__main__.InClass": "__main__.Session.all[*]",
    "__main__.InCache": "__main__.compute.<_lru_cache_wrapper>[*]",
    "__main__.InWeakTable": "__main__.STRONG[*]",
    "__main__.InExtension": "<native memory: [heap]>",
    "__main__.InLocal": "work().rows[*]",
    "__main__.InTuple": "__main__.TUPLE[*]",
    "__main__.InRecord": "__main__.SETTINGS['limits']['rows'][*]",
    "__main__.InGenerator": "__main__.GENERATOR.<generator>[*]",
}
# In the program's own bookkeeping these come and go.
RESTLESS = {"list", "dict", "tuple", "cell", "function", "builtin_function_or_method", "collections.Counter", "frame"}

wrong = []


def check(ok, what):
    if not ok:
        wrong.append(what)
        print("WRONG", what)


def pool_numbers(path):
    found = {}
    if not os.path.exists(path):
        return found
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if "bytes in available blocks" not in text:
        return found
    for title, key in (("bytes in allocated blocks", "pool_used_bytes"), ("bytes in available blocks", "pool_free_bytes"),
                       ("arenas allocated current", "arenas")):
        found[key] = int(re.search(re.escape(title) + r" *= *([\d,]+)", text).group(1).replace(",", ""))
    return found


def compare_counts(truth, types):
    compared = 0
    for name, count in truth["counts"].items():
        told = types.get(name, {"tracked": 0})["tracked"]
        slack = max(count * 0.001, 6 if name in RESTLESS else 0)
        # What is frozen is tracked, but not listed: of 3.12 tuples of its own.
        frozen = truth["frozen"] if name == "tuple" else 0
        check(count - slack <= told <= count + slack + frozen, f"{name}: {told} tracked objects, gc.get_objects() has {count}")
        compared += count
    return compared


def compare_sizes(truth, types):
    # Attributes of an instance, which sys.getsizeof() does not count: at most 30 names, 8 bytes each, and a head.
    for name, size in truth["sizes"].items():
        if name in RESTLESS or not name.startswith("__main__") or name not in types:
            continue
        told, count = types[name]["bytes"], types[name]["count"]
        check(size <= told <= size + 280 * count, f"{name}: {told} bytes, sys.getsizeof() has {size}")


def compare(truth, python, collected):
    types = {t["type"]: t for t in python["types"]}
    compared = compare_counts(truth, types)
    compare_sizes(truth, types)
    for key, value in truth["pools"].items():
        check(python[key] == value, f"{key}: {python[key]}, sys._debugmallocstats() has {value}")
    for name, path in HOLDERS.items():
        held = types.get(name, {"held_by": "(none)", "held_share": 0})
        check(held["held_by"] == path and held["held_share"] > 0.9, f"{name}: held by {held['held_by']}, truth {path}")
    circles = types["__main__.Circle"]
    check(circles["unreachable_count"] >= 3600, f"circles: {circles['unreachable_count']} of 4000 are unreachable")
    check(not circles["overcounted_count"], f"circles: {circles['overcounted_count']} overcounted")
    for name in ("__main__.Lost", "__main__.HeldByLost"):
        check(types[name]["overcounted_count"] >= 49, f"{name}: {types[name]['overcounted_count']} of 50 overcounted")
    unreachable = sum(t["unreachable_count"] for t in python["types"] if t["tracked"]) - python["overcounted_count"]
    check(unreachable <= collected, f"{unreachable} in circles, gc.collect() freed {collected}")
    others = [t["type"] for t in python["types"] if t["overcounted_count"] and t["type"] not in
              ("__main__.Lost", "__main__.HeldByLost", "dict")]
    check(not others, f"overcounted without reason: {others}")
    collector = python["collector"]
    check(collector["enabled"] == truth["enabled"], "gc is on or off")
    check([g["threshold"] for g in collector["generations"]] == truth["threshold"], "thresholds")
    check([g["collections"] for g in collector["generations"]] == [s["collections"] for s in truth["stats"]], "collections")
    return compared


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--holdfast", required=True)
    parser.add_argument("--sessions", type=int, default=20000)
    parser.add_argument("interpreter", nargs="+")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, pools = os.path.join(folder, "report.json"), os.path.join(folder, "pools")
        child = subprocess.Popen(options.interpreter + [PROGRAM, pools, str(options.sessions)], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        truth = json.loads(child.stdout.readline())
        child.stdin.write("\n")
        child.stdin.flush()
        while not pool_numbers(pools):
            time.sleep(0.05)
        truth["pools"] = pool_numbers(pools)
        subprocess.run([options.holdfast, "scan", str(child.pid), "--json", path, "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
    child.send_signal(signal.SIGUSR1)
    collected = int(child.stdout.readline())
    check(child.wait() == 0, "the program ended well")
    python = report["python"][0]
    check(python["complete"], f"complete: {python['reason']}")
    compared = compare(truth, python, collected)
    print(f"{compared} tracked objects of {len(truth['counts'])} types, {python['objects']} in all; stop {python['stop_ms']:.1f} ms; "
          f"{python['unreachable_count']} unreachable, {python['overcounted_count']} overcounted, gc.collect() {collected}; "
          f"{len(wrong)} wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
