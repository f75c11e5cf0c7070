#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What windows estimate, against what is counted: the programs of table.tsv, each recorded three times on end: with
--exact, within a small budget, and with --exact again.

usage: sudo make estimates [ARGS='--budget 0.3 --seconds 20 lose_ hidden']    (words: parts of names)

Of each program the sites with most allocations are compared: how many there were a second, and what was outstanding at
the end; those of which the two exact recordings say the same. To be right, over all of them: the bias (mean of estimate / truth - 1) is within its own error of zero, the 95 %
intervals hold the truth in 9 of 10 sites, and half of the estimates are within 10 %. Programs whose calls all fit
into the budget have no estimates, and are only counted. Exit 1 if that does not hold.

What this cannot find: what is wrong in all three, and sites that change from one recording to the next. Not at the same
time: two tracers share their traps, and each would take the other's cost for the program's own work.
"""
import argparse
import math
import os
import statistics
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import run  # noqa: E402

SITES = 3
ALLOCS_MIN = 100
SAME = 0.05
SLACK = 0.02  # the two recordings are not of the same moments
NEAR = 0.1
NEAR_SHARE = 0.5
COVERAGE_MIN = 0.9
BIAS_ERRORS = 3


def record(running, options, row, pid, scratch, words, name):
    """The report of a recording with these words."""
    path = os.path.join(scratch, name)
    command = [options.holdfast, "record", str(pid), *words, "--for", f"{options.seconds}s", "-q", "-o", path]
    folder = os.path.join(scratch, name + ".d")
    os.mkdir(folder)
    status, said = run.run_holdfast(running, command, folder, options.seconds)
    if status:
        raise run.Trouble(said)
    command = [options.holdfast, "report", path + ".hfrec", "--json", path + ".json"]
    status, said = run.run_holdfast(running, command, folder, options.seconds)
    if status not in (0, 1, 2):
        raise run.Trouble(said)
    return run.compare.read_report(path + ".json")


def sites_of(report):
    """By process and stack: what the report says of it."""
    def key(site):
        frames = [report["frames"][index] for index in site["stack"]]
        return (site["pid"], site["allocator"], tuple((frame["module"], frame["address"], frame["function"]) for frame in frames))
    found = {}
    for site in report["sites"]:
        # A site that is followed from some time on has a second entry, of what was seen before.
        found.setdefault(key(site), []).append(site)
    return found


def total(sites, field):
    return sum(site[field] for site in sites)


def interval(sites):
    return [sum(site["interval"][end] if site.get("interval") else site["outstanding_bytes"] for site in sites)
            for end in (0, 1)]


def is_same(one, other):
    return abs(one - other) <= SAME * max(one, other)


def compare(before, budget, after):
    """Of the sites with most allocations: what was estimated, and what is true."""
    truths, told = [sites_of(report) for report in (before, after)], sites_of(budget)
    seconds = [report["capture"]["duration_s"] for report in (before, after)]

    def truth(key, field, rate=True):
        return [total(sites.get(key, []), field) / (time if rate else 1) for sites, time in zip(truths, seconds)]

    for key in sorted(truths[0], key=lambda key: -total(truths[0][key], "allocs"))[:SITES]:
        sites, calls, held = told.get(key, []), truth(key, "allocs"), truth(key, "outstanding_bytes", False)
        if calls[0] * seconds[0] < ALLOCS_MIN or sites and not any(site.get("estimated") for site in sites):
            continue
        low, high = interval(sites)
        stack = truths[0][key][0]["stack"]
        yield {"function": before["frames"][stack[0]]["function"] if stack else "", "calls": statistics.mean(calls),
               "off": total(sites, "allocs") / budget["capture"]["duration_s"] / statistics.mean(calls) - 1
               if is_same(*calls) else None,
               "held": statistics.mean(held), "told": total(sites, "outstanding_bytes"), "interval": (low, high),
               "covered": low * (1 - SLACK) <= statistics.mean(held) <= high * (1 + SLACK) if is_same(*held) else None}


def run_row(running, options, row):
    result = {"name": row["name"], "sites": [], "duty": None, "trouble": None}
    ways = [["--exact"], [f"--budget={options.budget}"], ["--exact"]]
    with tempfile.TemporaryDirectory(prefix="holdfast-estimates.") as scratch:
        target = running.add(lambda: run.talk.Target(run.command_of(row, "")))
        try:
            target.wait_ready()
            if row["build"] == "target":
                target.say("go")
            running.sleep(row["settle"])
            reports = [record(running, options, row, target.pid, scratch, words, f"r{number}")
                       for number, words in enumerate(ways)]
            result["duty"] = reports[1]["capture"].get("duty", 1)
            result["sites"] = list(compare(*reports))
        except (run.Trouble, run.talk.Silence, BrokenPipeError) as trouble:
            result["trouble"] = str(trouble)
        finally:
            running.end(target.process)
            target.process.stdin.close()
    return result


def describe_site(site):
    words = [f"{site['function']} {site['calls']:.0f}/s"]
    words.append("changes" if site["off"] is None else f"{100 * site['off']:+.1f} %")
    if site["covered"] is not None:
        low, high = site["interval"]
        words.append(f"holds {site['held']:.0f} B, told {site['told']:.0f} [{low:.0f}, {high:.0f}]"
                     f"{'' if site['covered'] else ' NOT HELD'}")
    return " ".join(words)


def describe(result):
    if result["trouble"]:
        return result["trouble"]
    if not result["sites"]:
        return "all calls fit into the budget"
    return f"calls seen {100 * result['duty']:.1f} % of the time; " + "; ".join(map(describe_site, result["sites"]))


def print_calls(sites):
    """Unbiased, and half of them near?"""
    offs = [site["off"] for site in sites if site["off"] is not None]
    if len(offs) < 2:
        return True
    bias, error = statistics.mean(offs), statistics.stdev(offs) / math.sqrt(len(offs))
    near = sum(abs(off) <= NEAR for off in offs)
    print(f"# allocations a second: off by {100 * statistics.median(map(abs, offs)):.1f} % (median), bias "
          f"{100 * bias:+.1f} +- {100 * 1.96 * error:.1f} %; within 10 %: {run.share(near, len(offs))}")
    return abs(bias) <= BIAS_ERRORS * error and near >= NEAR_SHARE * len(offs)


def print_held(sites):
    """Do the intervals hold the truth?"""
    sites = [site for site in sites if site["covered"] is not None]
    covered = sum(site["covered"] for site in sites)
    held = sum(site["held"] for site in sites)
    print(f"# bytes outstanding: interval holds the truth: {run.share(covered, len(sites))}" +
          (f"; sum off by {100 * (sum(site['told'] for site in sites) / held - 1):+.1f} %" if held else ""))
    return covered >= COVERAGE_MIN * len(sites)


def summary(results):
    sites = [site for result in results for site in result["sites"]]
    print(f"\n# programs with estimates: {sum(bool(result['sites']) for result in results)} of {len(results)}, "
          f"sites: {len(sites)}")
    fine = [not any(result["trouble"] for result in results), print_calls(sites), print_held(sites)]
    return all(fine)


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", default="0.3", help="percent, of the one that estimates (0.3)")
    parser.add_argument("--seconds", type=int, default=20, help="of each recording (20)")
    parser.add_argument("--jobs", type=int, default=1, help="so many programs at once")
    parser.add_argument("--except", dest="without", action="append", default=[], help="not rows whose name has this")
    parser.add_argument("--holdfast", default=os.path.join(run.ROOT, "holdfast"))
    parser.add_argument("--table", default=os.path.join(HERE, "table.tsv"))
    parser.add_argument("names", nargs="*", help="parts of names; none: all")
    options = parser.parse_args(argv[1:])
    options.holdfast = os.path.abspath(options.holdfast)
    options.replay = None
    return options


def run_all(running, options):
    results = []
    rows = run.choose(run.read_table(options.table), options)
    for result in run.as_they_end(running, options.jobs, [(run_row, running, options, row) for row in rows]):
        results.append(result)
        print(f"{result['name']}: {describe(result)}", flush=True)
    return results


def main(argv):
    options = parse(argv)
    results = run.until_interrupted(lambda: run_all(run.Running(), options))
    if results is None:
        return 130
    return 0 if summary(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
