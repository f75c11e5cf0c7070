# SPDX-License-Identifier: GPL-2.0-or-later
"""The single figures: what the table of targets and tools is made of. One line a figure: the median of the single
measurements, their spread, the goal where there is one. Costs are measured in the order A B B A.
"""
import json
import os
import re
import resource
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from common import HOLDFAST, OUTPUT, PROGRAMS, digits

STATS = "/proc/sys/kernel/bpf_stats_enabled"
PAIR_GOAL_US = 5
REPORT_GOAL_MS = 300
STOP_GOAL_MS_PER_GIB = 250
PEER_PATIENCE_S = 8


class Table:
    """The rows, printed as they come."""

    def __init__(self):
        self.rows = []

    def title(self, text):
        print(f"\n{text}\n  {'':<50} {'median':>9} {'lowest':>9} {'highest':>9}  unit", flush=True)

    def add(self, name, values, unit, goal=None, note=""):
        """Values: single measurements; none, and a note that says why, where there are none."""
        row = {"name": name, "unit": unit, "values": values, "note": note}
        if values:
            row.update(median=statistics.median(values), low=min(values), high=max(values))
            figures = " ".join(f"{digits(row[key]):>9}" for key in ("median", "low", "high"))
        else:
            figures = f"{'-':>9} " * 3
        if goal is not None and values:
            row.update(goal=goal, met=row["median"] <= goal)
            note = f"goal {goal:g}: {'met' if row['met'] else 'NOT MET'}  {note}"
        print(f"  {name:<50} {figures.rstrip()}  {unit:<4}  {note}".rstrip(), flush=True)
        self.rows.append(row)

    def median(self, name):
        for row in self.rows:
            if row["name"] == name and row["values"]:
                return row["median"]
        return None


def digits(number):
    """Three significant digits, no exponent."""
    for bound, text in ((10, "%.2f"), (100, "%.1f")):
        if abs(number) < bound:
            return text % number
    return f"{number:,.0f}"


