# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent, live: whose memory it is, and where its numbers come from."""
import os
import time

import talk
from agent_live import Agent, expect, python, running, server, until

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
