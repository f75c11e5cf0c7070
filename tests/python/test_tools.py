# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading reports, the import shim, the command line, the typing of it all."""
import gzip
import json
import os
import shutil
import subprocess
import sys
import unittest

import holdfast
from common import ROOT, ClientTest, run
from fake_agent import REPORT

PYTHON = os.path.join(ROOT, "user", "python")


class Reports(ClientTest):
    def test_a_report_of_hunt(self):
        with open(REPORT, encoding="utf-8") as file:
            plain = json.load(file)
        report = holdfast.report.load(REPORT)
        self.assertEqual(report.target.comm, plain["target"]["comm"])
        self.assertEqual(report.verdict.state, plain["verdict"]["state"])
        self.assertEqual(len(report.findings), len(plain["findings"]))
        self.assertTrue(plain["sites"])
        for site, row in zip(report.sites, plain["sites"]):
            self.assertEqual(site.stack, [plain["frames"][n] for n in row["stack"]])
        frames = [finding.stack for finding in report.findings] + [s.stack for s in report.sites]
        frame = next(stack for stack in frames if stack)[0]
        self.assertIsInstance(frame, holdfast.report.Frame)
        self.assertIsInstance(frame.line, int)

    def test_small_ones(self):
        folder = os.path.dirname(REPORT)
        for name in os.listdir(folder):
            try:
                holdfast.report.load(os.path.join(folder, name))
            except holdfast.HoldfastError as error:
                self.assertEqual(error.code, "HF-E-BADFILE")

    def test_damaged_files(self):
        with open(REPORT, "rb") as file:
            data = file.read()
        whole = json.loads(data)
        packed = gzip.compress(data)

        def without(*keys):
            changed = json.loads(data)
            inner = changed
            for key in keys[:-1]:
                inner = inner[key]
            del inner[keys[-1]]
            return json.dumps(changed).encode()

        site = json.loads(data)
        site["sites"][0]["stack"] = [len(whole["frames"])]
        negative = json.loads(data)
        negative["sites"][0]["stack"] = [-1]
        wrong = json.loads(data)
        wrong["memory"]["rss_bytes"] = "much"
        for damage in (
            b"", b"{}", b"[]", b"null", b"\x1f\x8b", packed[:-20], packed[:100] + b"x" + packed[101:],
            data[:500], b"\xff" + data, b"[" * 100000,
            data.replace(b"holdfast.report/1", b"holdfast.report/9"),
            without("target"), without("findings"), without("verdict", "state"),
            without("quality", "notes"), without("findings", 0, "stack"),
            json.dumps(site).encode(), json.dumps(negative).encode(), json.dumps(wrong).encode(),
        ):
            self.assertFails("HF-E-BADFILE", holdfast.report.loads, damage)
        self.assertFails("HF-E-NOFILE", holdfast.report.load, self.path("none"))
        self.assertFails("HF-E-NOFILE", holdfast.report.load, self.directory)


