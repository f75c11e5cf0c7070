#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The client and a real agent, held against the truth of this very program; prints TAP.

    acceptance.py --start ./holdfast             start an agent for it, as a private one (root)
    acceptance.py --print-config [--pid PID]     the configuration that an agent needs for it
    acceptance.py --url URL                      an agent that runs with that configuration
    --only usage,sessions      some checks       --list      which there are
    --patience 180             seconds within which a leak and spans must be seen

This program is the target: an assistant under asyncio, whose core engine, component, user sessions,
plugins and workflow hold memory in sizes that it knows. All names come through the import shim.
"""
import argparse
import asyncio
import ctypes
import gc
import gzip
import json
import mmap
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
import xml.dom.minidom

PYTHON = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "user", "python"
)
sys.path[:0] = [PYTHON, os.path.join(PYTHON, "shim")]

from src.core.dependency_injection import Container  # noqa: E402
from src.observability.profiling import (  # noqa: E402
    AdvancedMemoryProfiler,
    HoldfastError,
    MemoryOperationCompleted,
    MemoryOperationStarted,
    MemoryProfilingConfig,
    MemoryProfilingLevel,
    MemoryProfilingMode,
    PerformanceThresholdExceeded,
    memory_profile,
    memory_profiling_session,
)

import holdfast  # noqa: E402

MIB = 1 << 20
BLOCK = 60000  # by malloc, below its threshold for mappings
WARNING_MB, CRITICAL_MB = 600.0, 1200.0


# The assistant


def allocate(size):
    """About `size` bytes in blocks of malloc, and how many bytes were asked for."""
    blocks = [bytearray(BLOCK) for _ in range(size // BLOCK)]
    return blocks, sum(len(block) + 1 for block in blocks)


class CoreEngine:
    def __init__(self):
        self.held = []
        self.bytes = {}

    async def infer(self, request, size):
        """A span `inference` by request; also the component core_engine."""
        for part in range(4):
            blocks, asked = allocate(size // 4)
            self.held.append(blocks)
            self.bytes[request] = self.bytes.get(request, 0) + asked
            await asyncio.sleep(0.01)
        return self.bytes[request]


class ComponentManager:
    """A component lives as long as load() does: a span `component` by name."""

    def __init__(self):
        self.held = []

    async def load(self, component, size, end):
        blocks, asked = allocate(size)
        self.held.append(blocks)
        await end.wait()
        return asked


HELD = []


async def hold_in_parts(size, pause):
    total = 0
    for part in range(4):
        blocks, asked = allocate(size // 4)
        HELD.append(blocks)
        total += asked
        await asyncio.sleep(pause)
    return total


class SessionManager:
    async def handle(self, session_id, size):
        return await hold_in_parts(size, 0.005)


class PluginManager:
    async def call(self, plugin, size):
        return await hold_in_parts(size, 0.007)


class WorkflowOrchestrator:
    async def step(self, step, size):
        await asyncio.sleep(0.003)
        blocks, asked = allocate(size)
        HELD.append(blocks)
        await asyncio.sleep(0.003)
        return asked


SESSIONS, PLUGINS, WORKFLOW = SessionManager(), PluginManager(), WorkflowOrchestrator()


def leaky_plugin(stop, lost):
    """Loses 20 blocks of 10,000 bytes a second: native memory that nothing refers to."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    while not stop.wait(0.05):
        libc.memset(libc.malloc(10000), 0x5A, 10000)
        lost[0] += 10000


def rings(count):
    for _ in range(count):
        ring = []
        ring.append(ring)


# The truth


def truth():
    """rss, vms, pss, uss in MB by the kernel's own count."""
    found = {}
    for name in ("status", "smaps_rollup"):
        with open(f"/proc/self/{name}", encoding="ascii", errors="replace") as file:
            for line in file:
                words = line.split()
                if words[-1] == "kB":
                    found.setdefault(words[0].rstrip(":"), int(words[1]) / 1024)
    uss = found["Private_Clean"] + found["Private_Dirty"]
    return found["VmRSS"], found["VmSize"], found["Pss"], uss