class Target:
    """A program of tests/targets, started and told to go."""

    def __init__(self, name, *arguments, go=True):
        self.process = subprocess.Popen([os.path.join(OUTPUT, "targets", name), *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        bufsize=1)
        self.pid = self.process.pid
        self.read()
        if go:
            self.say("go")
            time.sleep(0.1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def say(self, word):
        self.process.stdin.write(word + "\n")

    def read(self):
        return self.process.stdout.readline()

    def stat(self):
        self.say("stat")
        return json.loads(self.read())

    def cpu_ns(self):
        """Of all threads that there are now."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0])
        return total

    def ns_per_pair(self, seconds):
        pairs, cpu = self.stat()["pairs"], self.cpu_ns()
        time.sleep(seconds)
        done, spent = self.stat()["pairs"] - pairs, self.cpu_ns() - cpu
        return spent / done if done else float("nan")


class Hunt:
    """holdfast hunt, attached."""

    def __init__(self, pid, *arguments, files="/dev/null"):
        began = time.monotonic()
        self.process = subprocess.Popen(
            [HOLDFAST, "hunt", str(pid), "--exact", "--for", "600s", "--log-level", "debug",
             "--json", files, "--html", "/dev/null", *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        said = []
        for line in self.process.stderr:
            said.append(line)
            found = re.search(r"attached pid=.* in ([0-9.]+) ms", line)
            if found:
                break
        else:
            sys.exit("bench: holdfast did not attach: " + "".join(said[-5:]))
        self.start_ms = (time.monotonic() - began) * 1000
        self.attach_ms = float(found.group(1))

    def stop(self):
        """What it says until it has ended."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate()[1]


class Peer:
    """Another tool; it has attached when the target is slower, or will not any more."""

    def __init__(self, command, target, base_ns):
        self.process = subprocess.Popen(shlex.split(command.replace("{pid}", str(target.pid))),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + PEER_PATIENCE_S
        while time.monotonic() < until and target.ns_per_pair(0.3) < 1.5 * base_ns:
            pass
        time.sleep(0.5)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def measure_pairs(threads, frames, options, start):
    """A B B A: lists of ns per pair, bare and traced."""
    bare, traced = [], []
    with Target("churn", f"--threads={threads}", f"--depth={frames}") as target:
        for _ in range(options.rounds):
            bare.append(target.ns_per_pair(options.seconds))
            tool = start(target, bare[-1])
            traced += [target.ns_per_pair(options.seconds), target.ns_per_pair(options.seconds)]
            tool.stop()
            bare.append(target.ns_per_pair(options.seconds))
    return bare, traced


def add_pair(table, name, measured, goal=None):
    bare, traced = measured
    low = statistics.median(bare)
    table.add(name, [(ns - low) / 1000 for ns in traced], "us", goal,
              f"bare {low:.0f} ns, {statistics.median(traced) / low:.0f} times")


def pair_name(tool, threads, frames):
    return f"{tool}, {threads} thread{'s' if threads > 1 else ''}, {frames} frames"


def rows_pair(table, options):
    table.title("CPU that tracing adds to a malloc+free pair")
    for threads in (1, 2):
        for frames in (5, 32):
            measured = measure_pairs(threads, frames, options, lambda t, _: Hunt(t.pid))
            add_pair(table, pair_name("exact", threads, frames), measured, PAIR_GOAL_US)
    measured = measure_pairs(1, 5, options, lambda t, _: Hunt(t.pid, "--faults", "off"))
    add_pair(table, "exact without page faults, 1 thread, 5 frames", measured)


def rows_peer(table, options):
    table.title("Other tools in the same place")
    memleak = shutil.which("memleak-bpfcc") or shutil.which("memleak")
    if not memleak:
        table.add("bcc memleak", [], "us", note="not installed (Debian: bpfcc-tools)")
    for command in ([f"{memleak} -p {{pid}} 60"] if memleak else []) + options.peer:
        name = os.path.basename(command.split()[0])
        if not shutil.which(command.split()[0]):
            table.add(name, [], "us", note="not installed")
            continue
        for threads in (1, 2):
            measured = measure_pairs(threads, 5, options,
                                     lambda t, ns, c=command: Peer(c, t, ns))
            add_pair(table, pair_name(name, threads, 5), measured)


TRAPS = {
    "getppid": "system call getppid, the yardstick",
    "emulated": "trap at an emulated instruction",
    "nop5": "trap at a 5-byte nop",
    "stepped": "trap at a single-stepped instruction",
    "session_entry_only": "session, entry only",
    "session": "session, entry and return",
    "perf_uretprobe": "perf-event return probe",
    "emulated_event": "emulated trap and a ring event of 48 B",
}


def trap_name(kind, threads):
    return f"{TRAPS[kind]}, {threads} thread{'s' if threads > 1 else ''}"


def rows_parts(table, options):
    table.title("A trap into an empty BPF program, CPU added a call")
    command = [os.path.join(PROGRAMS, "bench_traps"), *(["8000", "1"] if options.quick else [])]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    for line in run.stdout.splitlines():
        kind, threads, *rest = line.split()
        values = [] if "-" in rest else [float(ns) / 1000 for ns in rest]
        note = " ".join(rest[rest.index("-") + 1:]) if "-" in rest else ""
        table.add(trap_name(kind, int(threads)), values, "us", note=note)


def program_times(pid):
    """{name: (ns, runs)} of the BPF programs that a process holds; several of a name are added up."""
    times, seen = {}, set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii", errors="replace") as f:
            fields = dict(line.split(":", 1) for line in f if ":" in line)
        if "run_cnt" not in fields or fields["prog_id"] in seen:
            continue
        seen.add(fields["prog_id"])
        if int(fields["run_cnt"]) == 0:
            continue
        show = subprocess.run(["bpftool", "-j", "prog", "show", "id", fields["prog_id"].strip()],
                              stdout=subprocess.PIPE, check=True)
        name = json.loads(show.stdout).get("name", "?")
        times[name] = (int(fields["run_time_ns"]), int(fields["run_cnt"]))
    return times


def mean_times(pid, seconds):
    """ns a run of each program during that time."""
    before = program_times(pid)
    time.sleep(seconds)
    means = {}
    for name, (ns, runs) in program_times(pid).items():
        old_ns, old_runs = before.get(name, (0, 0))
        if runs - old_runs > 100:
            means[name] = (ns - old_ns) / (runs - old_runs)
    return means


class Stats:
    """kernel.bpf_stats_enabled, as long as it is needed."""

    def __enter__(self):
        with open(STATS, encoding="ascii") as f:
            self.before = f.read()
        self.write("1")

    def __exit__(self, *_):
        self.write(self.before)

    @staticmethod
    def write(text):
        with open(STATS, "w", encoding="ascii") as f:
            f.write(text)


def measure_programs(frames, options):
    """[us of malloc's programs a call], [of free's], [us that counting adds to a pair]."""
    calls, frees, counting = [], [], []
    with Target("churn", f"--depth={frames}") as target:
        hunt = Hunt(target.pid)
        for _ in range(options.rounds):
            plain = target.ns_per_pair(options.seconds / 2)
            with Stats():
                means = mean_times(hunt.pid, options.seconds / 2)
                counting.append((target.ns_per_pair(options.seconds / 2) - plain) / 1000)
            if "alloc_session" in means:
                calls.append(2 * means["alloc_session"] / 1000)
                frees.append(means.get("alloc_entry", float("nan")) / 1000)
            elif "alloc_return" in means:
                # alloc_entry serves malloc and free alike: their mean, counted for each
                calls.append((means["alloc_entry"] + means["alloc_return"]) / 1000)
                frees.append(means["alloc_entry"] / 1000)
        hunt.stop()
    return calls, frees, counting


def measure_new_stacks(options):
    """us of malloc's programs a call where each stack is seen for the first time."""
    values = []
    for _ in range(options.rounds):
        with Target("many_stacks", go=False) as target, Stats():
            hunt = Hunt(target.pid)
            target.say("go")
            target.read()
            runs = program_times(hunt.pid).get("alloc_session")
            if runs:
                values.append(2 * runs[0] / runs[1] / 1000)
            hunt.stop()
    return values


def rows_programs(table, options):
    table.title("Our BPF programs' own time a call (kernel.bpf_stats_enabled; its clock reads included)")
    medians, free_us = {}, 0
    for frames in (5, 8, 32, 128):
        calls, frees, counting = measure_programs(frames, options)
        if not calls:
            table.add("malloc's programs", [], "us", note="the kernel counts no run times")
            return
        medians[frames] = statistics.median(calls)
        table.add(f"malloc's programs, {frames} frames", calls, "us", note="entry and return")
        if frames == 5:
            free_us = statistics.median(frees)
            table.add("free's program", frees, "us")
            table.add("counting itself, a pair", counting, "us", note="left out above and below")
    table.add("walk, a frame more (rules cached)", [(medians[128] - medians[8]) * 1000 / 120], "ns",
              note="from 8 to 128 frames")
    table.add("malloc's programs, each stack new", measure_new_stacks(options), "us",
              note="22 frames, sent in full")
    add_sum(table, medians[5], free_us)


def add_sum(table, malloc_us, free_us):
    """What session/overhead.c reckons with, by other means, and whether the parts are the whole."""
    session = table.median(trap_name("session", 1))
    entry = table.median(trap_name("emulated", 1))
    if session is None or entry is None:
        return
    table.add("a malloc: session trap + its programs", [session + malloc_us], "us",
              note="hunt says it with --log-level debug")
    table.add("a free: emulated trap + its program", [entry + free_us], "us",
              note="the same")
    whole = table.median(pair_name("exact", 1, 5))
    total = session + malloc_us + entry + free_us
    table.add("sum of the parts, a pair", [total], "us",
              note=f"{100 * total / whole:.0f} % of the pair measured above" if whole else "")
    table.add("of it the kernel's traps", [session + entry], "us",
              note="what no program of ours can save")


def cpu_of(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def read_report(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def measure_replay(folder, options):
    """Events a CPU second, from the difference of a long and a short recording."""
    files = []
    for seconds in (1, 5 if options.quick else 10):
        name = os.path.join(folder, f"bench-{seconds}")
        with Target("churn", "--threads=2") as target:
            subprocess.run([HOLDFAST, "record", str(target.pid), "--for", f"{seconds}s", "-o", name],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        files.append(name + ".hfrec")
    report = os.path.join(folder, "bench-replay.json")
    counts, times = [0, 0], [[], []]
    for _ in range(3 * options.rounds):
        for i, name in enumerate(files):
            times[i].append(cpu_of([HOLDFAST, "report", name, "--json", report, "--quiet"]))
            counts[i] = read_report(report)["quality"]["events"]
    fixed = statistics.median(times[0])
    return [(counts[1] - counts[0]) / (spent - fixed) / 1000 for spent in times[1]
            if spent > fixed]


def measure_live(folder, rate, options):
    """Events a second that two threads make at @rate pairs a second (0: all they can), and those lost."""
    report = os.path.join(folder, "bench-live.json")
    with Target("churn", "--threads=2", f"--rate={rate}") as target:
        hunt = Hunt(target.pid, files=report)
        began, pairs = time.monotonic(), target.stat()["pairs"]
        time.sleep(2 * options.seconds)
        done, seconds = target.stat()["pairs"] - pairs, time.monotonic() - began
        hunt.stop()
    return 2 * done / seconds, read_report(report)["quality"]["lost_events"]


def rows_ring(table, options):
    table.title("Events taken in")
    with tempfile.TemporaryDirectory() as folder:
        table.add("recording, one ingest thread", measure_replay(folder, options), "k/s",
                  note="decode, stacks, ledger; per CPU second")
        events, lost = measure_live(folder, 0, options)
        note = "none lost: more than two threads can make" if not lost else f"{lost:,} lost"
        table.add("live, 2 threads as fast as they go", [events / 1000], "k/s", note=note)
        for share in (0.75, 0.5, 0.25):
            if not lost:
                break
            events, lost = measure_live(folder, int(events / 2 * share), options)
            table.add(f"live, 2 threads at {share:.0%} of that", [events / 1000], "k/s",
                      note=f"{lost:,} lost" if lost else "none lost: loss begins above")


def rows_ledger(table, options):
    table.title("Ledger (CPU time of one thread)")
    run = subprocess.run([os.path.join(PROGRAMS, "bench_ledger"),
                          "1000000" if options.quick else "10000000"],
                         stdout=subprocess.PIPE, text=True, check=True)
    sizes = iter(re.findall(r"now ([0-9.]+) bytes per live block counted, ([0-9.]+) by RSS",
                            run.stdout))
    for live, best, worst in re.findall(
            r"pair at +([0-9]+) live, random +([0-9.]+) ns \(best of 7, worst ([0-9.]+)\)", run.stdout):
        counted, resident = next(sizes)
        table.add(f"pair at {int(live):,} live, random", [float(best), float(worst)], "ns",
                  note="best and worst of 7")
        table.add(f"memory a live block at {int(live):,}", [float(counted)], "B",
                  note=f"{resident} by RSS")


def gap_ms(target, action):
    """The longest time between two pairs during the action, and how long that took."""
    target.stat()
    began = time.monotonic()
    result = action()
    time.sleep(0.1)
    seconds = time.monotonic() - began
    return target.stat()["longest_gap_ns"] / 1e6, seconds, result


def rows_attach(table, options):
    table.title("Attaching to and leaving a busy target")
    start, attach, at_attach, at_detach, bare = [], [], [], [], []
    with Target("churn", "--gaps") as target:
        for _ in range(max(2, 2 * options.rounds)):
            gap, seconds, hunt = gap_ms(target, lambda: Hunt(target.pid))
            at_attach.append(gap)
            start.append(hunt.start_ms)
            attach.append(hunt.attach_ms)
            time.sleep(0.2)
            gap, more, _ = gap_ms(target, hunt.stop)
            at_detach.append(gap)
            bare.append(gap_ms(target, lambda s=seconds: time.sleep(s))[0])
            bare.append(gap_ms(target, lambda s=more: time.sleep(s))[0])
    table.add("from the start of hunt to attached", start, "ms", note="loading the BPF object included")
    table.add("of it attaching the probes", attach, "ms")
    table.add("longest stall of the target, attaching", at_attach, "ms")
    table.add("longest stall of the target, detaching", at_detach, "ms")
    table.add("longest gap without us, in equal times", bare, "ms", note="what the scheduler does anyway")


def measure_report(stacks, options):
    """{part: [ms]} of the way from the stop to the written report, 1 M blocks live."""
    parts = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(1 if options.quick else 2):
            with Target("many_stacks", f"--count={stacks}", f"--times={1000000 // stacks}",
                        go=False) as target:
                hunt = Hunt(target.pid, "-o", folder + "/r", files=folder + "/r.json.gz")
                target.say("go")
                target.read()
                time.sleep(0.3)
                said = hunt.stop()
            found = dict(re.findall(r"report part (\w+): ([0-9.]+) ms", said))
            for part, ms in found.items():
                parts.setdefault(part, []).append(float(ms))
            parts.setdefault("all", []).append(
                sum(float(ms) for part, ms in found.items() if part != "symbols"))
    return parts


PARTS = {"detached": "probes taken out", "looked": "the last look at the heap, with types", "drained": "ring emptied", "judged": "verdict",
         "built": "report built", "symbols": "of it looking up symbols", "json": "JSON written",
         "html": "page written", "text": "text written"}


def rows_report(table, options):
    for stacks in (1000, 100000):
        table.title(f"Report at 1 M live blocks from {stacks:,} stacks")
        parts = measure_report(stacks, options)
        table.add("from the stop to the written report", parts["all"], "ms", REPORT_GOAL_MS)
        for part, name in PARTS.items():
            table.add("  " + name, parts.get(part, []), "ms")


def measure_scan(mebibytes, block_bytes, options):
    """[ms stopped], [s for two looks], [lost blocks found], and how many blocks there are and are lost."""
    command = [os.path.join(PROGRAMS, "bench_heap"), str(mebibytes), str(block_bytes)]
    stops, whole, found = [], [], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as target:
        blocks, lost = (int(word) for word in target.stdout.readline().split())
        for _ in range(1 if options.quick else 3):
            began = time.monotonic()
            said = subprocess.run([HOLDFAST, "scan", str(target.pid), "--json", "-", "--max-stop", "5s",
                                   "--memory", "4GiB"], check=True, capture_output=True, text=True).stdout
            whole.append(time.monotonic() - began)
            report = json.loads(said)
            stops.append(report["capture"]["stop_ms_max"])
            found.append(sum(row["lost_count"] for row in report["census"]))
        target.kill()
    return stops, whole, found, blocks, lost


def rows_scan(table, options):
    # A large heap of large blocks wants as much memory again, and more.
    heaps = [(10, 112), (100, 112)] + ([] if options.quick else [(1024, 1008), (1024, 112), (4096, 1008)])
    for mebibytes, block_bytes in heaps:
        stops, whole, found, blocks, lost = measure_scan(mebibytes, block_bytes, options)
        table.title(f"A look at {mebibytes:,} MiB in {blocks:,} blocks, {lost:,} of them lost")
        table.add("the target is stopped", stops, "ms", STOP_GOAL_MS_PER_GIB * mebibytes / 1024)
        table.add("two looks, a second apart", whole, "s")
        table.add("lost blocks found", found, "")


ROWS = {"pair": rows_pair, "peer": rows_peer, "parts": rows_parts, "programs": rows_programs,
        "ring": rows_ring, "ledger": rows_ledger, "attach": rows_attach, "report": rows_report,
        "scan": rows_scan}
