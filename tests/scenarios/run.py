#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hunts the programs of table.tsv, and holds each report against what the table says of the program.

usage: sudo make scenarios [ARGS='--repeat 3 --jobs 2 lose_ hidden_xor']    (words: parts of names)

A row is wrong if the state is none of those that are true, if "leaking" (or 8 blocks that are lost) is
said where nothing leaks, or at a function that loses nothing, if the first finding does not name the
function, or the rate is off by more than 10 %. Intervals are to hold the truth in 9 of 10 rows. The
true rate is the table's, which the program's own count has to confirm. Exit 1 if anything is wrong.

--record DIR records them instead, into DIR/NAME.hfrec, and judges the reports of the recordings; --replay DIR
judges what was recorded (no root, no program). A recording is short: rates are not looked at.

What this cannot find: wrong words about a program that behaves as none of these do.
"""
import argparse
import concurrent.futures
import json
import math
import os
import queue
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e", "lib"))
sys.dont_write_bytecode = True
import compare  # noqa: E402
import talk  # noqa: E402

OUTPUT = os.path.abspath(os.environ.get("O", os.path.join(ROOT, ".output")))
PROGRAMS = os.path.join(OUTPUT, "scenarios")
TARGETS = os.path.join(OUTPUT, "targets")
OWN_FOLDERS = {os.path.basename(PROGRAMS), os.path.basename(TARGETS)}
COLUMNS = ("name", "build", "command", "settle", "hunt", "truth", "states", "function", "rate")
TRUTHS = {"leak", "lost", "innocent"}
STATES = {"leaking", "lost", "growing", "warming", "steady", "cyclic", "backlog", "fragmented", "untraced",
          "watching"}
RATE_OFF_MAX = 0.1
PACE_OFF_MAX = 0.03
COVERAGE_MIN = 0.9
COVERAGE_ROWS = 10
LOST_MIN = 8
REPORT_SECONDS = 60
RECORD_LEAK_SECONDS = 12
RECORD_SECONDS = 30


class Trouble(Exception):
    """Why there is no report to look at."""


# ---- the table ---------------------------------------------------------------------------------


def parse_row(line, where):
    fields = line.split("\t")
    if len(fields) != len(COLUMNS):
        raise SystemExit(f"{where}: {len(fields)} fields, not {len(COLUMNS)}")
    row = dict(zip(COLUMNS, fields))
    row["states"] = row["states"].split("|")
    if row["truth"] not in TRUTHS or not set(row["states"]) <= STATES:
        raise SystemExit(f"{where}: unknown truth or state")
    row["settle"], row["hunt"] = float(row["settle"]), int(row["hunt"])
    row["bursts"] = row["rate"].startswith("~")
    row["rate"] = None if row["rate"] == "-" else float(row["rate"].lstrip("~"))
    row["function"], _, row["holder"] = row["function"].partition("@")
    row["function"] = None if row["function"] == "-" else row["function"]
    return row


def read_table(path):
    rows = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip() and not line.startswith("#"):
                rows.append(parse_row(line.rstrip("\n"), f"{path}:{number}"))
    names = [row["name"] for row in rows]
    if len(set(names)) != len(names):
        raise SystemExit(f"{path}: a name stands twice")
    return rows


def command_of(row, also):
    program, *arguments = row["command"].replace("{out}", PROGRAMS).split()
    if row["build"] == "target":
        return [os.path.join(TARGETS, program), *arguments]
    # A program that nobody is left to stop ends by itself.
    arguments += ["--account", f"--seconds={int(row['settle'] + row['hunt'] + 2 * REPORT_SECONDS)}", *also.split()]
    if row["build"] == "python":
        return ["/usr/bin/python3", "-B", os.path.join(HERE, program), *arguments]
    return [os.path.join(PROGRAMS, program + ("-stripped" if row["build"] == "stripped" else "")), *arguments]


# ---- processes ---------------------------------------------------------------------------------


class Running:
    """The processes that we started and that have not ended; stop() ends them and lets none start."""

    def __init__(self):
        self.lock = threading.Lock()
        self.processes = set()
        self.stopping = threading.Event()

    def add(self, start):
        with self.lock:
            if self.stopping.is_set():
                raise Trouble("stopped")
            started = start()
            self.processes.add(getattr(started, "process", started))
        return started

    def end(self, process):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        with self.lock:
            self.processes.discard(process)

    def stop(self):
        self.stopping.set()
        with self.lock:
            left = [process for process in self.processes if process.poll() is None]
        for process in left:
            process.terminate()
        for process in left:
            self.end(process)

    def sleep(self, seconds):
        if self.stopping.wait(seconds):
            raise Trouble("stopped")


def run_holdfast(running, command, scratch, seconds):
    """Its exit status, and the first of what it said."""
    log_path = os.path.join(scratch, "log")
    with open(log_path, "w", encoding="utf-8") as log:
        process = running.add(lambda: subprocess.Popen(command, cwd=scratch, stdin=subprocess.DEVNULL,
                                                       stdout=log, stderr=log))
        try:
            status = process.wait(seconds + REPORT_SECONDS)
        except subprocess.TimeoutExpired:
            raise Trouble(f"holdfast did not end {REPORT_SECONDS} s after its time") from None
        finally:
            running.end(process)
    if running.stopping.is_set():
        raise Trouble("stopped")
    with open(log_path, encoding="utf-8", errors="replace") as log:
        return status, f"holdfast: exit {status}: " + " / ".join(log.read().split("\n")[:3])


def hunt(running, options, row, pid, scratch):
    """The report, and the exit status."""
    report_path = os.path.join(scratch, "report.json")
    seconds = options.seconds or row["hunt"]
    command = [options.holdfast, "hunt", str(pid), *options.hunt.split(), "--for", f"{seconds}s", "--json", report_path,
               "-o", os.path.join(scratch, "hf")]
    status, said = run_holdfast(running, command, scratch, seconds)
    try:
        if status in (0, 1, 2):
            return compare.read_report(report_path), status
    except (OSError, ValueError):
        pass
    raise Trouble(said)


def recording_of(options, row):
    return os.path.join(options.record or options.replay, row["name"] + ".hfrec")


def replay(running, options, row, scratch):
    """The report of its recording."""
    report_path = os.path.join(scratch, "report.json")
    command = [options.holdfast, "report", recording_of(options, row), "--json", report_path]
    status, said = run_holdfast(running, command, scratch, 0)
    if status:
        raise Trouble(said)
    return compare.read_report(report_path), None


def record(running, options, row, pid, scratch):
    """Records it: then as replay()."""
    seconds = options.seconds or min(row["hunt"], RECORD_SECONDS if row["truth"] == "innocent" else RECORD_LEAK_SECONDS)
    path = recording_of(options, row)
    command = [options.holdfast, "record", str(pid), "--exact", "--for", f"{seconds}s", "-q", "-o",
               path.removesuffix(".hfrec")]
    status, said = run_holdfast(running, command, scratch, seconds)
    if status or not os.path.exists(path):
        raise Trouble(said)
    return replay(running, options, row, scratch)


def account_of(target, since):
    """[(time, bytes)] of what the program has said since then."""
    account = []
    while True:
        try:
            line = target.lines.queue.get_nowait()
        except queue.Empty:
            return account
        if line and line.startswith("grew ") and float(line.split()[1]) >= since:
            account.append(tuple(float(word) for word in line.split()[1:3]))


def observe(running, options, row, scratch):
    """Starts the program, hunts it; what came out, the seconds it took, and what the program counted."""
    if options.replay:
        return *replay(running, options, row, scratch), 0, None
    target = running.add(lambda: talk.Target(command_of(row, options.also)))
    try:
        target.wait_ready()
        if row["build"] == "target":
            target.say("go")
        running.sleep(row["settle"])
        started = time.monotonic()
        report, status = (record if options.record else hunt)(running, options, row, target.pid, scratch)
        took = time.monotonic() - started
        if target.process.poll() is not None:
            raise Trouble(f"the program ended with status {target.process.returncode}")
        return report, status, took, None if options.record else account_of(target, started)
    except (talk.Silence, BrokenPipeError) as error:
        raise Trouble(f"the program did not say that it is ready: {error}") from None
    finally:
        running.end(target.process)
        target.process.stdin.close()


# ---- the judgement -----------------------------------------------------------------------------


def names_of(finding):
    return [compare.plain_name(frame["function"]) for frame in finding["stack"]]


def own_name(finding):
    """The first frame within a file that is the program's own, by where it lies."""
    for frame in finding["stack"]:
        # A recording may come from another tree.
        if os.path.basename(os.path.dirname(frame["module"] or "")) in OWN_FOLDERS:
            return compare.plain_name(frame["function"])
    return None


