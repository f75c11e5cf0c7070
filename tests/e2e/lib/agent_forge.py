#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Targets that lie: in their maps, their files, their Python, their names. The agent traces them, stays up and small, and
serves the others; none of its jobs dies of them.

usage: agent_forge.py --holdfast ./holdfast --targets DIR --scratch DIR CASE

HF_SURVIVE_SEED: of the damage (1). HF_SURVIVE_ALL: all kinds of damaged files, not the worst only.
"""
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

import forge
from agent_fire import check_up, events_of, ready
from agent_live import Agent, descendants, expect, main, running, server, until

MIB = 1 << 20
JOB_MOST = 192 * MIB  # 96 of a job's own, libraries, and what is in use at once while a report is made
WORST = ["link-to-fifo", "packed-bomb", "liar", "unwind-much", "debug-much", "sections-many"]
SEED = int(os.environ.get("HF_SURVIVE_SEED", "1"))


def forger(options, *words, env=None):
    return running(os.path.join(options.targets, "forger"), *map(os.fsdecode, words),
                   env={**os.environ, "LD_BIND_NOW": "1", **(env or {})})


def library(options):
    return os.path.join(options.targets, "forged_library.so")


def folder(options, name):
    path = os.path.join(options.scratch, name)
    os.mkdir(path)
    return path


def peaks(agent):
    """{pid: (name, bytes)} of the agent's jobs and its broker."""
    found = {}
    for pid in descendants(agent.process.pid):
        with contextlib.suppress(OSError, AttributeError), open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            found[pid] = int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) << 10
    return found


def look(agent, pid):
    """A session that begins and ends: (the target is, or could not be, traced; its report, if there is one)."""
    status, session = agent.ask("POST", "/api/v1/sessions", {"target": f"pid-{pid}", "session_name": "\u202e\"<b>"})
    expect(status in (200, 201) or "error" in session, session)
    if "session_id" not in session:
        return None
    time.sleep(1.5)  # what a session is about
    agent.ask("POST", f"/api/v1/sessions/{session['session_id']}/stop")
    status, report = agent.ask("GET", f"/api/v1/sessions/{session['session_id']}/report")
    return report if status == 200 else None


def check_jobs(agent):
    died = [event for event in events_of(agent, "TraceFailed") if "died" in event["text"]]
    expect(not died, f"a job died: {died}\n{agent.log()[-2000:]}")
    for pid, peak in peaks(agent).items():
        expect(peak < JOB_MOST, f"process {pid} below the agent took {peak / MIB:.1f} MiB")


def check_pages(agent):
    """All that is served about targets is JSON, or what it is meant to be."""
    for path in ("targets?state=all", "events?since=0&limit=1000", "leaks?state=all", "sessions", "status"):
        answer = agent.get("/api/v1/" + path)
        expect(isinstance(answer, dict), path)
    for line in agent.get("/metrics").splitlines():
        expect(re.fullmatch(r"#.*|[a-zA-Z_:][\w:]*(\{.*\})? \S+", line), f"no line of metrics: {line!r}")
        expect(line.isprintable(), f"a line of metrics has control characters: {line!r}")
    shown = subprocess.run([agent.holdfast, "ctl", "--agent", f"127.0.0.1:{agent.port}", "targets"], capture_output=True, check=False)
    for text in (agent.log(), shown.stdout.decode()):
        expect(text and text.replace("\n", "").replace("\u202e", "").isprintable() , f"control characters are shown: {text[:3000]!r}")
    if shutil.which("promtool"):
        check = subprocess.run(["promtool", "check", "metrics"], input=agent.get("/metrics"), text=True, capture_output=True, check=False)
        expect(check.returncode == 0, f"promtool: {check.stdout}{check.stderr}")


@contextlib.contextmanager
def watched(options, liars, mode="debug"):
    """An agent that traces these and an honest server beside them, which is found to leak as if they were not there."""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(liar) for liar in liars]
        honest = ready(stack.enter_context(server(options, "--rate=1000")))
        for process in processes:
            ready(process)
        rules = [{"pid": process.pid, "mode": mode} for process in processes]
        agent = stack.enter_context(Agent(options, targets=[{"name": "honest", "pid": honest.pid}, *rules]))
        until(lambda: len(agent.get("/api/v1/targets")["targets"]) == len(rules) + 1, "all are watched")
        yield agent, processes
        report = until(lambda: look(agent, honest.pid), "the honest one has its report", 60)
        expect("parse_header_copy" in json.dumps(report), "the honest one's report does not show its functions")
        check_jobs(agent)
        check_pages(agent)
        peak = check_up(agent)
        most = max([0, *peaks(agent).values()])
        for process in processes:
            expect(process.poll() is None, "a target ended")
        print(f"agent {peak / MIB:.1f} MiB, largest below it {most / MIB:.1f} MiB")
        expect(agent.end(20) == 0, "it did not end well")


