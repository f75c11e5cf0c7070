# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the client have in common."""
import asyncio
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import holdfast
from fake_agent import FakeAgent

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OURS = ("HOLDFAST_AGENT", "HOLDFAST_TOKEN", "HOLDFAST_TOKEN_FILE", "HOLDFAST_BIN")


def until(condition, timeout=10.0, what="it"):
    """Wait for something that another thread or process does."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come true within {timeout} s")


class ClientTest(unittest.TestCase):
    """A folder of one's own, an environment without our variables, and no agent found by itself."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="hf-test-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        before = {name: os.environ.pop(name, None) for name in OURS}
        self.addCleanup(self._restore, before)
        # No test may meet an agent of this machine.
        module = sys.modules["holdfast.profiler"]
        for name, value in (
            ("DEFAULT_SOCKET", os.path.join(self.directory, "default.sock")),
            ("DEFAULT_TCP", "http://127.0.0.1:1"),
        ):
            self.addCleanup(setattr, module, name, getattr(module, name))
            setattr(module, name, value)

    @staticmethod
    def _restore(before):
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    def path(self, name):
        return os.path.join(self.directory, name)

    def agent(self, **options):
        agent = FakeAgent(**options)
        self.addCleanup(agent.stop)
        return agent

    def profiler(self, *args, **options):
        options.setdefault("private_agent", False)
        profiler = holdfast.AdvancedMemoryProfiler(*args, **options)
        self.addCleanup(profiler.close)
        return profiler

    def pair(self, *args, **options):
        """A fake agent and a profiler that asks it."""
        agent = self.agent()
        return agent, self.profiler(*args, url=agent.url, **options)

    def assertFails(self, code, work, *args, **options):
        with self.assertRaises(holdfast.HoldfastError) as caught:
            result = work(*args, **options)
            if isinstance(result, holdfast.Operation):
                result.result(20)
        self.assertEqual(caught.exception.code, code, str(caught.exception))
        return caught.exception

    def degraded(self, *args, **options):
        """A profiler without an agent, which has warned already."""
        options.setdefault("url", "none")
        profiler = self.profiler(*args, **options)
        with self.assertWarns(holdfast.HoldfastWarning):
            profiler.connect().result()
        return profiler

    def other_process(self):
        """The pid of another process of ours, that sleeps."""
        child = subprocess.Popen(["sleep", "300"])
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child.pid

    def python(self, text, **environ):
        """Another interpreter of the same kind that runs a text; its completed process."""
        values = {name: value for name, value in os.environ.items() if name not in OURS}
        values.update(environ)
        return subprocess.run(
            [sys.executable, "-c", text],
            env=values,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
            universal_newlines=True,
        )


def hold(mib):
    """Memory that is new to the process: what malloc gives may have been there before. close() it."""
    memory = mmap.mmap(-1, mib << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for _ in range(mib):
        memory.write(b"x" * (1 << 20))
    return memory


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))
