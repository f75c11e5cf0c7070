#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares a holdfast report with what a truth program says of itself (tests/targets/truth.h).

usage: compare.py REPORT.json TRUTH [--declared]   REPORT may be gzipped; TRUTH holds one line per process

A site of the report belongs to the first of its frames, leaf first, whose function the truth
declares; so frames of libc and libstdc++ on the way are passed over. Then bytes, blocks, calls and
frees must be equal, per process and function. A site without a declared function is a difference
too, unless one of its frames is tolerated. Each difference is a line; exit 1 if there is any.
--declared: others' sites are not looked at, for a program that was seen from its start on.

Whether what a child inherited by fork counts among the child's allocs is not laid down; both pass.
"""
import collections
import gzip
import json
import re
import sys

MAPPING_ALLOCATORS = {"mmap", "mremap", "brk", "sbrk", "mapping"}
FIELDS = ("outstanding_bytes", "outstanding_count", "allocs", "frees", "alloc_bytes")


def read_report(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    return json.loads(data)


def read_truths(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.startswith("{")]


def plain_name(function):
    """A function's name without arguments, return type, namespace and the compiler's suffixes."""
    name = re.sub(r"\.(cold|part|constprop|isra|lto_priv)\b.*$", "", function or "")
    name = re.sub(r"\(.*$", "", name)
    return name.split("::")[-1].split(" ")[-1]


def stack_names(report, site):
    return [plain_name(report["frames"][index].get("function")) for index in site["stack"]]


def first_of(names, wanted):
    return next((name for name in names if name in wanted), None)


def is_mapping(site):
    return site["allocator"] in MAPPING_ALLOCATORS


def sum_sites(report, truth, mappings):
    """What the report says: function -> field -> sum; and the sites that belong to no function."""
    declared = {entry["function"] for entry in truth["mappings" if mappings else "sites"]}
    sums = collections.defaultdict(collections.Counter)
    strays = []
    for site in report["sites"]:
        if site["pid"] != truth["pid"] or is_mapping(site) != mappings:
            continue
        names = stack_names(report, site)
        owner = first_of(names, declared)
        if owner:
            sums[owner].update({field: site[field] for field in FIELDS})
        elif not first_of(names, set(truth["tolerated"])):
            strays.append((site, names))
    return sums, strays


def accepted_values(entry, field):
    value = entry.get(field)
    if value is None:
        return None
    if field == "allocs":
        return {value, value + entry.get("inherited_count", 0)}
    if field == "alloc_bytes":
        return {value, value + entry.get("inherited_bytes", 0)}
    return {value}


def compare_entries(entries, sums, who):
    for entry in entries:
        for field in FIELDS:
            accepted = accepted_values(entry, field)
            reported = sums[entry["function"]][field]
            if accepted is not None and reported not in accepted:
                difference = reported - min(accepted)
                yield (f"{who} {entry['function']}: {field} reported {reported}, "
                       f"true {min(accepted)} ({difference:+d})")


def describe_strays(strays, who):
    for site, names in strays:
        if site["allocs"] or site["outstanding_bytes"]:
            yield (f"{who} undeclared site: allocator {site['allocator']}, {site['allocs']} allocs, "
                   f"{site['outstanding_bytes']} bytes outstanding, stack {' < '.join(names) or '(none)'}")


def compare_quality(report, truths):
    quality = report["quality"]
    if quality["lost_events"]:
        yield f"quality: {quality['lost_events']} events lost"
    untraced = sum(truth["free_before_attach"] for truth in truths)
    unmatched = quality["unmatched_frees"]
    loose = any(truth["tolerated"] for truth in truths)
    if unmatched < untraced or (unmatched > untraced and not loose):
        yield f"quality: unmatched_frees reported {unmatched}, true {untraced}"


def compare(report, truths, declared_only=False):
    differences = list(compare_quality(report, truths))
    for truth in truths:
        who = f"pid {truth['pid']}"
        for kind in ("sites", "mappings"):
            sums, strays = sum_sites(report, truth, kind == "mappings")
            differences += compare_entries(truth[kind], sums, who)
            if not declared_only:
                differences += describe_strays(strays, who)
    return differences


def summary(truths):
    functions = sum(len(truth["sites"]) + len(truth["mappings"]) for truth in truths)
    outstanding = sum(site["outstanding_bytes"] for truth in truths for site in truth["sites"])
    count = sum(site["outstanding_count"] for truth in truths for site in truth["sites"])
    allocs = sum(site["allocs"] or 0 for truth in truths for site in truth["sites"])
    return (f"{len(truths)} process(es), {functions} functions, {allocs} allocs, "
            f"{outstanding} bytes in {count} blocks outstanding")


def main(argv):
    if len(argv) not in (3, 4) or argv[3:] not in ([], ["--declared"]):
        sys.stderr.write(__doc__)
        return 64
    truths = read_truths(argv[2])
    if not truths:
        print("no account in", argv[2])
        return 1
    differences = compare(read_report(argv[1]), truths, bool(argv[3:]))
    for difference in differences:
        print(difference)
    print("equal:" if not differences else f"{len(differences)} differences:", summary(truths))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