def hold(mib):
    memory = mmap.mmap(-1, mib << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for _ in range(mib):
        memory.write(b"x" * MIB)
    return memory


def near(have, want, relative=0.0, absolute=0.0, what="it"):
    assert have is not None, f"{what} is not known; it should be {want}"
    bound = max(abs(want) * relative, absolute)
    assert abs(have - want) <= bound, f"{what} is {have}, the truth {want} +- {bound}"


async def eventually(check, patience, pause=1.0):
    """Until `check` holds; its last complaint if it does not in time."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return check()
        except (AssertionError, HoldfastError):
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(pause)


def config(pid=None, comm=None):
    """Every key of the configuration, and the rules for the assistant."""
    component = [
        {"name": "core_engine", "function": "*CoreEngine.*"},
        {"name": "plugin_manager", "function": "*PluginManager.*"},
        {"name": "leaky_plugin", "function": "*leaky_plugin*"},
    ]
    spans = [
        ("inference", "__main__:CoreEngine.infer", "request"),
        ("component", "__main__:ComponentManager.load", "component"),
        ("session", "__main__:SessionManager.handle", "session_id"),
        ("plugin", "__main__:PluginManager.call", "plugin"),
        ("workflow_step", "__main__:WorkflowOrchestrator.step", "step"),
    ]
    return MemoryProfilingConfig(
        mode=MemoryProfilingMode.ADVANCED,
        level=MemoryProfilingLevel.DETAILED,
        sampling_interval=0.5,
        memory_warning_threshold_mb=WARNING_MB,
        memory_critical_threshold_mb=CRITICAL_MB,
        memory_growth_rate_threshold_mb_per_min=5000.0,
        enable_leak_detection=True,
        enable_component_tracking=True,
        enable_gc_monitoring=True,
        enable_recommendations=True,
        leak_detection_interval=10,
        enabled_backends=[
            "tracemalloc", "pympler", "gc", "system", "psutil", "native", "mmap", "faults",
        ],
        targets=[{"pid": pid}] if comm is None else [{"comm": comm}],
        listen="127.0.0.1:7654",
        store="/var/lib/holdfast-acceptance",
        budget="5%",
        components=component,
        spans=[
            {"name": name, "enter": enter, "key": key, "type": "string"}
            for name, enter, key in spans
        ],
        alerts={"log": {"format": "logfmt", "level": "info"}},
    )


# The checks


class Acceptance:
    def __init__(self, profiler, patience, directory):
        self.profiler = profiler
        self.patience = patience
        self.directory = directory
        self.session_id = None

    async def check_agent(self):
        """an agent answers, and it is a real one"""
        assert await self.profiler.connect(), self.profiler.degraded_reason

    async def check_usage(self):
        """get_current_memory_usage()['rss_mb'] and the others are the kernel's"""
        profiler = self.profiler
        rss, vms, pss, uss = truth()
        usage = profiler.get_current_memory_usage()
        near(usage["rss_mb"], rss, absolute=4, what="rss_mb")
        near(usage["vms_mb"], vms, relative=0.02, absolute=80, what="vms_mb")
        near(usage["pss_mb"], pss, absolute=4, what="pss_mb")
        near(usage["uss_mb"], uss, absolute=4, what="uss_mb")
        near(usage["timestamp"], time.time(), absolute=3, what="timestamp")
        memory = hold(80)
        grown = profiler.get_current_memory_usage()["rss_mb"] - usage["rss_mb"]
        near(grown, 80, absolute=3, what="growth by 80 MiB")
        memory.close()

    async def check_objects(self):
        """heap_objects is the number of the interpreter's objects"""

        def check():
            have = self.profiler.get_current_memory_usage()["heap_objects"]
            near(have, len(gc.get_objects()), relative=0.1, what="heap_objects")

        await eventually(check, self.patience)

    async def check_sessions(self):
        """start_profiling, stop_profiling: the peak is the peak"""
        profiler = self.profiler
        began = time.monotonic()
        session_id = await profiler.start_profiling(session_name="load", description="of a model")
        before = truth()[0]
        memory = hold(120)
        await asyncio.sleep(2)
        memory.close()
        await asyncio.sleep(1)
        session = await profiler.stop_profiling()
        assert session.session_id == session_id, "another session"
        assert (session.session_name, session.description) == ("load", "of a model")
        near(session.peak_memory_mb, before + 120, absolute=8, what="peak_memory_mb")
        assert len(session.detected_leaks) == 0, session.detected_leaks
        ended = time.monotonic()
        assert 3 <= session.statistics.duration_s <= ended - began, session.statistics
        self.session_id = session_id

    async def check_contexts(self):
        """memory_profiling_session and memory_profile, on async and plain functions"""
        profiler = self.profiler
        async with memory_profiling_session(profiler) as session_id:
            assert profiler.get_session(session_id).session_name == "unnamed"
        async with memory_profiling_session(profiler, session_name="block") as session_id:
            assert profiler.get_session(session_id).end_time is None
        assert profiler.get_session(session_id).end_time is not None

        @memory_profile(profiler, session_name="async function")
        async def asynchronous(x):
            await asyncio.sleep(0)
            return x

        @memory_profile(profiler, session_name="plain function")
        def plain(x):
            raise KeyError(x)

        assert await asynchronous(3) == 3
        assert asynchronous.last_session.session_name == "async function"
        try:
            plain(4)
        except KeyError as error:
            assert error.args == (4,)
        else:
            raise AssertionError("the exception did not pass through")
        assert plain.last_session.end_time is not None

    async def check_spans(self):
        """two sessions, two plugins, a workflow, inference and a component, interleaved: right bytes"""
        await asyncio.to_thread(self.trace)
        engine, component, end = CoreEngine(), ComponentManager(), asyncio.Event()
        await self.become_known(engine)
        HELD.extend([engine, component])
        life = asyncio.ensure_future(component.load("memory", 3 * MIB, end))
        names = [
            ("session", "ann"), ("session", "bob"), ("plugin", "search"), ("plugin", "mail"),
            ("workflow_step", "plan"), ("workflow_step", "act"), ("inference", "first"),
            ("inference", "second"),
        ]
        asked = await asyncio.gather(
            SESSIONS.handle("ann", 4 * MIB), SESSIONS.handle("bob", 8 * MIB),
            PLUGINS.call("search", 5 * MIB), PLUGINS.call("mail", 10 * MIB),
            WORKFLOW.step("plan", 2 * MIB), WORKFLOW.step("act", 6 * MIB),
            engine.infer("first", 7 * MIB), engine.infer("second", 12 * MIB),
        )  # fmt: skip
        end.set()
        expected = dict(zip(names, asked))
        expected["component", "memory"] = await life
        self.engine_bytes = sum(engine.bytes.values())

        def check():
            rows = self.profiler.get_span_memory_usage()
            have = {(row.span, row.key): row for row in rows}
            for name, size in expected.items():
                assert name in have, f"span {name} is not known"
                # A function is known as a span some milliseconds after its first allocation. By windows,
                # where the budget is not enough for all, a few blocks are a small sample.
                bound = 0.4 if have[name]["estimated"] else 0.1
                near(have[name].outstanding_bytes, size, relative=bound, what=f"span {name}")

        await eventually(check, self.patience)

    async def become_known(self, engine):
        """A function is known as a span some milliseconds after its first allocation: let that be past."""
        ended = asyncio.Event()
        ended.set()
        await asyncio.gather(
            SESSIONS.handle("first", MIB), PLUGINS.call("first", MIB), WORKFLOW.step("none", MIB),
            engine.infer("none", MIB), ComponentManager().load("none", MIB, ended),
        )  # fmt: skip
        await asyncio.sleep(2)

    def trace(self):
        """Ask for tracing now, and wait until it runs: what was before has no span."""
        backend = self.profiler._current()
        backend.call("POST", f"{backend._path}/trace", {"for_s": self.patience + 60})
        deadline = time.monotonic() + 30
        while not backend.call("GET", backend._path).get("traced"):
            assert time.monotonic() < deadline, "tracing did not begin"
            time.sleep(0.2)

    async def check_components(self):
        """get_component_memory_usage() and ("core_engine")['current_memory_mb']"""
        wanted = getattr(self, "engine_bytes", None)
        if wanted is None:
            await asyncio.to_thread(self.trace)
            engine = CoreEngine()
            HELD.append(engine)
            wanted = await engine.infer("only", 24 * MIB)

        def check():
            one = self.profiler.get_component_memory_usage("core_engine")
            near(one["current_memory_mb"], wanted / MIB, relative=0.1, what="core_engine")
            every = self.profiler.get_component_memory_usage()
            assert {"core_engine", "other"} <= set(every), list(every)

        await eventually(check, self.patience)

    async def check_trends(self):
        """get_memory_trends(window_minutes=10)['timestamps']"""
        trends = self.profiler.get_memory_trends(window_minutes=10)
        times = trends["timestamps"]
        assert len(times) >= 2 and times == sorted(times), times
        assert time.time() - 605 <= times[0] and times[-1] <= time.time() + 1
        near(trends["rss_mb"][-1], truth()[0], absolute=60, what="the last rss_mb")
        assert len(trends["vms_mb"]) == len(trends["heap_mb"]) == len(times)

    async def check_leaks(self):
        """a leak is found, with component, rate and recommendation; it can be cleared"""
        profiler = self.profiler
        stop, lost = threading.Event(), [0]
        thread = threading.Thread(target=leaky_plugin, args=(stop, lost))
        began = time.monotonic()
        async with memory_profiling_session(profiler, session_name="leak") as session_id:
            thread.start()
            try:

                def check():
                    found = [
                        leak for leak in profiler.get_active_leaks()
                        if leak["component"] == "leaky_plugin"
                    ]
                    assert found, "no leak of leaky_plugin"
                    return found[0]

                leak = await eventually(check, self.patience)
                rate = lost[0] / MIB / ((time.monotonic() - began) / 60)
            finally:
                stop.set()
                thread.join()
        near(leak["growth_rate_mb_per_min"], rate, relative=0.3, what="growth_rate_mb_per_min")
        assert leak.component == "leaky_plugin" and leak["recommendation"], leak
        session = profiler.get_session(session_id)
        assert any(one.component == "leaky_plugin" for one in session.detected_leaks)
        assert session.recommendations, "no recommendations"
        assert profiler.clear_leak_alerts(leak_id=leak.leak_id) == 1
        assert leak.leak_id not in [one.leak_id for one in profiler.get_active_leaks()]
        profiler.clear_leak_alerts()
        assert profiler.get_active_leaks() == []

    async def check_collection(self):
        """await force_garbage_collection() frees what is to be freed"""
        gc.collect()
        gc.disable()
        try:
            rings(5000)
            result = await self.profiler.force_garbage_collection()
            near(result["collected_objects"], 5000, relative=0.1, what="collected_objects")
            near(result["objects_freed"], 5000, relative=0.2, what="objects_freed")
            assert gc.collect() < 100, "it was not done"
        finally:
            gc.enable()

    async def check_events(self):
        """the three events, and health going bad at a threshold"""
        profiler = self.profiler
        before = profiler.health().status
        assert before == "ok", f"health is {before} before"
        async with profiler.events(timeout=self.patience) as events:
            async with memory_profiling_session(profiler, session_name="events") as session_id:
                pass
            memory = hold(int(WARNING_MB - truth()[0]) + 40)
            wanted = [MemoryOperationStarted, MemoryOperationCompleted, PerformanceThresholdExceeded]
            async for event in events:
                if wanted[0] is PerformanceThresholdExceeded:
                    good = event.details.get("threshold") == "memory_warning"
                else:
                    good = event.details.get("session_id") == session_id
                if type(event) is wanted[0] and good:
                    wanted.pop(0)
                    if not wanted:
                        break
            assert not wanted, f"no {wanted[0].__name__}"
        near(event.details["limit"], WARNING_MB, relative=0.001, what="limit")
        status = profiler.health().status
        memory.close()
        assert status in ("warning", "critical"), f"health is {status} above the threshold"

    async def check_files(self):
        """JSON report, raw export and chart are written"""
        profiler = self.profiler
        if self.session_id is None:
            async with memory_profiling_session(profiler) as self.session_id:
                await asyncio.sleep(1.5)
        paths = [os.path.join(self.directory, name) for name in ("r.json.gz", "raw", "c.svg")]
        profiler.save_report(self.session_id, paths[0])
        report = holdfast.report.load(paths[0])
        with gzip.open(paths[0]) as file:
            assert json.load(file)["schema"] == "holdfast.report/1"
        assert report.target.pid == os.getpid(), report.target
        self.look_at_files(paths)

    def look_at_files(self, paths):
        self.profiler.export_raw(self.session_id, paths[1])
        with open(paths[1], encoding="utf-8") as file:
            snapshots = json.load(file)["snapshots"]
        assert snapshots and "rss_bytes" in snapshots[0], "no snapshots"
        self.profiler.save_chart(self.session_id, paths[2])
        assert xml.dom.minidom.parse(paths[2]).documentElement.tagName == "svg"
        for path in paths:
            assert os.stat(path).st_mode & 0o777 == 0o600, path

    async def check_metrics(self):
        """the five metrics are there, as gauges"""
        transport = self.profiler._current().transport
        text = b"".join(transport.stream("/metrics")).decode()
        for name in ("rss_bytes", "vms_bytes", "heap_objects", "leaks_detected", "gc_collections"):
            assert f"# TYPE memory_profiler_{name} gauge\n" in text, name
            assert f"\nmemory_profiler_{name}" in text, name


CHECKS = [
    "agent", "usage", "objects", "sessions", "contexts", "trends", "collection", "events", "files",
    "metrics", "spans", "components", "leaks",
]  # fmt: skip


async def run(profiler, chosen, patience):
    """The number of checks that failed."""
    failed = 0
    directory = tempfile.mkdtemp(prefix="holdfast-acceptance-")
    try:
        acceptance = Acceptance(profiler, patience, directory)
        print(f"1..{len(chosen)}", flush=True)
        for number, name in enumerate(chosen, 1):
            check = getattr(acceptance, f"check_{name}")
            try:
                await check()
                print(f"ok {number} - {name}: {check.__doc__}", flush=True)
            except Exception:
                failed += 1
                print(f"not ok {number} - {name}: {check.__doc__}")
                for line in traceback.format_exc().rstrip().split("\n")[-8:]:
                    print(f"# {line}", flush=True)
    finally:
        shutil.rmtree(directory)
    return failed


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--start", metavar="BINARY")
    parser.add_argument("--url")
    parser.add_argument("--print-config", action="store_true")
    parser.add_argument("--pid", type=int)
    parser.add_argument("--only", default=",".join(CHECKS))
    parser.add_argument("--patience", type=float, default=180)
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    if given.list:
        print(*CHECKS, sep="\n")
        return 0
    if given.print_config:
        rule = {"pid": given.pid} if given.pid else {"comm": "python3*"}
        print(config(**rule).to_yaml(), end="")
        return 0
    chosen = given.only.split(",")
    if not set(chosen) <= set(CHECKS) or (given.start is None) == (given.url is None):
        parser.error("--start or --url, and checks of --list")
    if given.start is not None:
        os.environ["HOLDFAST_BIN"] = os.path.abspath(given.start)
        module = sys.modules["holdfast.profiler"]
        module.DEFAULT_SOCKET, module.DEFAULT_TCP = "/nonexistent", "http://127.0.0.1:1"
        os.environ.pop("HOLDFAST_AGENT", None)
    container = Container()
    profiler = AdvancedMemoryProfiler(container, config(os.getpid()), url=given.url, degrade=False)
    try:
        return 1 if asyncio.run(run(profiler, chosen, given.patience)) else 0
    finally:
        profiler.close()


if __name__ == "__main__":
    sys.exit(main())
