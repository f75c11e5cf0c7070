#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agent does as a whole, live.

usage: agent_cases.py --holdfast ./holdfast --targets DIR --scratch DIR CASE

Exit 0; 1 with what went wrong on stdout; 77 with what is missing here. Cases are the functions case_*.
"""
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import xml.dom.minidom

import agent_ends
import agent_gauges
import agent_parts
import talk
from agent_live import (Agent, Skipped, Wrong, code_changes, copy_of, descendants, expect, main, python,
                        running, server, until)

MIB = 1 << 20
# make survive has more of both.
KILLS = int(os.environ.get("HF_SURVIVE_ROUNDS", "20"))
SHORT_ONES = int(os.environ.get("HF_SURVIVE_PROCESSES", "2000"))
# Holds 40 MiB more at SIGUSR1, and none any more at SIGUSR2, and says so.
BLOCKS = """
import mmap, signal
held = []
def more(*_):
    block = mmap.mmap(-1, 40 << 20)
    for page in range(0, len(block), 4096):
        block[page] = 1
    held.append(block)
    print('done', flush=True)
def less(*_):
    while held:
        held.pop().close()
    print('done', flush=True)
signal.signal(signal.SIGUSR1, more)
signal.signal(signal.SIGUSR2, less)
print('ready', flush=True)
while True:
    signal.pause()
"""
# Grows by objects, and collects garbage.
OBJECTS = """
import gc, time
kept = []
for _ in range(10000): # before anybody looks
    gc.collect(0)
print('ready', flush=True)
while True:
    kept.append([object() for _ in range(200)])
    loop = []
    loop.append(loop)
    gc.collect(0)
    time.sleep(0.01)
