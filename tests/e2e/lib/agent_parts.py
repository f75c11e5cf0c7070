# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent, live: whose memory it is, and where its numbers come from."""
import os
import subprocess
import time

import talk
from agent_live import Agent, Skipped, copy_of, descendants, expect, python, running, server, until

BACKENDS = ["tracemalloc", "pympler", "gc", "system", "psutil", "native", "mmap", "faults"]

# Objects, blocks, mappings, faults, collections: all that a backend may see.
ALL_SORTS = """
import gc, mmap, time
class Kept: pass
kept, blocks, maps = [], [], []
def allocate():
    kept.extend(Kept() for _ in range(50))
    blocks.append(bytearray(20000))
    maps.append(mmap.mmap(-1, 65536))
    maps[-1][0] = 1
    del kept[:-5000], blocks[:-500], maps[:-100] # or one look at it would take ever longer
print("ready", flush=True)
while True:
    allocate()
    gc.collect(0)
    time.sleep(0.02)
"""


def components(agent, pid):
    """{name: component} of the newest report."""
    rows = agent.get(f"/api/v1/targets/{agent.target(pid)['id']}/components")["components"]
    return {row["name"]: row for row in rows}


def report_now(agent, pid):
    """Has the trace that runs report: a session's end does."""
    session = agent.do("POST", "/api/v1/sessions", {"target": f"pid-{pid}", "session_name": "a look"}, 201)["session_id"]
    agent.do("POST", f"/api/v1/sessions/{session}/stop")


def same(agent, pid, truth):
    found = components(agent, pid)
    return all(part["name"] in found and found[part["name"]]["outstanding_bytes"] == part["outstanding_bytes"]
               for part in truth)


def case_threads(options):
    """Components by thread from the file, against what the program knows."""
    rules = [{"name": "engine", "thread": "engine-*"}, {"name": "plugin", "thread": "plugin-*"},
             {"name": "workflow", "thread": "workflow"}]
    target = talk.Target([os.path.join(options.targets, "named_threads")])
    try:
        target.wait_ready()
        with Agent(options, targets=[{"pid": target.pid, "mode": "debug"}], components=rules) as agent:
            until(lambda: agent.target(target.pid)["traced"], "it is traced")
            truth = target.run(60)[-1]["components"]
            report_now(agent, target.pid)
            until(lambda: same(agent, target.pid, truth), f"the components are {truth}", 60)
            # Four threads: four stacks of 8 MiB, four arenas of 64.
            held = sum(part["outstanding_bytes"] for part in truth)
            until(lambda: held <= agent.target(target.pid)["heap_live_bytes"] < held + (1 << 20), f"heap live is {held}")
            found = components(agent, target.pid)
            expect(not found["engine"]["estimated"], "every call was seen, and it is told as estimated")
            expect("fits nothing" not in agent.log(), agent.log())
    finally:
        target.end()


def report_of_session(agent, pid, seconds=3):
    """The report of a session that long, and its result."""
    session = agent.do("POST", "/api/v1/sessions", {"target": f"pid-{pid}", "session_name": "a session"}, 201)
    until(lambda: agent.target(pid)["traced"], "it is traced")
    time.sleep(seconds) # what a session is about
    result = agent.do("POST", f"/api/v1/sessions/{session['session_id']}/stop")
    return agent.get(f"/api/v1/sessions/{session['session_id']}/report"), result


def all_shown(agent, pid):
    """What each backend is seen by, of a target that is traced: {backend: it is there}."""
    report, result = report_of_session(agent, pid)
    frames, pythons = report["frames"], report["python"]
    memory = agent.get(f"/api/v1/targets/pid-{pid}/usage")
    gauges = [memory["rss_bytes"], memory["vms_bytes"], memory["pss_bytes"], result["peak_memory_mb"],
              agent.metric("memory_profiler_rss_bytes", pid), agent.metric("memory_profiler_vms_bytes", pid)]
    counts = [memory["gc_collections"], agent.metric("memory_profiler_gc_collections", pid)]
    counts += [p.get("collector") for p in pythons]
    for name, values in (("gauges", gauges), ("counts", counts)):
        expect(len({value is None for value in values}) == 1, f"{name} are half there: {values}")
    return {
        "tracemalloc": any(frame["kind"] == "python" for frame in frames),
        "pympler": any(p["types"] for p in pythons) and memory["heap_objects"] is not None,
        "gc": counts[0] is not None,
        "gauges": gauges[0] is not None,
        "native": any(site["allocator"] == "malloc" for site in report["sites"]),
        "mmap": any(site["allocator"] == "mmap" for site in report["sites"]),
        "faults": bool(report["faults"]),
    }, report["quality"]["notes"]


