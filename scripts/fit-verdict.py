#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fits the weights by which the verdict calls a loss a leak; prints user/verdict/leak_weights.h, or with --write writes it.

usage: make fit-verdict [ARGS='--write REPORT_FOLDER…']

Observations are the findings of the scenarios' recordings (tests/scenarios/recordings), each recording cut off after
several parts of its length, so that early verdicts count too; and, with folders, of the reports that
"make scenarios ARGS='--keep FOLDER'" left there. What is true of each is tests/scenarios/table.tsv's. A finding is a
leak if its program leaks and its stack has the function that loses.

The fit is a logistic regression whose weights are drawn towards the start values by a normal prior of PRIOR_SD: where the
scenarios say nothing of a witness, the start value stays. Each program counts as much as any other.

What this cannot find: wrong witnesses, and wrong words about programs unlike these.
"""
import collections
import json
import math
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "scenarios"), os.path.join(ROOT, "tests", "e2e", "lib")]
sys.dont_write_bytecode = True
import compare  # noqa: E402
import run as scenarios  # noqa: E402

WEIGHTS = os.path.join(ROOT, "user", "verdict", "leak_weights.h")
RECORDINGS = os.path.join(ROOT, "tests", "scenarios", "recordings")
CUTS = (0.25, 0.4, 0.6, 0.8, 1.0)
PRIOR_SD = 2.0
STEPS = 60
# Name in C, start value, what it is.
WITNESSES = (
    ("LEAK", -4.0, "none of the following"),
    ("LOST", 6.0, "U: blocks were lost while we looked, and it goes on"),
    ("SURVIVAL", 2.5, "S: times the share of old blocks never freed, lower end"),
    ("TREND", 1.5, "T: what the site holds at least rises"),
    ("UNCHANGED", 1.0, "A: the content of what is lost stays as it is"),
    ("RETURNED", -6.0, "R: r / (r + 1) of r blocks called lost that came back"),
)


def constant(name):
    """A number of verdict.h: what leak.c asks of a witness is asked here."""
    with open(os.path.join(ROOT, "user", "verdict", "verdict.h"), encoding="utf-8") as file:
        return float(re.search(rf"^#define VERDICT_{name} +([0-9.]+)$", file.read(), re.MULTILINE)[1])


LEAK_BLOCKS, RETURNED_MAX, UNCHANGED_SHARE = map(constant, ("LEAK_BLOCKS", "RETURNED_MAX", "UNCHANGED_SHARE"))


def witnesses_of(finding):
    """The vector that confidence_of() in leak.c has for it, or None: it has no witness at all."""
    evidence = {entry["kind"]: entry for entry in finding["evidence"]}
    value = {kind: entry["value"] for kind, entry in evidence.items()}
    fresh = evidence["unreachable"]["reference"] if "unreachable" in evidence else 0
    returned = value.get("returned", 0)
    goes_on = "pause" in evidence and value["pause"] <= evidence["pause"]["reference"]
    lost = fresh >= LEAK_BLOCKS and goes_on and returned < RETURNED_MAX
    vector = (1.0, float(lost), value.get("survival", 0.0), float("trend" in evidence),
              float(fresh > 0 and value.get("unchanged", 0) >= UNCHANGED_SHARE), returned / (returned + 1))
    return vector if any(vector[1:]) else None


def is_leak(row, finding):
    if row["truth"] != "leak":
        return False
    # Without symbols, or before attach: nothing else in these programs loses anything.
    if not row["function"] or not finding["stack"]:
        return finding["lost_count"] > 0 or not row["function"] and finding["state"] == "leaking"
    return row["function"].lstrip("*") in scenarios.names_of(finding)


def recorded_reports(rows, holdfast):
    with tempfile.TemporaryDirectory(prefix="holdfast-fit.") as scratch:
        cut_path, report_path = os.path.join(scratch, "cut.hfrec"), os.path.join(scratch, "report.json")
        for name in sorted(os.listdir(RECORDINGS)):
            row = rows.get(os.path.splitext(name)[0])
            if not row:
                continue
            with open(os.path.join(RECORDINGS, name), "rb") as file:
                whole = file.read()
            for part in CUTS:
                with open(cut_path, "wb") as file:
                    file.write(whole[:int(len(whole) * part)])
                done = subprocess.run([holdfast, "report", cut_path, "--json", report_path, "-q"], check=False,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                if done.returncode == 0:
                    yield row, compare.read_report(report_path)


def kept_reports(rows, folders):
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            row = rows.get(name.split(".")[0])
            if row and name.endswith(".json"):
                yield row, compare.read_report(os.path.join(folder, name))


def observe(reports):
    """[(vector, leak, name of the program)]"""
    found = []
    for row, report in reports:
        for finding in report["findings"]:
            vector = witnesses_of(finding)
            if vector:
                found.append((vector, is_leak(row, finding), row["name"]))
    return found


def solve(matrix, right):
    """Gauss, with pivots: the matrix is small."""
    size = len(right)
    rows = [matrix[i][:] + [right[i]] for i in range(size)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(i + 1, size):
            factor = rows[k][i] / rows[i][i]
            rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i])]
    out = [0.0] * size
    for i in reversed(range(size)):
        out[i] = (rows[i][size] - sum(rows[i][k] * out[k] for k in range(i + 1, size))) / rows[i][i]
    return out


def logistic(x):
    return 1 / (1 + math.exp(-max(-500.0, min(500.0, x))))


def fit(observations):
    """Newton's method on the penalised likelihood, which is concave."""
    start = [value for _, value, _ in WITNESSES]
    per_program = collections.Counter(name for _, _, name in observations)
    weights, size, precision = start[:], len(start), 1 / PRIOR_SD**2
    for _ in range(STEPS):
        gradient = [precision * (s - w) for s, w in zip(start, weights)]
        hessian = [[precision if i == k else 0.0 for k in range(size)] for i in range(size)]
        for vector, leak, name in observations:
            share = 1 / per_program[name]
            p = logistic(sum(w * v for w, v in zip(weights, vector)))
            for i in range(size):
                gradient[i] += share * (leak - p) * vector[i]
                for k in range(size):
                    hessian[i][k] += share * p * (1 - p) * vector[i] * vector[k]
        weights = [w + d for w, d in zip(weights, solve(hessian, gradient))]
    return weights