"""


def ready(process):
    expect(process.stdout.readline().startswith(b"ready"), "the target did not say that it is ready")
    return process


def tell(target, number):
    target.send_signal(number)
    expect(target.stdout.readline() == b"done\n", "the target did not do what it was told")


def refused(agent):
    """Starts it, which must not succeed: (exit status, what it said)."""
    done = subprocess.run([agent.holdfast, "agent", "--config", agent.config], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30 * talk.PATIENCE, check=False)
    return done.returncode, done.stdout + done.stderr


WRONG = "memory_profiling:\n  sampling_interval: -1\n  mode: quick\n  targets:\n    - {name: a, pid: none}\n"
PLACES = ("2:22", "3:9", "5:22")


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def case_wrong_start(options):
    agent = Agent(options)
    write(agent.config, WRONG)
    status, said = refused(agent)
    expect(status == 78, f"exit {status}: {said}")
    for place in PLACES:
        expect(f"agent.yaml:{place}" in said, f"nothing of {place} in: {said}")
    expect(not os.path.exists(agent.store), "a store was made for a wrong configuration")
    agent.configure(listen="0.0.0.0:0")
    status, said = refused(agent)
    expect(status == 78 and "token" in said, f"without a token on all addresses: exit {status}: {said}")


def case_address_in_use(options):
    agent = Agent(options)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        agent.configure(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        status, said = refused(agent)
    expect(status == 73 and "listens there" in said, f"exit {status}: {said}")


def begin_session(agent, pid, name="a session"):
    return agent.do("POST", "/api/v1/sessions", {"target": f"pid-{pid}", "session_name": name}, 201)


def stop_session(agent, session):
    return agent.do("POST", f"/api/v1/sessions/{session['session_id']}/stop")


def case_end(options):
    with server(options, "--rate=1000") as target:
        ready(target)
        with Agent(options, targets=[{"pid": target.pid, "mode": "debug"}]) as agent:
            session = begin_session(agent, target.pid)
            expect(agent.target(target.pid)["traced"], "a session began, and the target is not traced")
            expect(code_changes(target.pid), "it is traced, and nothing is attached")
            status = agent.end()
            expect(status == 0, f"exit {status}")
            expect(target.poll() is None, "the target ended with the agent")
            expect(not code_changes(target.pid), "something is still attached")
            agent.start()
            answer = agent.get(f"/api/v1/sessions/{session['session_id']}")
            expect(answer["state"] != "running" and answer["end_time"], answer)
            expect(answer["peak_memory_mb"] > 0, answer)


def alerts(agent):
    return {alert["name"] for alert in agent.get("/api/v1/alerts")["alerts"]}


def case_reload(options):
    with python(BLOCKS) as one, python(BLOCKS) as two:
        rule = {"name": "one", "pid": ready(one).pid, "mode": "basic"}
        other = {"name": "two", "pid": ready(two).pid, "mode": "basic"}
        with Agent(options, targets=[rule]) as agent:
            write(agent.config, WRONG)
            answer = agent.do("POST", "/-/reload", status=400)
            expect(not answer["reloaded"], answer)
            for place in PLACES:
                expect(any(place in error["place"] for error in answer["errors"]), f"no {place}: {answer}")
            agent.process.send_signal(signal.SIGHUP)
            for place in PLACES:
                until(lambda: f"agent.yaml:{place}" in agent.log(), f"SIGHUP tells of {place} in the log")
            names = [target["name"] for target in agent.get("/api/v1/targets")["targets"]]
            expect(names == ["one"], f"targets after a wrong file: {names}")
            expect(agent.get("/api/v1/status")["sampling_interval_s"] == 0.1, "the interval is another")
            agent.configure(memory_warning_threshold_mb=1, targets=[other])
            expect(agent.do("POST", "/-/reload") == {"reloaded": True, "errors": []}, "it was not reread")
            found = agent.get("/api/v1/targets")["targets"]
            expect([target["name"] for target in found] == ["two"], f"targets after a right one: {found}")
            until(lambda: "memory_warning" in alerts(agent), "the new threshold holds")
            agent.configure(memory_warning_threshold_mb=0, targets=[rule, other], sampling_interval=0.2)
            agent.process.send_signal(signal.SIGHUP)
            until(lambda: not alerts(agent), "the alert ends with its threshold")
            until(lambda: len(agent.get("/api/v1/targets")["targets"]) == 2, "both are watched")
            expect(agent.get("/api/v1/status")["sampling_interval_s"] == 0.2, "the interval is not the new one")
            before = passes(agent)
            until(lambda: passes(agent) > before + 2, "it goes on at the new interval")


def passes(agent):
    return int(re.search(r"^holdfast_agent_passes_total (\d+)", agent.get("/metrics"), re.M).group(1))


def refusal(agent, status, *request, **more):
    got, answer = agent.ask(*request, **more)
    expect(got == status, f"{request} {more}: {got} instead of {status}: {answer}")
    return answer


def case_refusals(options):
    token = os.path.join(options.scratch, "token")
    write(token, hashlib.sha256(b"right").hexdigest() + "\n")
    targets = "/api/v1/targets"
    with Agent(options, listen="0.0.0.0:0", token_file=token, targets=[{"pid": os.getpid()}]) as agent:
        expect(agent.ask("GET", "/-/healthy")[0] == 200, "it is not healthy")
        for words in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic cmlnaHQ="}):
            refusal(agent, 401, "GET", targets, headers=words)
            refusal(agent, 401, "GET", "/metrics", headers=words)
            refusal(agent, 401, "POST", "/-/reload", headers={"X-Holdfast": "1", **words})
        bearer = {"Authorization": "Bearer right"}
        refusal(agent, 200, "GET", targets, headers=bearer)
        refusal(agent, 403, "GET", targets, headers={**bearer, "Host": "evil.example"})
        refusal(agent, 403, "POST", "/-/reload", headers=bearer)
        refusal(agent, 403, "POST", "/-/reload",
                headers={**bearer, "X-Holdfast": "1", "Origin": "http://evil.example"})
        answer = refusal(agent, 400, "GET", targets + "?sotr=rss&limit=0", headers=bearer)
        named = {parameter["name"] for parameter in answer["error"]["parameters"]}
        expect(named == {"sotr", "limit"}, f"named are {named}: {answer}")
        answer = refusal(agent, 400, "POST", "/api/v1/sessions", {"sesion_name": "a"}, bearer)
        named = {parameter["name"] for parameter in answer["error"]["parameters"]}
        expect({"sesion_name", "target"} <= named, f"named are {named}: {answer}")
        refusal(agent, 405, "PUT", targets, headers={"X-Holdfast": "1", **bearer})
        refusal(agent, 405, "POST", targets, headers={"X-Holdfast": "1", **bearer})
        refusal(agent, 404, "GET", "/api/v1/targets/999999", headers=bearer)
        refusal(agent, 404, "GET", "/api/v1/nothing", headers=bearer)
        expect(passes_more(agent, bearer), "it does not go on")


def passes_more(agent, headers):
    agent.headers = headers
    before = passes(agent)
    return until(lambda: passes(agent) > before, "another pass")


class Stream:
    """curl on the events, into a file."""

    def __init__(self, agent, path, last=None):
        words = ["-H", f"Last-Event-ID: {last}"] if last is not None else []
        self.path = path
        self.process = subprocess.Popen(
            ["curl", "-sS", "-N", "-o", path, *words, f"http://127.0.0.1:{agent.port}/api/v1/events/stream"],
            stdin=subprocess.DEVNULL)

    def events(self):
        """[(id, name, data)] of whole ones."""
        with contextlib.suppress(FileNotFoundError):
            with open(self.path, encoding="utf-8") as file:
                blocks = file.read().split("\n\n")[:-1]
            rows = [dict(line.split(": ", 1) for line in block.split("\n") if line[:1] != ":") for block in blocks]
            return [(int(row["id"]), row["event"], json.loads(row["data"])) for row in rows if "data" in row]
        return []

    def end(self):
        self.process.kill()
        self.process.wait()


def case_stream(options):
    with Agent(options, targets=[{"exe": options.scratch + "/*", "mode": "basic"}]) as agent:
        sleeper = copy_of(options, "/bin/sleep", "sleeper")
        agent.do("POST", "/-/reload")
        first = Stream(agent, os.path.join(options.scratch, "first"), 0)
        until(lambda: [e for e in first.events() if e[1] == "ConfigurationReloaded"], "the stream tells of before")
        with running(sleeper, "60"):
            until(lambda: [e for e in first.events() if e[1] == "TargetAppeared"], "an event comes live")
        first.end()
        seen = first.events()
        for _ in range(90): # more than a stream takes at once
            agent.do("POST", "/-/reload")
        second = Stream(agent, os.path.join(options.scratch, "second"), seen[-1][0])
        until(lambda: len(second.events()) >= 90, "the stream goes on where the first left off")
        agent.do("POST", "/-/reload")
        last = agent.events()[-1]["id"]
        until(lambda: second.events()[-1][0] >= last, "the newest event comes")
        seen += second.events()
        stored = agent.events()
        second.end()
    ids = [event[0] for event in seen]
    expect(ids == [event["id"] for event in stored], f"{len(ids)} events came, {len(stored)} are there: {ids}")
    expect([event[2] for event in seen] == stored, "the stream's events are others than the list's")


def session_files(agent, session):
    path = f"/api/v1/sessions/{session['session_id']}"
    snapshots = agent.get(path + "/snapshots")["snapshots"]
    expect(len(snapshots) > 3 and all(s["rss_bytes"] for s in snapshots), f"snapshots: {snapshots}")
    expect([s["time"] for s in snapshots] == sorted({s["time"] for s in snapshots}), "times of snapshots")
    chart = xml.dom.minidom.parseString(agent.get(path + "/chart.svg"))
    expect(chart.documentElement.tagName == "svg", "the chart is no SVG")
    return snapshots


def case_session(options):
    with server(options, "--rate=1000") as target:
        ready(target)
        rules = [{"name": "<a & b>", "pid": target.pid}]
        with Agent(options, targets=rules) as agent:
            first = begin_session(agent, target.pid, "<first> & \"only\"")
            expect(agent.target(target.pid)["traced"], "a session began, and the target is not traced")
            second = begin_session(agent, target.pid, "second")
            time.sleep(2) # what a session is about
            result = stop_session(agent, first)
            expect(result["state"] == "ended" and result["session_name"] == "<first> & \"only\"", result)
            peak = max(s["rss_bytes"] for s in session_files(agent, first)) / MIB
            expect(abs(result["peak_memory_mb"] - peak) < 1, f"peak {result['peak_memory_mb']}, seen {peak}")
            expect(result["statistics"]["samples"] > 3, result)
            report = agent.get(f"/api/v1/sessions/{first['session_id']}/report")
            expect(report["schema"] == "holdfast.report/1", list(report))
            path = os.path.join(options.scratch, "report.json")
            write(path, json.dumps(report))
            shown = subprocess.run([agent.holdfast, "report", path], text=True, capture_output=True,
                                   timeout=30 * talk.PATIENCE, check=False)
            expect(shown.returncode in (0, 1) and "parse_header_copy" in shown.stdout, f"{shown}")
            expect(agent.target(target.pid)["traced"], "the second session is not traced any more")
            expect(agent.get(f"/api/v1/sessions/{second['session_id']}")["state"] == "running", "the second ended")
            stop_session(agent, second)
            expect(stop_session(agent, first) == result, "what has ended changed when it was stopped again")
            states = [s["state"] for s in agent.get(f"/api/v1/sessions?target=pid-{target.pid}")["sessions"]]
            expect(states == ["ended", "ended"], states)
            until(lambda: not agent.target(target.pid)["traced"] or agent.target(target.pid)["state"] == "growing",
                  "the trace ends with the last session")
            operations = [e["details"]["operation"] for e in agent.events("MemoryOperationCompleted")]
            expect(operations.count("session") == 2, operations)
            agent.do("DELETE", f"/api/v1/sessions/{first['session_id']}")
            agent.get(f"/api/v1/sessions/{first['session_id']}", 404)


def case_session_basic(options):
    with python(BLOCKS) as target:
        ready(target)
        with Agent(options, mode="basic", targets=[{"pid": target.pid}]) as agent:
            session = begin_session(agent, target.pid)
            tell(target, signal.SIGUSR1)
            base = session["statistics"]["start_rss_bytes"]
            until(lambda: agent.target(target.pid)["rss_bytes"] > base + 35 * MIB, "it grows")
            tell(target, signal.SIGUSR2)
            until(lambda: agent.target(target.pid)["rss_bytes"] < base + 10 * MIB, "it shrinks")
            before = passes(agent)
            until(lambda: passes(agent) > before + 3, "some more passes")
            result = stop_session(agent, session)
            expect(result["peak_memory_mb"] > (base + 35 * MIB) / MIB, result)
            expect(result["detected_leaks"] == [], result)
            session_files(agent, session)
            answer = agent.get(f"/api/v1/sessions/{session['session_id']}/report", 404)
            expect("not traced" in json.dumps(answer), answer)
            agent.get("/api/v1/sessions/0123456789abcdef/report", 404)
            answer = agent.ask("POST", f"/api/v1/targets/pid-{target.pid}/trace", {"for_s": 5})
            expect(answer[0] >= 400 and "mode" in json.dumps(answer[1]), answer)
            expect(not code_changes(target.pid), "it is traced")


FIXED = ["memory_profiler_rss_bytes", "memory_profiler_vms_bytes", "memory_profiler_heap_objects",
         "memory_profiler_leaks_detected", "memory_profiler_gc_collections"]


def case_metrics(options):
    with python(OBJECTS) as target:
        ready(target)
        with Agent(options, mode="advanced", targets=[{"name": 'a "b" \\c', "pid": target.pid}]) as agent:
            session = begin_session(agent, target.pid)
            time.sleep(1) # what a session is about
            stop_session(agent, session)
            until(lambda: all(agent.metric(name, target.pid) is not None for name in FIXED),
                  "all five metrics are there")
            values = {name: agent.metric(name, target.pid) for name in FIXED}
            expect(values["memory_profiler_rss_bytes"] > MIB, values)
            expect(values["memory_profiler_heap_objects"] > 1000, values)
            collections = values["memory_profiler_gc_collections"]
            expect(collections > 10000, values)
            # Since the process began, whoever tells of it: while it is traced on, the count never falls.
            for _ in range(30):
                now = agent.metric("memory_profiler_gc_collections", target.pid)
                expect(now >= collections, f"{now} collections, {collections} before")
                time.sleep(0.1)
            text = agent.get("/metrics")
            status, open_text = agent.ask("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
            expect(status == 200 and open_text.endswith("# EOF\n"), open_text[-200:])
    for name in FIXED:
        expect(f"\n# TYPE {name} gauge\n" in "\n" + text, f"{name} is no gauge")
    if shutil.which("promtool"):
        check = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True,
                               timeout=60 * talk.PATIENCE, check=False)
        expect(check.returncode == 0, f"promtool: {check.returncode}: {check.stdout}{check.stderr}")


def flip(path, count, first):
    """Bytes at chance, from the given place on."""
    chance = random.Random(1)
    with open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for _ in range(count):
            place = chance.randrange(first, size)
            file.seek(place)
            byte = file.read(1)
            file.seek(place)
            file.write(bytes([byte[0] ^ 0x55]))


def case_damaged(options):
    with python(BLOCKS) as target:
        ready(target)
        agent = Agent(options, mode="basic", targets=[{"pid": target.pid}])
        database = os.path.join(agent.store, "holdfast.db")
        with agent:
            agent.end()
            for name, damage in (("head", lambda: flip(database, 1, 0) or write(database, "no database at all")),
                                 ("middle", lambda: flip(database, 2000, 100))):
                for wal in ("-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        os.remove(database + wal)
                damage()
                agent.start()
                until(lambda: agent.events("StoreSetAside"), f"{name}: the event StoreSetAside")
                aside = [file for file in os.listdir(agent.store) if ".damaged-" in file]
                expect(aside, f"{name}: nothing was set aside: {os.listdir(agent.store)}")
                expect("damaged" in agent.log(), f"{name}: nothing in the log")
                until(lambda: len(trend(agent, target.pid)) > 5, f"{name}: samples are stored")
                status = agent.end()
                expect(status == 0, f"{name}: exit {status}")
                for file in aside:
                    os.remove(os.path.join(agent.store, file))
                agent.start()
                expect(trend(agent, target.pid), f"{name}: the new store forgot its samples")
                expect(len(agent.events("StoreSetAside")) == 1, f"{name}: told again")
                agent.end()


def trend(agent, pid):
    return agent.get(f"/api/v1/targets/pid-{pid}/trends?points=10000&window_minutes=30")["timestamps"]


def shown_now(agent, pids, shown):
    """All that was seen before is still there; what is new is noted."""
    for pid in pids:
        times = set(trend(agent, pid))
        missing = shown.setdefault(pid, set()) - times
        expect(not missing, f"{len(missing)} samples of {len(shown[pid])} of process {pid} are gone: "
                            f"{sorted(missing)[-5:]}; there are {sorted(times)[-5:]}")
        shown[pid] = times


def case_killed(options):
    sleeper = copy_of(options, "/bin/sleep", "sleeper")
    served = copy_of(options, os.path.join(options.targets, "leaky_server"), "served")
    chance = random.Random(7)
    shown, shorts = {}, []
    with contextlib.ExitStack() as stack:
        longs = [stack.enter_context(running(sleeper, "86400")) for _ in range(9)]
        longs.append(ready(stack.enter_context(running(served, "--quiet", "--rate=500"))))
        stack.callback(lambda: [short.kill() for short in shorts])
        pids = [process.pid for process in longs]
        rules = [{"exe": served, "mode": "debug"}, {"exe": sleeper, "mode": "basic"}]
        agent = stack.enter_context(Agent(options, targets=rules))
        for round_ in range(KILLS):
            shorts += [subprocess.Popen([sleeper, f"{chance.random():.2f}"]) for _ in range(30)]
            shown_now(agent, pids, shown)
            if round_ % 4 == 0:
                until(lambda: agent.target(pids[-1])["traced"], "the server is traced")
            deadline = time.monotonic() + chance.random() * 0.5
            while time.monotonic() < deadline:
                time.sleep(0.15) # not more requests than one client may send
                shown_now(agent, pids, shown)
            agent.kill()
            expect(all(process.poll() is None for process in longs), f"a target died in round {round_}")
            if round_ % 20 == 19:
                print(f"{round_ + 1} rounds, {sum(map(len, shown.values()))} samples", flush=True)
            agent.start()
        shown_now(agent, pids, shown)
        expect(not agent.events("StoreSetAside"), "the store was damaged by kills")
        until(lambda: len(agent.get("/api/v1/targets?limit=1000")["targets"]) == len(longs),
              "what has ended is not told as running")
        expect(agent.end() == 0, "it did not end well")
        until(lambda: not code_changes(pids[-1]), "nothing is left in the server")
        for short in shorts:
            short.wait()
    total = sum(map(len, shown.values()))
    print(f"{total} samples of {len(shown)} targets, all there")
    expect(total > 25 * KILLS, f"only {total} samples were shown")


def peak_rss(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) << 10


def case_storm(options):
    held, pids = [], []
    with Agent(options, mode="basic", targets=[{"comm": "sh", "user": "root", "above": 1}]) as agent:
        # A slow machine has fewer in a short test, but all in a long one.
        deadline = time.monotonic() + (10 if SHORT_ONES <= 2000 else 3600)
        while len(pids) < SHORT_ONES and time.monotonic() < deadline * talk.PATIENCE:
            process = subprocess.Popen(["/bin/sh", "-c", "read x"], stdin=subprocess.PIPE)
            held.append(process)
            pids.append(process.pid)
            if len(held) > 100:
                held.pop(0).communicate()
        for process in held:
            process.communicate()
        expect(agent.process.poll() is None, "it ended")
        until(lambda: not running_of(agent, pids), "those that ended are not told as running")
        known = len({e["pid"] for e in agent.get("/api/v1/targets?state=all&limit=1000")["targets"]} & set(pids))
        expect(agent.ask("GET", "/healthz")[0] == 200, "it is not well")
        peak = peak_rss(agent.process.pid)
        below = len(descendants(agent.process.pid))
        print(f"{len(pids)} processes, {known} of a page of 1,000 known, at most {peak / MIB:.1f} MiB")
        expect(len(pids) == SHORT_ONES or SHORT_ONES <= 2000, f"only {len(pids)} processes")
        expect(known > 50, f"only {known} of {len(pids)} were seen")
        expect(peak < 64 * MIB, f"{peak / MIB:.1f} MiB")
        expect(below == 2, f"{below} processes below it") # the broker, and what counts for it


def running_of(agent, pids):
    found = agent.get("/api/v1/targets?limit=1000")["targets"]
    return {target["pid"] for target in found} & set(pids)


def exceeded(agent, threshold):
    return [e for e in agent.events("PerformanceThresholdExceeded") if e["details"]["threshold"] == threshold]


def health(agent):
    """Of the targets: what the agent itself takes beside other work is another matter."""
    status, answer = agent.ask("GET", "/healthz")
    return status, answer["memory"]["status"]


def case_thresholds(options):
    with python(BLOCKS) as target:
        ready(target)
        with Agent(options, mode="basic", targets=[{"pid": target.pid}]) as agent:
            base = agent.target(target.pid)["rss_bytes"] / MIB
            agent.configure(memory_warning_threshold_mb=base + 20, memory_critical_threshold_mb=base + 60)
            agent.do("POST", "/-/reload")
            expect(health(agent) == (200, "ok") and not alerts(agent), "not well at first")
            tell(target, signal.SIGUSR1)
            until(lambda: exceeded(agent, "memory_warning"), "the warning is told")
            until(lambda: health(agent) == (200, "warning"), "health is a warning")
            expect(alerts(agent) == {"memory_warning"}, alerts(agent))
            tell(target, signal.SIGUSR1)
            event, = until(lambda: exceeded(agent, "memory_critical"), "it is told that it is critical")
            expect(event["severity"] == "critical" and event["details"]["value"] >= event["details"]["limit"], event)
            expect(health(agent) == (503, "critical"), health(agent))
            expect(agent.target(target.pid)["state"] == "critical", "the target's state")
            alert, = [a for a in agent.get("/api/v1/alerts")["alerts"] if a["name"] == "memory_critical"]
            expect(alert["pid"] == target.pid and alert["severity"] == "critical", alert)
            expect(abs(alert["threshold"] - base - 60) < 0.01 and alert["value"] >= alert["threshold"], alert)
            tell(target, signal.SIGUSR2)
            until(lambda: health(agent) == (200, "ok"), "it is over", 60)
            expect(not alerts(agent), alerts(agent))
            ended = [e["details"]["threshold"] for e in agent.events("PerformanceThresholdEnded") if e["target"]]
            expect(sorted(ended) == ["memory_critical", "memory_warning"], ended)
            for name in ("memory_warning", "memory_critical"):
                expect(len(exceeded(agent, name)) == 1, f"{name} was told {len(exceeded(agent, name))} times")


def leak_of(agent, function):
    """The active leak with this function in its stack, or None."""
    for leak in agent.get("/api/v1/leaks")["leaks"]:
        if any(frame["function"] == function for frame in leak["stack"]):
            return leak
    return None


def check_leak(agent, pid, found):
    line, = [f for f in found["stack"] if f["function"] == "parse_header_copy"]
    expect(line["file"].endswith("leaky_server.c") and line["line"] > 0, line)
    expect(found["pid"] == pid and found["component"] == "other" and found["recommendation"], found)
    expect(found["growth_rate_mb_per_min"] > 0 and found["evidence"], found)
    event, = [e for e in agent.events("LeakDetected") if e["details"]["leak_id"] == found["leak_id"]]
    expect(f"leaky_server.c:{line['line']}" in event["text"] and event["pid"] == pid, event)
    expect(agent.metric("memory_profiler_leaks_detected", pid) >= 1, "no leak in the metrics")
    answer = agent.get("/healthz")
    expect(answer["leaks"]["active"] >= 1 and answer["status"] == "warning", answer)
    for id_ in ("latest", found["profile"]):
        report = agent.get(f"/api/v1/targets/pid-{pid}/profiles/{id_}")
        expect("parse_header_copy" in json.dumps(report["findings"]), "the profile does not show it")


def told(agent, leak):
    return len([e for e in agent.events("LeakDetected") if e["details"]["leak_id"] == leak["leak_id"]])


def look(agent, pid):
    """Has the trace that runs report now."""
    stop_session(agent, begin_session(agent, pid, "a look"))


def look_to_end(agent, pid):
    """A loss is told when a later look confirms it: until a target that stands still has none left to confirm."""
    counts = []
    while len(counts) < 3 or len(set(counts[-3:])) > 1:
        look(agent, pid)
        counts.append(leak_of(agent, "parse_header_copy")["lost_count"])
        expect(len(counts) < 20, f"the target stands still, and the losses go on: {counts}")


def case_leak(options):
    with server(options, "--rate=2000") as target:
        ready(target)
        with Agent(options, mode="production", targets=[{"pid": target.pid}]) as agent:
            found = until(lambda: leak_of(agent, "parse_header_copy"), "the leak is found", 90)
            check_leak(agent, target.pid, found)
            session = begin_session(agent, target.pid) # until the end: all is seen by one trace
            time.sleep(3) # it leaks, traced
            look(agent, target.pid)
            expect(told(agent, found) == 1, "what goes on is told again")
            target.send_signal(signal.SIGSTOP)
            look_to_end(agent, target.pid)
            expect(agent.do("DELETE", f"/api/v1/leaks/{found['leak_id']}") == {"cleared": 1}, "not cleared")
            agent.do("DELETE", "/api/v1/leaks")
            expect(agent.get("/api/v1/leaks")["leaks"] == [], "it was cleared, and is active")
            expect(agent.metric("memory_profiler_leaks_detected", target.pid) == 0, "the metrics show it")
            cleared = agent.get("/api/v1/leaks?state=cleared")["leaks"]
            expect(found["leak_id"] in [leak["leak_id"] for leak in cleared], cleared)
            agent.do("DELETE", f"/api/v1/leaks/{found['leak_id']}", status=404)
            look(agent, target.pid)
            expect(not leak_of(agent, "parse_header_copy"), "it came back without new evidence")
            target.send_signal(signal.SIGCONT)
            time.sleep(3) # it leaks, traced
            stop_session(agent, session)
            back = until(lambda: leak_of(agent, "parse_header_copy"), "with new evidence it is back", 180)
            expect(back["leak_id"] == found["leak_id"] and told(agent, found) == 2, back)
            target.send_signal(signal.SIGSTOP)
            look_to_end(agent, target.pid)
            until(lambda: not agent.target(target.pid)["traced"], "the trace ends with the session")
            agent.do("DELETE", "/api/v1/leaks")
            session = begin_session(agent, target.pid, "another trace")
            for _ in range(3):
                look(agent, target.pid)
            stop_session(agent, session)
            left = agent.get("/api/v1/leaks")["leaks"]
            expect(not left, f"what was lost before came back with another trace: {left}")


if __name__ == "__main__":
    sys.exit(main(sys.argv, {**vars(agent_ends), **vars(agent_gauges), **vars(agent_parts), **globals()}))