def came_to_something(agent, pid):
    """A trace runs, or its failure was told."""
    return agent.target(pid)["traced"] or [e for e in events_of(agent, "TraceFailed") if e["pid"] == pid]


def traced_with_report(agent, pid, is_whole=True):
    """Its report is there, with an honest frame of the forger, unless stacks may end before it."""
    report = look(agent, pid)
    return report and report["sites"] and (not is_whole or "leak_one" in json.dumps(report))


def case_maps(options):
    """Tens of thousands of mappings, files without names, with bad names, devices; and they change while they are read."""
    odd = forge.odd_names(library(options), folder(options, "odd"))
    words = [b"--map=" + path for path in odd]
    liars = [forger(options, "--mappings=60000"), forger(options, *words, "--memfd", "--strange", f"--churn={library(options)}"),
             forger(options, "--reserve=4096")]
    with watched(options, liars) as (agent, processes):
        for path in odd[:4]:
            os.unlink(path)
        for process in processes:
            until(lambda: came_to_something(agent, process.pid), "it is traced, or told why not", 60)
            until(lambda: traced_with_report(agent, process.pid), f"process {process.args[1]} has a report", 60)


def case_files(options):
    """Damaged libraries that allocate, damaged files that are mapped."""
    where = folder(options, "damaged")
    os.mkfifo(os.path.join(where, "fifo"))
    os.symlink("loop", os.path.join(where, "loop"))
    paths = forge.loaded(library(options), where, SEED)
    maps = [f"--map={path}" for path in forge.mapped(library(options), folder(options, "mapped"), SEED)]
    names = list(paths) if os.environ.get("HF_SURVIVE_ALL") else WORST
    # Four at a time are traced, one of them the honest one.
    for first in range(0, len(names), 3):
        liars = [forger(options, f"--call={paths[name]}", *maps) for name in names[first:first + 3]]
        shutil.rmtree(os.path.join(options.scratch, "store"), ignore_errors=True)
        with watched(options, liars) as (agent, processes):
            for name, process in zip(names[first:], processes):
                is_whole = not name.startswith(("unwind", "section"))
                until(lambda: traced_with_report(agent, process.pid, is_whole), f"{name}: a report", 60)


def case_swapped(options):
    """What is at the path of a mapped file is another thing by now: a FIFO, a socket, a loop, a shorter file, nothing."""
    where = folder(options, "swapped")
    kinds = ("fifo", "socket", "loop", "device", "short", "gone", "folder")
    paths = {kind: shutil.copy(library(options), os.path.join(where, kind + ".so")) for kind in kinds}
    called = shutil.copy(library(options), os.path.join(where, "called.so"))
    liar = forger(options, *[f"--map={path}" for path in paths.values()], f"--call={called}", "--swap")
    with contextlib.ExitStack() as stack:
        def swapped():
            process = stack.enter_context(liar)
            expect(process.stdout.readline() == b"swap\n", "it does not wait")
            for kind, path in paths.items():
                if kind != "short":
                    os.unlink(path)
            os.mkfifo(paths["fifo"])
            stack.enter_context(socket.socket(socket.AF_UNIX)).bind(paths["socket"])
            os.symlink(paths["loop"], paths["loop"])
            os.symlink("/dev/zero", paths["device"])
            os.truncate(paths["short"], 100)
            os.mkdir(paths["folder"])
            for name in (f"/tmp/perf-{process.pid}.map", os.path.join(where, "perf")):
                os.mkfifo(name)
                stack.callback(os.unlink, name)
            process.stdin.write(b"\n")
            process.stdin.flush()
            return contextlib.nullcontext(process)

        with watched(options, [swapped()]) as (agent, processes):
            until(lambda: traced_with_report(agent, processes[0].pid), "a report", 60)
            # and what it calls shrinks while it is traced (it keeps the code that it has touched)
            os.truncate(called, os.path.getsize(called) - 5000)
            until(lambda: traced_with_report(agent, processes[0].pid), "a report of a shorter file", 60)


def case_python(options):
    """Processes that say that they are Python, and whose state leads nowhere or in circles."""
    copy = shutil.copy(os.path.join(options.targets, "forged_python.so"), os.path.join(options.scratch, "libpython3.11.so.1.0"))
    liars = [forger(options, f"--load={copy}", f"--call={library(options)}", env={"FORGED": how}) for how in ("circles", "wild")]
    with watched(options, liars) as (agent, processes):
        for process in processes:
            until(lambda: traced_with_report(agent, process.pid), "a report", 60)


if __name__ == "__main__":
    sys.exit(main(sys.argv, globals()))
