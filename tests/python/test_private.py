# SPDX-License-Identifier: GPL-2.0-or-later
"""A private agent: found, configured, waited for, shared, and never left behind."""
import glob
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

import holdfast
from common import HERE, ClientTest, until
from holdfast import MemoryProfilingConfig


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Private(ClientTest):
    def setUp(self):
        super().setUp()
        binary = self.path("holdfast")
        with open(binary, "w", encoding="ascii") as file:
            fake = os.path.join(HERE, "fake_agent.py")
            file.write(f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "$@"\n')
        os.chmod(binary, 0o755)
        os.environ["HOLDFAST_BIN"] = binary
        before = tempfile.tempdir
        tempfile.tempdir = self.directory
        self.addCleanup(setattr, tempfile, "tempdir", before)
        self.addCleanup(os.environ.pop, "FAKE_AGENT", None)

    def rooms(self):
        return glob.glob(self.path("holdfast-*"))

    def room(self):
        """The directory of the one private agent, and the agent's pid."""
        (room,) = until(self.rooms)
        path = os.path.join(room, "agent.sock.pid")

        def read():
            if os.path.exists(path):
                with open(path, encoding="ascii") as file:
                    return file.read()

        return room, int(until(read, what="pid of the agent"))

    def test_it_is_started_and_ended(self):
        config = MemoryProfilingConfig(
            mode="advanced", sampling_interval=0.5, listen="127.0.0.1:1", token_file="/nowhere",
            targets=[{"comm": "others"}],
        )
        profiler = self.profiler(config=config, private_agent=True)
        self.assertEqual(profiler.get_current_memory_usage().heap_objects, 12345)
        room, pid = self.room()
        self.assertEqual(stat.S_IMODE(os.stat(room).st_mode), 0o700)
        self.assertEqual(profiler.agent, f"unix:{room}/agent.sock")
        self.assertIsNone(profiler.degraded_reason)
        with open(os.path.join(room, "agent.yaml"), encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(
            text,
            "memory_profiling:\n  mode: advanced\n  level: medium\n  sampling_interval: 0.5\n"
            f'  targets:\n    - pid: {os.getpid()}\n  listen: "unix:{room}/agent.sock"\n'
            f'  store: "{room}/store"\n',
        )
        with holdfast.memory_profiling_session(profiler, "x") as session_id:
            self.assertTrue(session_id)
        self.assertTrue(alive(pid))
        with self.assertRaises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)  # the program has no child that it knows nothing of
        profiler.close()
        self.assertFalse(alive(pid))
        self.assertEqual(self.rooms(), [])

    def test_it_is_shared(self):
        first = self.profiler(private_agent=True)
        second = self.profiler(private_agent=True)
        self.assertTrue(first.connect().result())
        self.assertTrue(second.connect().result())
        _, pid = self.room()
        first.close()
        self.assertEqual(second.get_current_memory_usage().heap_objects, 12345)
        second.close()
        until(lambda: not alive(pid))

    def test_on_the_path(self):
        del os.environ["HOLDFAST_BIN"]
        before = os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", before)
        os.environ["PATH"] = f"{self.directory}:{before}"
        profiler = self.profiler(private_agent=True)
        self.assertTrue(profiler.connect().result())
        self.room()

    def test_one_that_runs_is_preferred(self):
        agent = self.agent()
        sys.modules["holdfast.profiler"].DEFAULT_TCP = agent.url
        profiler = self.profiler(private_agent=True)
        profiler.connect().result()
        self.assertEqual((profiler.agent, self.rooms()), (agent.url, []))

    def test_it_is_waited_for(self):
        os.environ["FAKE_AGENT"] = "slow"
        profiler = self.profiler(private_agent=True)
        self.assertTrue(profiler.connect().result())

    def test_another_process(self):
        with subprocess.Popen(["sleep", "60"]) as child:
            try:
                profiler = self.profiler(pid=child.pid, private_agent=True)
                self.assertLess(profiler.get_current_memory_usage().rss_mb, 5)
                room, _ = self.room()
                with open(os.path.join(room, "agent.yaml"), encoding="utf-8") as file:
                    self.assertIn(f"- pid: {child.pid}\n", file.read())
            finally:
                child.kill()

    def refusal(self, config=None):
        profiler = self.profiler(config=config, private_agent=True)
        with self.assertWarns(holdfast.HoldfastWarning):
            self.assertFalse(profiler.connect().result())
        self.assertGreater(profiler.get_current_memory_usage().rss_mb, 1)
        self.assertEqual(self.rooms(), [])
        return profiler.degraded_reason

    def test_why_not(self):
        self.assertIn("mode is off", self.refusal(MemoryProfilingConfig(mode="off")))
        os.environ["FAKE_AGENT"] = "refuse"
        reason = self.refusal()
        self.assertIn("status 77", reason)
        self.assertIn("[HF-E-PERM] may not", reason)
        os.environ["HOLDFAST_BIN"] = self.path("nothing")
        self.assertIn("HOLDFAST_BIN names", self.refusal())
        with open(self.path("broken"), "w", encoding="ascii") as file:
            file.write("#!/no/such/interpreter\n")
        os.chmod(self.path("broken"), 0o755)
        os.environ["HOLDFAST_BIN"] = self.path("broken")
        self.assertIn("status 127", self.refusal())
        del os.environ["HOLDFAST_BIN"]
        before = os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", before)
        os.environ["PATH"] = "/nowhere"
        self.assertIn("not installed", self.refusal())

    def test_why_not_with_degrade_off(self):
        os.environ["FAKE_AGENT"] = "refuse"
        profiler = self.profiler(private_agent=True, degrade=False)
        error = self.assertFails("HF-E-NOAGENT", profiler.get_current_memory_usage)
        self.assertIn("may not", error.why)

    def test_one_that_never_gets_ready(self):
        module = sys.modules["holdfast.private"]
        self.addCleanup(setattr, module, "START_TIMEOUT_S", module.START_TIMEOUT_S)
        module.START_TIMEOUT_S = 1.0
        os.environ["FAKE_AGENT"] = "hang"
        profiler = self.profiler(private_agent=True)
        with self.assertWarns(holdfast.HoldfastWarning):
            self.assertFalse(profiler.connect().result())
        self.assertIn("not ready within", profiler.degraded_reason)
        until(lambda: not self.rooms(), what="its end")

    def test_it_dies(self):
        profiler = self.profiler(private_agent=True)
        profiler.connect().result()
        _, pid = self.room()
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid))
        with self.assertWarns(holdfast.HoldfastWarning):
            self.assertNotEqual(profiler.get_current_memory_usage().heap_objects, 12345)
        other = self.profiler(private_agent=True)  # another profiler gets another one
        until(lambda: os.path.exists(os.path.join(self.rooms()[0], "ended")))
        self.assertEqual(other.get_current_memory_usage().heap_objects, 12345)
        other.close()
        profiler.close()
        until(lambda: not self.rooms(), what="the end of both")

    # In another process, that ends in some way

    def start_process(self, ending):
        text = (
            "import holdfast, os, signal, sys, tempfile\n"
            f"tempfile.tempdir = {self.directory!r}\n"
            "from holdfast import profiler as m\n"
            "m.DEFAULT_SOCKET, m.DEFAULT_TCP = '/nowhere', 'http://127.0.0.1:1'\n"
            "p = holdfast.AdvancedMemoryProfiler()\n"
            "p.start_profiling('x').result()\n"
            "assert p.degraded_reason is None, p.degraded_reason\n"
            f"open({self.path('ready')!r}, 'w').close()\n" + ending
        )
        process = subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE)
        until(lambda: os.path.exists(self.path("ready")), what="start of the process")
        return process

    def ends_with(self, ending, signal_number=None):
        process = self.start_process(ending)
        room, pid = self.room()
        self.assertTrue(alive(pid))
        if signal_number is not None:
            os.kill(process.pid, signal_number)
        process.communicate(b"go\n")
        until(lambda: not alive(pid), what="end of the agent")
        until(lambda: not self.rooms(), what="end of its directory")
        return process.returncode

    def test_it_ends_with_the_program(self):
        self.assertEqual(self.ends_with("sys.stdin.readline()"), 0)

    def test_or_an_exception(self):
        self.assertEqual(self.ends_with("sys.stdin.readline(); sys.exit(3)"), 3)

    def test_or_without_further_ado(self):
        self.assertEqual(self.ends_with("sys.stdin.readline(); os._exit(4)"), 4)

    def test_or_when_it_is_killed(self):
        wait = "signal.pause()"
        self.assertEqual(self.ends_with(wait, signal.SIGKILL), -signal.SIGKILL)

    def test_or_when_it_is_killed_and_forks_of_it_live_on(self):
        text = (
            "child = os.fork()\n"
            "if child == 0:\n    signal.alarm(20)\n    signal.pause()\n"
            f"with open({self.path('child')!r}, 'w') as file:\n    file.write(str(child))\n"
            f"os.rename({self.path('child')!r}, {self.path('child.whole')!r})\n"
            "signal.pause()"
        )
        process = self.start_process(text)
        _, pid = self.room()
        until(lambda: os.path.exists(self.path("child.whole")))
        with open(self.path("child.whole"), encoding="ascii") as file:
            child = int(file.read())
        try:
            process.kill()
            process.communicate()
            until(lambda: not alive(pid), what="end of the agent")
            self.assertTrue(alive(child))
        finally:
            os.kill(child, signal.SIGKILL)

    def test_an_agent_that_does_not_heed(self):
        os.environ["FAKE_AGENT"] = "deaf"
        process = self.start_process("signal.pause()")
        _, pid = self.room()
        process.kill()
        process.communicate()
        time.sleep(0.5)
        self.assertTrue(alive(pid))
        until(lambda: not alive(pid), timeout=20, what="end of the agent")
        until(lambda: not self.rooms())

    def test_a_keeper_that_is_killed(self):
        process = self.start_process("sys.stdin.readline()")
        _, pid = self.room()
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            keeper = int(file.read().rpartition(")")[2].split()[1])
        with open(f"/proc/{keeper}/cmdline", "rb") as file:
            self.assertIn(b"keeper.py", file.read())
        os.kill(keeper, signal.SIGKILL)
        until(lambda: not alive(pid), what="end of the agent")
        process.communicate(b"go\n")
        self.assertEqual((process.returncode, self.rooms()), (0, []))

    def test_ctrl_c_is_for_the_program(self):
        process = self.start_process(
            "signal.signal(signal.SIGINT, lambda *_: None)\n"
            "sys.stdin.readline()\n"
            "assert p.get_current_memory_usage().heap_objects == 12345\n"
        )
        _, pid = self.room()
        self.assertNotEqual(os.getsid(pid), os.getsid(process.pid))
        process.communicate(b"go\n")
        self.assertEqual(process.returncode, 0)

    def test_a_fork_has_its_own(self):
        profiler = self.profiler(private_agent=True)
        profiler.connect().result()
        child = os.fork()
        if child == 0:
            good = False
            try:
                usage = profiler.get_current_memory_usage()
                good = usage.heap_objects == 12345 and len(self.rooms()) == 2
                profiler.close()
                good = good and len(self.rooms()) == 1
            finally:
                os._exit(0 if good else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(profiler.get_current_memory_usage().heap_objects, 12345)
        self.assertEqual(len(self.rooms()), 1)

    def test_a_long_name_of_the_temporary_folder(self):
        tempfile.tempdir = self.path("x" * 100)
        os.mkdir(tempfile.tempdir)
        profiler = self.profiler(private_agent=True)
        self.assertTrue(profiler.connect().result(), profiler.degraded_reason)
        self.assertTrue(profiler.agent.startswith("unix:/tmp/holdfast-"))


if __name__ == "__main__":
    unittest.main()