def names_function(finding, function):
    if function.startswith("*"):
        return any(name in names_of(finding) for name in function[1:].split("/"))
    return own_name(finding) == function


def check_state(row, report, status):
    """@status None: it is not known."""
    state = report["verdict"]["state"]
    if state not in row["states"]:
        yield f"{state}, not {' or '.join(row['states'])}"
    if status is None:
        return
    if (state == "leaking") != (status == 1) and state not in ("lost", "leaking"):
        yield f"{state}, but exit {status}"
    if state == "leaking" and status != 1:
        yield f"leaking, but exit {status}"


def accusations(row, report):
    """Findings that call lost what is not."""
    function = row["function"]
    for finding in report["findings"]:
        accused = finding["state"] == "leaking" or finding["lost_count"] >= LOST_MIN
        if row["truth"] == "leak" and (not function or function.lstrip("*") in names_of(finding)):
            continue
        if row["truth"] == "lost" and finding["state"] != "leaking":
            continue
        # What was lost before anyone traced it has no stack.
        if row["truth"] == "leak" and not own_name(finding):
            continue
        if accused:
            yield finding


def is_unsampled(report):
    """Nothing of it fell into a window yet: its type is known, its line is not, and the report says how long that takes."""
    return bool(report["findings"]) and not report["findings"][0]["stack"] and \
        any(evidence["kind"] == "unsampled" for evidence in report["findings"][0]["evidence"])


