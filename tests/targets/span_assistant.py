#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An assistant whose sessions, plugins and workflow's steps run interleaved under asyncio, and which declares what each keeps.

The conversation is that of truth.h. All that it keeps are bytearrays and ctypes buffers of more than 512 bytes (what is
smaller comes from pymalloc's arenas). Before go each function has run once, so that its code is known; nothing that
is kept then is declared.
"""
import asyncio
import ctypes
import gc
import json
import os
import random
import sys
import threading
import time

ROUNDS = 40
SIZES = range(600, 2100)
TYPES = {size: ctypes.c_char * size for size in SIZES}  # made here, for they take memory themselves
KEPT = [None] * 50000
TRUTH = {}
MANAGERS = {"session": "session_manager", "workflow_step": "workflow_orchestrator", "plugin": "plugin_manager",
            "component": "component_manager", "inference": "core_engine"}
MANAGED = dict.fromkeys(MANAGERS.values(), 0)
LOCK = threading.Lock()
STATE = {"kept": 0, "declared": False}


def keep(size, *owners):
    """A block of that size, and to whom it counts: a bytearray asks malloc for a byte more than its length."""
    with LOCK:
        place = STATE["kept"]
        STATE["kept"] += 1
        if STATE["declared"]: # the innermost is the first
            MANAGED[MANAGERS[owners[0][0]]] += size
        for owner in owners:
            held = TRUTH.setdefault(owner, [0, 0])
            if STATE["declared"]:
                held[0] += size
                held[1] += 1
    KEPT[place] = bytearray(size - 1) if place % 2 else TYPES[size]()


class SessionManager:
    async def handle(self, session_id, orchestrator):
        """A frame of it is on the stack only while this task runs."""
        owners = [("session", session_id)]
        keep(600 + len(session_id), *owners)
        await asyncio.sleep(random.random() / 500)
        await orchestrator.run(owners)
        for number in range(2):
            keep(700, *owners)
            await asyncio.sleep(0)
        bytearray(5000)


class ComponentManager:
    def load(self, component, owners):
        keep(800 + len(component), ("component", component), *owners)


class PluginManager:
    async def call(self, plugin, owners):
        def inner():
            return plugin  # so it is a cell

        keep(1000 + len(inner()), ("plugin", plugin), *owners)
        await asyncio.sleep(random.random() / 1000)
        keep(1500, ("plugin", plugin), *owners)


class WorkflowOrchestrator:
    def __init__(self):
        self.plugins = PluginManager()
        self.components = ComponentManager()
        self.engine = CoreEngine()

    async def run(self, owners):
        for step in range(3):
            await self.step(step, owners)
        await asyncio.gather(*(self.plugins.call(p, []) for p in ("search", "Übersetzer")))

    async def step(self, step, owners):
        mine = [("workflow_step", str(step)), *owners]
        keep(2000 + step, *mine)
        self.components.load("memory" if step % 2 else "retrieval", mine)
        await asyncio.sleep(random.random() / 1000)
        await self.plugins.call("wörld €", mine)
        self.engine.infer(-step * 10**9, mine)


class CoreEngine:
    def infer(self, request, owners):
        """Recursive: the innermost counts."""
        keep(900, ("inference", str(request)), *owners)
        if request < -1:
            self.infer(-1, owners)
            keep(901, ("inference", str(request)), *owners)


async def main(users):
    orchestrator, sessions = WorkflowOrchestrator(), SessionManager()
    await asyncio.gather(*(sessions.handle(user, orchestrator) for user in users for _ in range(ROUNDS)))


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run_all():
    threads = [threading.Thread(target=lambda: asyncio.run(main(["thread"])))]
    for thread in threads:
        thread.start()
    asyncio.run(main(["alice", "bob"]))
    for thread in threads:
        thread.join()
    # What asyncio itself has grown in somebody's span.
    asyncio.tasks._all_tasks.clear()
    gc.collect()


def run_once():
    """So that each function is known; what it kept goes again."""
    global TRUTH
    run_all()
    KEPT[:] = [None] * len(KEPT)
    TRUTH = {owner: [0, 0] for owner in TRUTH}  # as long as it will be
    gc.collect()


say(f"ready {os.getpid()}")
sys.stdin.readline()
run_once()
time.sleep(1)
STATE["declared"] = True
run_all()
spans = [{"span": span, "key": key, "outstanding_bytes": held[0], "outstanding_count": held[1]}
         for (span, key), held in sorted(TRUTH.items())]
managed = [{"name": name, "outstanding_bytes": held} for name, held in MANAGED.items()]
say(json.dumps({"pid": os.getpid(), "final": True, "spans": spans, "managed": managed}))
sys.stdin.readline()