def pattern(vector):
    """The witnesses that speak, in letters; survival and what came back are numbers."""
    _, lost, survival, trend, unchanged, returned = vector
    return (("U" if lost else "") + ("S" if survival > 0.5 else "") + ("T" if trend else "") +
            ("A" if unchanged else "") + ("R" if returned else "")) or "-"


def table_of(observations, weights):
    """Of each pattern: findings, those that are leaks, programs, what the weights say on average."""
    groups = collections.defaultdict(list)
    for vector, leak, name in observations:
        groups[pattern(vector)].append((leak, name, logistic(sum(w * v for w, v in zip(weights, vector)))))
    for word, group in sorted(groups.items(), key=lambda item: -len(item[1])):
        yield (word, len(group), sum(leak for leak, _, _ in group), len({name for _, name, _ in group}),
               sum(p for _, _, p in group) / len(group))


def header(observations, weights):
    programs = len({name for _, _, name in observations})
    yield "/* SPDX-License-Identifier: GPL-2.0-or-later */"
    yield "/*"
    yield " * Is it a leak, as a logit: what each witness weighs. Internal to verdict/. Written by scripts/fit-verdict.py"
    yield f" * (make fit-verdict), from {len(observations)} findings of {programs} scenarios, early ones too;"
    yield f" * {sum(leak for _, leak, _ in observations)} of them are leaks."
    yield " *"
    yield " *\twitnesses\tfindings\tleaks\tprograms\tconfidence on average"
    for word, count, leaks, names, confidence in table_of(observations, weights):
        yield f" *\t{word}\t\t{count}\t\t{leaks}\t{names}\t\t{confidence:.3f}"
    yield " */"
    yield "#ifndef HOLDFAST_VERDICT_LEAK_WEIGHTS_H"
    yield "#define HOLDFAST_VERDICT_LEAK_WEIGHTS_H"
    yield ""
    for (name, start, meaning), weight in zip(WITNESSES, weights):
        yield f"/* {meaning}; before the fit {start:g} */"
        yield f"#define LOGIT_{name} ({weight:.2f})"
    yield ""
    yield "#endif"


def main(argv):
    rows = {row["name"]: row for row in scenarios.read_table(os.path.join(ROOT, "tests", "scenarios", "table.tsv"))}
    observations = observe(recorded_reports(rows, os.path.join(ROOT, "holdfast")))
    observations += observe(kept_reports(rows, [word for word in argv[1:] if word != "--write"]))
    text = "\n".join(header(observations, fit(observations))) + "\n"
    if "--write" not in argv:
        print(text, end="")
        return 0
    with open(WEIGHTS, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