def check_function(row, report):
    if not row["function"] or is_unsampled(report):
        return
    if not report["findings"]:
        yield "no finding"
    elif not names_function(report["findings"][0], row["function"]):
        yield f"names {own_name(report['findings'][0])}, not {row['function']}"
    elif row["holder"] and report["findings"][0]["held_by"] != row["holder"]:
        yield f"held by {report['findings'][0]['held_by']}, not {row['holder']}"


def rate_of(row, report):
    """Rate and interval of what the table's rate is about."""
    found = report["findings"]
    if row["function"] and not is_unsampled(report):
        found = [finding for finding in found if row["function"].lstrip("*") in names_of(finding)]
        # What is proved is not to be added to what is only watched.
        found = [finding for finding in found if finding["state"] == report["verdict"]["state"]] or found
        return (sum(finding["growth_bytes_per_second"] for finding in found),
                [sum(finding["growth_interval"][end] for finding in found) for end in (0, 1)])
    verdict = report["verdict"]
    return verdict["growth_bytes_per_second"], verdict["growth_interval"]


def check_pace(row, account):
    """Whether the program did what the table says, by its own count during the hunt."""
    if len(account) < 2:
        yield "the program gave no account"
        return
    seconds = account[-1][0] - account[0][0]
    rate = (account[-1][1] - account[0][1]) / seconds
    jump = max(later[1] - earlier[1] for earlier, later in zip(account, account[1:]))
    # What comes in lumps can be one lump off.
    if abs(rate - row["rate"]) > max(PACE_OFF_MAX * row["rate"], jump / seconds):
        yield f"the program itself grew by {rate:.0f} B/s, not {row['rate']:.0f}"


def judge_rate(row, report, account, result):
    result["wrong"] += check_pace(row, account)
    rate, (low, high) = rate_of(row, report)
    result["rate"] = rate
    result["rate_off"] = rate / row["rate"] - 1
    result["covered"] = low <= row["rate"] <= high
    # Of what fell into windows there may be a handful: an interval is all that can be said.
    if not row["bursts"] and abs(result["rate_off"]) > RATE_OFF_MAX and not (result["windows"] and result["covered"]):
        result["wrong"].append(f"rate off by {100 * result['rate_off']:+.1f} %")