class Shim(ClientTest):
    EXAMPLE = """
import asyncio
from src.core.dependency_injection import Container
from src.observability.profiling import (
    AdvancedMemoryProfiler, MemoryProfilingConfig, MemoryProfilingLevel, MemoryProfilingMode,
    memory_profile, memory_profiling_session,
)
import holdfast
container = Container()
profiler = AdvancedMemoryProfiler(container)
config = MemoryProfilingConfig(mode=MemoryProfilingMode.ADVANCED, level=MemoryProfilingLevel.DETAILED)
profiler = AdvancedMemoryProfiler(container, config)
assert profiler.container is container and profiler.config is config
assert AdvancedMemoryProfiler is holdfast.AdvancedMemoryProfiler
container.register("n", 3)
container.register(dict)
assert container.get("n") == 3 and container.get(dict) is container.get(dict) == {}

@memory_profile(profiler, session_name="infer")
async def infer():
    return 1

async def main():
    assert profiler.get_current_memory_usage()['rss_mb'] > 1
    await profiler.start_profiling(session_name="a", description="b")
    session = await profiler.stop_profiling()
    assert session.peak_memory_mb > 1 and len(session.detected_leaks) == 0
    async with memory_profiling_session(profiler, session_name="c") as session_id:
        assert await infer() == 1 and session_id
    result = await profiler.force_garbage_collection()
    print(result['collected_objects'], result['objects_freed'])
asyncio.run(main())
"""

    def test_as_in_the_examples(self):
        agent = self.agent()
        paths = os.pathsep.join([PYTHON, os.path.join(PYTHON, "shim")])
        done = self.python(self.EXAMPLE, PYTHONPATH=paths, HOLDFAST_AGENT=agent.url)
        self.assertEqual((done.returncode, done.stderr, done.stdout), (0, "", "0 0\n"))

    def test_beside_a_src_of_the_programs_own(self):
        os.makedirs(self.path("src/core"))
        with open(self.path("src/core/engine.py"), "w", encoding="ascii") as file:
            file.write("X = 1\n")
        paths = os.pathsep.join([self.directory, PYTHON, os.path.join(PYTHON, "shim")])
        text = (
            "from src.core.engine import X\n"
            "from src.core.dependency_injection import Container\n"
            "from src.observability.profiling import AdvancedMemoryProfiler\n"
        )
        done = self.python(text, PYTHONPATH=paths)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class CommandLine(ClientTest):
    def call(self, *arguments, **environ):
        values = dict(os.environ, PYTHONPATH=PYTHON, **environ)
        return subprocess.run(
            [sys.executable, "-m", "holdfast", *arguments],
            env=values, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False,
            universal_newlines=True,
        )

    def test_usage(self):
        for arguments in ((), ("--help",)):
            done = self.call(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for word in ("usage PID", "events", "report FILE"):
                self.assertIn(word, done.stdout)
        self.assertIn("holdfast client", self.call("--version").stdout)

    def test_answers(self):
        agent = self.agent()
        agent.state.add_leak(os.getpid())
        me = str(os.getpid())
        usage = json.loads(self.call("usage", me, HOLDFAST_AGENT=agent.url).stdout)
        self.assertEqual(usage["heap_objects"], 12345)
        (leak,) = json.loads(self.call("leaks", me, "--url", agent.url).stdout)
        self.assertEqual(leak["component"], "core_engine")
        for word in ("trends", "components", "gc"):
            done = self.call(word, me, "--url", agent.url)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            json.loads(done.stdout)
        health = self.call("health", HOLDFAST_AGENT=agent.url)
        self.assertEqual((json.loads(health.stdout)["status"], health.returncode), ("ok", 0))

    def test_without_an_agent(self):
        done = self.call("usage", str(os.getpid()), HOLDFAST_AGENT="none")
        self.assertEqual(done.returncode, 0)
        self.assertGreater(json.loads(done.stdout)["rss_mb"], 1)
        self.assertIn("only the gauges of /proc", done.stderr)
        self.assertNotIn("Warning", done.stderr)

    def test_wrong_words(self):
        for arguments in (
            ("frobnicate",), ("usage",), ("usage", "x"), ("usage", "0"), ("report",), ("--no",)
        ):
            done = self.call(*arguments)
            self.assertEqual((done.returncode, done.stdout), (64, ""), arguments)
            self.assertNotIn("Traceback", done.stderr)
        for arguments in (
            ("report", self.path("none")), ("usage", "4194305", "--url", "none"),
            ("health", "--url", "nonsense"),
        ):
            done = self.call(*arguments)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn("[HF-E-", done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    def test_report(self):
        done = self.call("report", REPORT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(holdfast.report.load(REPORT).verdict.state, done.stdout)


class Acceptance(ClientTest):
    """The script that meets the real agent runs, and tells truth from its opposite."""

    def call(self, *arguments):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "acceptance.py")
        return subprocess.run(
            [sys.executable, script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=120, check=False, universal_newlines=True,
        )

    def test_what_a_fake_can_answer(self):
        agent = self.agent()
        good = "agent,usage,contexts,trends,metrics"
        done = self.call("--url", agent.url, "--only", good)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(done.stdout.count("\nok "), 5, done.stdout)

    def test_what_it_can_not(self):
        agent = self.agent()
        bad = "objects,sessions,collection,files"  # numbers that are made up
        done = self.call("--url", agent.url, "--only", bad, "--patience", "0.1")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout.count("\nnot ok "), 4, done.stdout)

    def test_its_configuration(self):
        done = self.call("--print-config", "--pid", "4312")
        self.assertIn("    - pid: 4312\n", done.stdout)
        self.assertIn("core_engine", done.stdout)
        for key in ("enable_gc_monitoring", "enabled_backends", "spans", "alerts", "budget"):
            self.assertIn(f"\n  {key}:", done.stdout)


class Typing(ClientTest):
    USE = """
from typing import Dict, List, Optional
from holdfast import (AdvancedMemoryProfiler, ComponentUsage, Leak, MemoryEvent, memory_profile,
                      memory_profiling_session)

profiler = AdvancedMemoryProfiler()

@memory_profile(profiler, session_name="x")
def work(x: int) -> str:
    return str(x)

async def main() -> None:
    a: float = profiler.get_current_memory_usage().rss_mb
    b: str = await profiler.start_profiling(session_name="x")
    c: Optional[float] = (await profiler.stop_profiling()).peak_memory_mb
    d: List[Leak] = profiler.get_active_leaks()
    e: Dict[str, ComponentUsage] = profiler.get_component_memory_usage()
    f: Optional[float] = profiler.get_component_memory_usage("x").current_memory_mb
    g: str = profiler.start_profiling().result()
    async with memory_profiling_session(profiler) as h:
        b = h
    async for event in profiler.events():
        i: MemoryEvent = event
    k: str = work(3)
    work("3")  # wrong
    profiler.get_current_memory_usage().rss  # wrong
"""

    def test_mypy(self):
        mypy = shutil.which("mypy")
        if mypy is None:
            self.skipTest("mypy is not installed")
        if os.environ.get("HF_CLIENT_MYPY") == "no":
            self.skipTest("it runs in an interpreter of its own, and has been run")
        base = [mypy, "--strict", "--no-error-summary", "--cache-dir", self.path("cache")]
        environ = dict(os.environ, MYPYPATH=PYTHON)
        for version in ("3.9", "3.11"):
            done = subprocess.run(
                [*base, "--python-version", version, "-p", "holdfast"],
                env=environ, cwd=self.directory, stdout=subprocess.PIPE, check=False,
                universal_newlines=True,
            )
            self.assertEqual((done.stdout, done.returncode), ("", 0))
        with open(self.path("use.py"), "w", encoding="ascii") as file:
            file.write(self.USE)
        done = subprocess.run(
            [*base, "use.py"],
            env=environ, cwd=self.directory, stdout=subprocess.PIPE, check=False,
            universal_newlines=True,
        )
        wrong = [n for n, line in enumerate(self.USE.split("\n"), 1) if "# wrong" in line]
        told = [int(line.split(":")[1]) for line in done.stdout.splitlines()]
        self.assertEqual(told, wrong, done.stdout)

    def test_standard_library_only(self):
        if sys.version_info < (3, 10):
            self.skipTest("sys.stdlib_module_names came with Python 3.10")
        text = (
            "import sys; before = set(sys.modules)\n"
            "import holdfast, holdfast.__main__\n"
            "names = {name.split('.')[0] for name in set(sys.modules) - before}\n"
            "print(sorted(names - set(sys.stdlib_module_names) - {'holdfast'}))\n"
        )
        self.assertEqual(self.python(text, PYTHONPATH=PYTHON).stdout, "[]\n")


if __name__ == "__main__":
    unittest.main()