def shown_in_time(agent, pid, off=None):
    """The same, once all is there but what is off: a look at all objects may take its time."""
    for _ in range(5):
        shown, notes = all_shown(agent, pid)
        if all(there for name, there in shown.items() if name != off):
            break
    return shown, notes


def case_example(options):
    """The example for an assistant, as it is printed, against what such a program declares."""
    program = os.path.join(os.path.dirname(__file__), "..", "..", "targets", "span_assistant.py")
    target = talk.Target(["/usr/bin/python3", program])
    try:
        target.wait_ready()
        agent = Agent(options)
        with open(agent.config, "w", encoding="utf-8") as file:
            subprocess.run([agent.holdfast, "agent", "--print-example"], stdout=file, check=True)
        # Where it serves, and that every call is seen: the truth is exact.
        agent.words = ["--listen", "127.0.0.1:0", "--store", agent.store, "--mode", "debug", "--sampling-interval",
                       "0.2", "--log-level", "info"]
        with agent:
            until(lambda: agent.target(target.pid)["traced"], "it is traced")
            expect(agent.target(target.pid)["name"] == "assistant", agent.target(target.pid))
            truth = target.run(90)[-1]
            report, _ = report_of_session(agent, target.pid, 1)
            path = f"/api/v1/targets/pid-{target.pid}"
            rows = agent.get(path + "/spans?limit=1000")["spans"]
            spans = {(row["span"], row["key"]): row["outstanding_bytes"] for row in rows}
            expect(spans == {(s["span"], s["key"]): s["outstanding_bytes"] for s in truth["spans"]}, f"{spans}, {truth}")
            held = {name: row["outstanding_bytes"] for name, row in components(agent, target.pid).items()}
            mapped = sum(s["outstanding_bytes"] for s in report["sites"] if s["allocator"] == "mmap")
            for part in truth["managed"]:
                expect(0 <= held[part["name"]] - part["outstanding_bytes"] <= mapped, f"{held}, {truth['managed']}")
    finally:
        target.end()


def case_backends(options):
    """Each switches what it names, and nothing else; all of a report says what is off."""
    with python(ALL_SORTS) as target:
        target.stdout.readline()
        rule = {"pid": target.pid, "mode": "debug"}
        with Agent(options, targets=[rule]) as agent:
            until(lambda: agent.target(target.pid)["gc_collections"], "collections are counted")
            shown, notes = shown_in_time(agent, target.pid)
            expect(all(shown.values()), f"not all is there with all backends: {shown}")
            expect(not any("switched off" in note for note in notes), notes)
            for off in ("tracemalloc", "pympler", "gc", "native", "mmap", "faults"):
                agent.configure(enabled_backends=[name for name in BACKENDS if name != off])
                agent.do("POST", "/-/reload")
                until(lambda: not agent.target(target.pid)["traced"], f"the trace of before ends: {off}")
                until(lambda: agent.target(target.pid)["traced"], f"it is traced without {off}")
                shown, notes = shown_in_time(agent, target.pid, off)
                expect([name for name, there in shown.items() if not there] == [off], f"without {off}: {shown}")
                expect(off == "faults" or any("switched off" in note for note in notes), f"{off}: {notes}")
            agent.configure(enabled_backends=["native", "psutil"])
            agent.do("POST", "/-/reload")
            until(lambda: agent.target(target.pid)["rss_bytes"], "psutil alone reads memory")
            agent.configure(enabled_backends=["native"])
            agent.do("POST", "/-/reload")
            until(lambda: agent.target(target.pid)["rss_bytes"] is None, "without gauges there is no RSS")
            shown, notes = all_shown(agent, target.pid)
            expect([name for name, there in shown.items() if there] == ["native"], f"native alone: {shown}")
            agent.configure(enabled_backends=["gc"])
            agent.do("POST", "/-/reload")
            answer = agent.ask("POST", f"/api/v1/targets/pid-{target.pid}/trace", {"for_s": 5})
            expect(answer[0] >= 400 and "enabled_backends" in str(answer[1]), answer)
            until(lambda: agent.target(target.pid)["gc_collections"], "gc alone counts collections")