def judge(row, report, status, account):
    """@account None: nobody counted, so rates are not looked at."""
    verdict = report["verdict"]
    result = {"state": verdict["state"], "confidence": verdict["confidence"], "wrong": [], "rate": None,
              "rate_off": None, "covered": None, "memory": report["memory"]["rss_bytes"], "windows": report.get("capture", {}).get("windows", 0)}
    accused = list(accusations(row, report))
    result["false_leaking"] = (any(finding["state"] == "leaking" for finding in accused) or
                               row["truth"] != "leak" and verdict["state"] == "leaking")
    result["wrong"] += check_state(row, report, status)
    result["wrong"] += [f"{own_name(finding)} called {finding['state']}, {finding['lost_count']} blocks lost"
                        for finding in accused]
    result["wrong"] += check_function(row, report)
    result["recalled"] = row["truth"] != "innocent" and verdict["state"] in row["states"] and \
        not list(check_function(row, report)) and not is_unsampled(report)
    result["unsampled"] = is_unsampled(report)
    if row["rate"] and account is not None:
        judge_rate(row, report, account, result)
    return result


def run_row(running, options, row, number):
    with tempfile.TemporaryDirectory(prefix="holdfast-scenario.") as scratch:
        try:
            report, status, took, account = observe(running, options, row, scratch)
        except Trouble as trouble:
            result = {"state": None, "wrong": [str(trouble)], "false_leaking": False, "recalled": False,
                      "rate_off": None, "covered": None}
            took = None
        else:
            result = judge(row, report, status, account)
            if options.keep:
                with open(os.path.join(options.keep, f"{row['name']}.{number}.json"), "w",
                          encoding="utf-8") as file:
                    json.dump(report, file)
    return {"name": row["name"], "truth": row["truth"], "run": number, "seconds": took, **result}


# ---- what is printed ---------------------------------------------------------------------------


def describe(result):
    words = [result["state"] or "no report"]
    if result["seconds"]:
        words.append(f"{result['seconds']:.1f} s")
    if result.get("unsampled"):
        words.append("its line not sampled yet")
    if result.get("windows"):
        words.append(f"{result['windows']} windows")
    if result["rate_off"] is not None:
        words.append(f"rate {100 * result['rate_off']:+.1f} %" + ("" if result["covered"] else ", not within its interval"))
    return ", ".join(words) + "".join(f"; {reason}" for reason in result["wrong"])


def share(part, whole):
    return f"{part} of {whole}" + (f" ({100 * part / whole:.1f} %)" if whole else "")


def quantile(values, part):
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def summary(results):
    """Pairs of words and figures; and whether all is as it is to be."""
    right = sum(not result["wrong"] for result in results)
    false_leaking = sum(result["false_leaking"] for result in results)
    leaks = [result for result in results if result["truth"] != "innocent"]
    innocents = len(results) - len(leaks)
    recalled = [result for result in leaks if result["recalled"]]
    offs = [abs(result["rate_off"]) for result in results if result["rate_off"] is not None]
    covered = [result["covered"] for result in results if result["covered"] is not None]
    lines = [("right", share(right, len(results))),
             ("false leaking", f"{false_leaking} (of {innocents} runs without a leak, {len(leaks)} with)"),
             ("leaks found, at the right function", share(len(recalled), len(leaks)))]
    if offs:
        lines.append(("rate off by", f"median {100 * statistics.median(offs):.1f} %, 95th percentile "
                                     f"{100 * quantile(offs, 0.95):.1f} %, most {100 * max(offs):.1f} %"))
        lines.append(("interval holds the truth", share(sum(covered), len(covered))))
    if recalled:
        times = [result["seconds"] for result in recalled]
    if recalled and any(times):
        lines.append(("time to the verdict on leaks", f"median {statistics.median(times):.1f} s, 95th percentile "
                                                      f"{quantile(times, 0.95):.1f} s, most {max(times):.1f} s"))
    off_intervals = len(covered) >= COVERAGE_ROWS and sum(covered) < COVERAGE_MIN * len(covered)
    return lines, right == len(results) and not off_intervals


