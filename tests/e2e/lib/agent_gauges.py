# SPDX-License-Identifier: GPL-2.0-or-later
"""Gauges that need no trace."""
import os

from agent_live import Agent, expect, python, running, until

# Collects a thousand times when it is told to, and says how often it has collected in all; "exec": becomes sleep.
COLLECTS = """
import gc, os, sys
gc.disable()
print('ready', flush=True)
for line in sys.stdin:
    if line == 'exec\\n':
        os.execv('/bin/sleep', ['sleep', '60'])
    for _ in range(1000):
        gc.collect(0)
    print(sum(generation['collections'] for generation in gc.get_stats()), flush=True)
"""


def tell(target, word):
    target.stdin.write(word.encode() + b"\n")
    target.stdin.flush()


def collected(target):
    tell(target, "go")
    return int(target.stdout.readline())


def link_of(path):
    """Where it leads; None: it is gone by now."""
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return None


def case_gc_counts(options):
    name = "memory_profiler_gc_collections"
    with python(COLLECTS) as target, running("/bin/sleep", "60") as other:
        target.stdout.readline()
        with Agent(options, mode="basic", targets=[{"pid": target.pid}, {"pid": other.pid}]) as agent:
            until(lambda: agent.target(target.pid)["gc_collections"] is not None, "collections are counted")
            expect(not agent.target(target.pid)["traced"], "it is traced")
            expect(agent.target(target.pid)["python"].startswith("3."), "its version is not known")
            for _ in range(3):
                truth = collected(target)
                until(lambda: agent.metric(name, target.pid) == truth, f"the metrics have {truth} collections")
            expect(agent.target(other.pid)["gc_collections"] is None, "sleep collects garbage")
            expect(not [e for e in agent.events("TraceFailed")], "a look where there is no Python is told as failed")
            folder = f"/proc/{agent.process.pid}/fd"
            held = [link for fd in os.listdir(folder) if (link := link_of(os.path.join(folder, fd)))]
            expect(not [path for path in held if path.endswith("/mem")], f"it can read memory of targets: {held}")
            agent.configure(enable_gc_monitoring=False)
            agent.do("POST", "/-/reload")
            until(lambda: agent.target(target.pid)["gc_collections"] is None, "it is switched off")
            agent.configure(enable_gc_monitoring=True)
            agent.do("POST", "/-/reload")
            truth = collected(target)
            until(lambda: agent.metric(name, target.pid) == truth, "it is switched on again")
            tell(target, "exec")
            until(lambda: agent.target(target.pid)["gc_collections"] is None, "another program has none")