def stored(agent, pid):
    rows = agent.get("/api/v1/targets?state=all&limit=1000")["targets"]
    return [row for row in rows if row["pid"] == pid][-1]


def case_renamed(options):
    """A reload gives a target another name and rule: also what is stored of it, for whoever asks after its end."""
    with running("sleep", "600") as target, running("sleep", "600") as other:
        first = {"name": "first", "pid": target.pid, "mode": "basic"}
        with Agent(options, targets=[first]) as agent:
            expect(stored(agent, target.pid)["name"] == "first", stored(agent, target.pid))
            rule = stored(agent, target.pid)["rule"]
            agent.configure(targets=[{"pid": other.pid, "mode": "basic"}, {**first, "name": "second"}])
            agent.do("POST", "/-/reload")
            target.kill()
            until(lambda: stored(agent, target.pid)["state"] == "ended", "its end is stored")
            row = stored(agent, target.pid)
            expect((row["name"], row["rule"]) == ("second", "1") and rule == "0", row)


def case_own(options):
    """Rules that fit the agent's own helpers find none of them."""
    with Agent(options, mode="basic", targets=[{"comm": "holdfast-*"}]) as agent:
        names = {open(f"/proc/{pid}/comm", encoding="utf-8").read().strip() for pid in descendants(agent.process.pid)}
        expect("holdfast-broker" in names, names)
        if "holdfast-count" not in names:
            raise Skipped(f"there is no counter here: {names}")
        # A process that came after them is met: so were they.
        with running(copy_of(options, "/bin/sleep", "holdfast-not"), "600") as other:
            until(lambda: other.pid in [row["pid"] for row in agent.get("/api/v1/targets")["targets"]], "others are met", 40)
            ours = descendants(agent.process.pid)
            found = [row["comm"] for row in agent.get("/api/v1/targets")["targets"] if row["pid"] in ours]
            expect(not found, f"its own processes are targets: {found}")


def case_scans(options):
    """Whether heaps are looked at is the mode's choice, by what is known of the target at that moment."""
    with server(options, "--rate=2000") as grows, running("sleep", "600") as idle:
        grows.stdout.readline()
        with Agent(options, targets=[{"pid": grows.pid, "mode": "standard"}]) as agent:
            report, _ = report_of_session(agent, grows.pid)
            expect(not report["capture"]["scans"] and report["sites"], f"standard: {report['capture']}")
            agent.configure(targets=[{"pid": idle.pid, "mode": "advanced"}])
            agent.do("POST", "/-/reload")
            until(lambda: agent.target(idle.pid)["traced"], "advanced traces always")
            expect("looked at from now on" not in agent.log(), "nothing is suspected, and its heap is looked at")
            report, _ = report_of_session(agent, idle.pid)
            expect(report["capture"]["scans"], f"asked for in advanced: {report['capture']}")
            until(lambda: "not looked at any more" in agent.log(), "nobody asks any more")
            agent.configure(targets=[{"pid": grows.pid, "mode": "production"}])
            agent.do("POST", "/-/reload")
            until(lambda: agent.target(grows.pid)["traced"], "it grows, and is traced", 60)
            until(lambda: report_of_session(agent, grows.pid)[0]["capture"]["scans"], "growth persists in production", 90)
            agent.configure(targets=[{"pid": idle.pid, "mode": "production"}])
            agent.do("POST", "/-/reload")
            report, _ = report_of_session(agent, idle.pid)
            expect(not report["capture"]["scans"], f"nothing grows in production: {report['capture']}")