def print_summary(results):
    lines, fine = summary(results)
    states = {}
    for result in results:
        states[result["state"] or "no report"] = states.get(result["state"] or "no report", 0) + 1
    print("\n# said: " + ", ".join(f"{state} {count}" for state, count in sorted(states.items())))
    for words, figures in lines:
        print(f"# {words:<36} {figures}")
    wrong = [result for result in results if result["wrong"]]
    for result in wrong:
        print(f"# wrong: {result['name']:<22} {'; '.join(result['wrong'])}")
    return fine


# ---- main --------------------------------------------------------------------------------------


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=1, help="each so many times")
    parser.add_argument("--jobs", type=int, default=1, help="so many at once; times are then not the machine's best")
    parser.add_argument("--json", help="write all results to this file")
    parser.add_argument("--keep", help="a folder for the reports")
    parser.add_argument("--seconds", type=int, help="hunt so long instead of what the table says")
    parser.add_argument("--except", dest="without", action="append", default=[], help="not rows whose name has this")
    parser.add_argument("--record", metavar="DIR", help="record into this folder, do not hunt")
    parser.add_argument("--replay", metavar="DIR", help="what was recorded there: nothing is run")
    parser.add_argument("--also", metavar="WORDS", default="", help="more arguments of this folder's programs, as --work=20")
    parser.add_argument("--hunt", metavar="WORDS", default="--exact",
                        help="more arguments of hunt (instead of --exact): '' for the default budget, '--budget=0.05' for windows")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--holdfast", default=os.path.join(ROOT, "holdfast"))
    parser.add_argument("--table", default=os.path.join(HERE, "table.tsv"))
    parser.add_argument("names", nargs="*", help="parts of names; none: all")
    options = parser.parse_args(argv)
    options.holdfast = os.path.abspath(options.holdfast)
    for folder in ("record", "replay"):
        if getattr(options, folder):
            setattr(options, folder, os.path.abspath(getattr(options, folder)))
    return options


def choose(rows, options):
    def wanted(name):
        return (not options.names or any(re.search(part, name) for part in options.names)) and \
            not any(re.search(part, name) for part in options.without)
    chosen = [row for row in rows if wanted(row["name"])]
    if options.replay:
        there = {os.path.splitext(name)[0] for name in os.listdir(options.replay) if name.endswith(".hfrec")}
        if there - {row["name"] for row in rows}:
            raise SystemExit(f"recordings of no row: {', '.join(sorted(there - {row['name'] for row in rows}))}")
        chosen = [row for row in chosen if row["name"] in there]
    return chosen


def as_they_end(running, jobs, calls):
    """The results of calls (function and arguments), so many at once; whatever comes, nothing that they started stays."""
    executor = concurrent.futures.ThreadPoolExecutor(max(1, jobs))
    futures = [executor.submit(*call) for call in calls]
    try:
        for future in concurrent.futures.as_completed(futures):
            yield future.result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        running.stop()


def run_all(running, options, rows):
    """In the table's order; results as they come."""
    results = []
    runs = [(row, number) for number in range(1, options.repeat + 1) for row in rows]
    print(f"1..{len(runs)}", flush=True)
    for result in as_they_end(running, options.jobs, [(run_row, running, options, row, number) for row, number in runs]):
        results.append(result)
        print(f"{'not ok' if result['wrong'] else 'ok'} {len(results)} - {result['name']}: {describe(result)}", flush=True)
    return results


def interrupted(_number, _frame):
    # Once: what we started is to be ended in peace. A shell's background jobs begin with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def until_interrupted(work):
    """What it gives; None: somebody stopped us."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    try:
        return work()
    except KeyboardInterrupt:
        print("# interrupted", flush=True)
        return None


def main(argv):
    options = parse(argv[1:])
    rows = choose(read_table(options.table), options)
    if options.list:
        print("\n".join(row["name"] for row in rows))
        return 0
    if not rows:
        print("no row has such a name", file=sys.stderr)
        return 64
    for folder in (options.keep, options.record):
        if folder:
            os.makedirs(folder, exist_ok=True)
    results = until_interrupted(lambda: run_all(Running(), options, rows))
    if results is None:
        return 130
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
    return 0 if print_summary(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
