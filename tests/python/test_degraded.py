# SPDX-License-Identifier: GPL-2.0-or-later
"""Without an agent, and when it goes away: what remains, and that it is said."""
import json
import os
import subprocess
import sys
import time
import unittest
import warnings
import xml.dom.minidom

import holdfast
from common import ROOT, ClientTest, hold, run, until
from fake_agent import MIB, FakeAgent, Trouble, gauges
from holdfast import MemoryProfilingConfig, memory_profile, memory_profiling_session


class NoAgent(ClientTest):
    def test_it_is_said_once(self):
        profiler = self.profiler()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                profiler.get_current_memory_usage()
        self.assertEqual([w.category for w in caught], [holdfast.HoldfastWarning])
        self.assertIn("gauges of /proc", str(caught[0].message))
        self.assertTrue(profiler.degraded)
        self.assertIn("HF-E-NOAGENT", profiler.degraded_reason)
        self.assertIn("no leaks, components and stacks", profiler.notes[0])
        self.assertIn(profiler.degraded_reason, profiler.notes[0])
        self.assertIsNone(profiler.agent)

    def test_why(self):
        def reason(**options):
            profiler = self.profiler(**options)
            with self.assertWarns(holdfast.HoldfastWarning):
                self.assertFalse(profiler.connect().result())
            return profiler.degraded_reason

        self.assertIn("none may be started", reason())
        self.assertIn("given as none", reason(url="none"))
        self.assertIn("http://127.0.0.1:1", reason(url="http://127.0.0.1:1"))
        socket = "unix:" + self.path("nobody.sock")
        self.assertIn("No such file", reason(url=socket))
        os.environ["HOLDFAST_AGENT"] = socket
        self.assertIn(socket, reason(private_agent=True))
        os.environ["HOLDFAST_AGENT"] = "none"
        self.assertIn("none", reason(private_agent=True))
        agent = self.agent()
        agent.state.pids = []
        self.assertIn("no rule matches it; add one to targets", reason(url=agent.url))
        agent.state.token = "x"
        self.assertIn("a token is needed", reason(url=agent.url))

    def test_not_if_it_is_not_wanted(self):
        profiler = self.profiler(degrade=False)
        error = self.assertFails("HF-E-NOAGENT", profiler.get_current_memory_usage)
        self.assertTrue(error.why)
        self.assertFails("HF-E-NOAGENT", profiler.connect)
        # A target that only an agent knows, or a process that is not there, has no gauges either.
        self.assertFails("HF-E-NOAGENT", self.profiler(target=7).get_current_memory_usage)
        gone = subprocess.Popen(["true"])
        gone.wait()
        self.assertFails("HF-E-NOPID", self.profiler(pid=gone.pid).get_current_memory_usage)

    def test_usage(self):
        profiler = self.degraded()
        rss, vms, pss, uss = (value / MIB for value in gauges(os.getpid()))
        usage = profiler.get_current_memory_usage()
        self.assertAlmostEqual(usage["rss_mb"], rss, delta=3)
        self.assertAlmostEqual(usage["vms_mb"], vms, delta=100)
        self.assertAlmostEqual(usage["pss_mb"], pss, delta=3)
        self.assertAlmostEqual(usage["uss_mb"], uss, delta=3)
        self.assertGreater(usage["heap_objects"], 1000)
        self.assertAlmostEqual(usage["timestamp"], time.time(), delta=1)

    def test_of_another_process(self):
        with subprocess.Popen(["sleep", "60"]) as child:
            try:
                profiler = self.degraded(pid=child.pid)
                usage = profiler.get_current_memory_usage()
                self.assertAlmostEqual(usage.rss_mb, gauges(child.pid)[0] / MIB, delta=1)
                self.assertIsNone(usage.heap_objects)
                error = self.assertFails("HF-E-UNSUPPORTED", profiler.force_garbage_collection)
                self.assertIn("holdfast gc", error.fix)
            finally:
                child.kill()

    def test_trends(self):
        profiler = self.degraded(config=MemoryProfilingConfig(sampling_interval=0.05))
        time.sleep(0.5)
        trends = profiler.get_memory_trends(window_minutes=10)
        self.assertGreater(len(trends.timestamps), 4)
        self.assertEqual(sorted(trends.timestamps), trends.timestamps)
        for key in ("rss_mb", "vms_mb", "heap_mb"):
            self.assertEqual(len(trends[key]), len(trends.timestamps))
        self.assertIsNone(trends.growth_rate_mb_per_min)  # too short to tell
        self.assertGreater(min(trends.rss_mb), 1)
        self.assertLess(
            len(profiler.get_memory_trends(window_minutes=0.2 / 60).timestamps),
            len(trends.timestamps),
        )

    def test_growth_rate(self):
        profiler = self.degraded(config=MemoryProfilingConfig(sampling_interval=0.05))
        held = []
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            held.append(hold(1))
            time.sleep(0.05)
        rate = profiler.get_memory_trends(window_minutes=2 / 60).growth_rate_mb_per_min
        self.assertGreater(rate, 300)
        self.assertLess(rate, 2400)

    def test_leaks_and_components(self):
        profiler = self.degraded()
        self.assertEqual(profiler.get_active_leaks(), [])
        self.assertEqual(profiler.clear_leak_alerts(), 0)
        self.assertFails("HF-E-NOTFOUND", profiler.clear_leak_alerts, "0123456789abcdef")
        self.assertEqual(profiler.get_span_memory_usage(), [])
        every = profiler.get_component_memory_usage()
        self.assertEqual(list(every), ["other"])
        self.assertGreater(every["other"].current_memory_mb, 1)
        self.assertIsNone(profiler.get_component_memory_usage("core_engine")["current_memory_mb"])

    def test_collection(self):
        profiler = self.degraded()

        async def main():
            rings = [[] for _ in range(1000)]
            for ring in rings:
                ring.append(ring)
            del rings, ring
            return await profiler.force_garbage_collection()

        result = run(main())
        self.assertGreaterEqual(result["collected_objects"], 1000)
        self.assertGreaterEqual(result["objects_freed"], 1000)

    def test_sessions(self):
        profiler = self.degraded(config=MemoryProfilingConfig(sampling_interval=0.05))

        async def main():
            session_id = await profiler.start_profiling("load", "of the model")
            before = gauges(os.getpid())[0] / MIB
            held = hold(60)
            time.sleep(0.2)  # long enough for the sampler, wherever the process's own peak lay
            held.close()
            session = await profiler.stop_profiling()
            return session_id, before, session

        session_id, before, session = run(main())
        self.assertAlmostEqual(session.peak_memory_mb, before + 60, delta=6)
        self.assertEqual(len(session.detected_leaks), 0)
        self.assertIn("no leaks and components", session.notes[0])
        self.assertEqual((session.session_id, session.state), (session_id, "ended"))
        self.assertGreater(session.statistics.samples, 3)
        self.assertGreater(session.statistics.duration_s, 0.1)
        self.assertIn("hunt", session.recommendations[0])
        self.assertEqual(profiler.get_session(session_id), session)
        self.assertEqual(profiler.stop_profiling(session_id).result(), session)
        self.assertFails("HF-E-NOTFOUND", profiler.get_session, "0123")

    def test_a_peak_between_two_samples(self):
        """In a fresh process, whose own peak is no older than the session."""
        text = (
            "import holdfast, mmap\n"
            "p = holdfast.AdvancedMemoryProfiler(config=holdfast.MemoryProfilingConfig("
            "sampling_interval=3600))\n"
            "with holdfast.memory_profiling_session(p) as i:\n"
            "    with mmap.mmap(-1, 100 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as m:\n"
            "        m.write(b'x' * (100 << 20))\n"
            "s = p.get_session(i)\n"
            "print(s.peak_memory_mb - s.statistics.start_rss_bytes / 1048576)\n"
        )
        done = self.python(text, HOLDFAST_AGENT="none")
        self.assertGreater(float(done.stdout), 99, done.stderr)

    def test_long_sessions_keep_their_peak_and_stay_small(self):
        local = sys.modules["holdfast.local"]
        first = holdfast.procfs.read_gauges(os.getpid())
        session = local._Running("x", "", "", first, [])
        for number in range(100000):
            rss = 5 * MIB if number != 77777 else 9 * MIB
            session.add(local.Sample(float(number), rss, 0))
        self.assertLess(len(session.samples), local.MOST_SAMPLES_OF_SESSION)
        self.assertGreater(len(session.samples), local.MOST_SAMPLES_OF_SESSION // 3)
        times = [sample.time for sample in session.samples]
        self.assertEqual(sorted(times), times)

    def test_decorator_and_context(self):
        profiler = self.degraded()

        @memory_profile(profiler, session_name="f")
        def work():
            with memory_profiling_session(profiler, session_name="inner") as session_id:
                return session_id

        self.assertTrue(profiler.get_session(work()).end_time)
        self.assertEqual(work.last_session.session_name, "f")

    def test_many_sessions(self):
        profiler = self.degraded()
        running = profiler.start_profiling("first").result()
        for _ in range(120):
            with memory_profiling_session(profiler):
                pass
        self.assertLessEqual(len(profiler._local._sessions), 100)
        self.assertEqual(profiler.stop_profiling(running).result().session_name, "first")

    def test_files(self):
        profiler = self.degraded(config=MemoryProfilingConfig(sampling_interval=0.05))
        with memory_profiling_session(profiler, session_name="a<b>&\"c") as session_id:
            time.sleep(0.2)
        profiler.save_report(session_id, self.path("r.json.gz"))
        report = holdfast.report.load(self.path("r.json.gz"))
        self.assertEqual((report.target.pid, report.verdict.state), (os.getpid(), "watching"))
        self.assertIn("gauges of /proc only", report.quality.notes[0])
        self.assertGreater(len(report.memory.series), 2)
        binary = os.path.join(ROOT, "holdfast")
        if os.access(binary, os.X_OK):
            text = subprocess.run(
                [binary, "report", self.path("r.json.gz")],
                stdout=subprocess.PIPE, check=True, timeout=20, universal_newlines=True,
            ).stdout
            self.assertIn("gauges of /proc only", text)
        profiler.export_raw(session_id, self.path("raw.json"))
        with open(self.path("raw.json"), encoding="utf-8") as file:
            snapshots = json.load(file)["snapshots"]
        self.assertGreater(snapshots[0]["rss_bytes"], MIB)
        profiler.save_chart(session_id, self.path("chart.svg"))
        chart = xml.dom.minidom.parse(self.path("chart.svg"))
        self.assertEqual(chart.documentElement.tagName, "svg")
        self.assertIn('a<b>&"c', chart.getElementsByTagName("title")[0].firstChild.data)

    def test_thresholds_and_health(self):
        now = gauges(os.getpid())[0] / MIB
        profiler = self.degraded(
            config=MemoryProfilingConfig(
                sampling_interval=0.05,
                memory_warning_threshold_mb=now + 30,
                memory_critical_threshold_mb=now + 80,
            )
        )
        self.assertEqual(profiler.health().status, "ok")
        with profiler.events(timeout=5) as events:
            first = hold(50)
            event = next(events)
            self.assertEqual(event.details["threshold"], "memory_warning")
            self.assertEqual(event.severity, "warning")
            self.assertGreaterEqual(event.details["value"], event.details["limit"])
            self.assertEqual(profiler.health().status, "warning")
            second = hold(50)
            self.assertEqual(next(events).details["threshold"], "memory_critical")
            health = profiler.health()
            self.assertEqual(health.status, "critical")
            self.assertEqual(health.profiler["status"], "degraded")
            self.assertIn(profiler.degraded_reason, health.profiler["notes"])
            first.close()
            second.close()
            until(lambda: profiler.health().status == "ok", what="health")

    def test_closing_ends_the_thread(self):
        import threading

        profiler = self.degraded(config=MemoryProfilingConfig(sampling_interval=0.05))
        count = sum(thread.name == "holdfast-gauges" for thread in threading.enumerate())
        profiler.close()
        until(
            lambda: sum(t.name == "holdfast-gauges" for t in threading.enumerate()) == count - 1
        )

    def test_after_a_fork(self):
        profiler = self.degraded(config=MemoryProfilingConfig(sampling_interval=0.05))
        child = os.fork()
        if child == 0:
            good = False
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    with memory_profiling_session(profiler) as session_id:
                        time.sleep(0.2)
                session = profiler.get_session(session_id)
                good = session.pid == os.getpid() and session.statistics.samples > 2
            finally:
                os._exit(0 if good else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)


class AgentGoesAway(ClientTest):
    def setUp(self):
        super().setUp()
        module = sys.modules["holdfast.profiler"]
        self.addCleanup(setattr, module, "AGAIN_S", module.AGAIN_S)
        module.AGAIN_S = 0.1

    def lose(self, agent, profiler, **how):
        """Connect, and then have the agent end."""
        profiler.connect().result()
        agent.stop()

    def test_and_comes_back(self):
        agent = FakeAgent()
        port = agent.server.port
        profiler = self.profiler(url=agent.url)
        self.lose(agent, profiler)
        with self.assertWarns(holdfast.HoldfastWarning):
            usage = profiler.get_current_memory_usage()
        self.assertGreater(usage.rss_mb, 1)
        self.assertNotEqual(usage.heap_objects, 12345)
        self.assertIn(agent.url, profiler.degraded_reason)
        events = profiler.events(timeout=10)
        with memory_profiling_session(profiler, "without") as local_id:
            pass
        again = self.agent(port=port)
        until(lambda: profiler.get_current_memory_usage().heap_objects == 12345, what="return")
        self.assertIsNone(profiler.degraded_reason)
        self.assertEqual(profiler.notes, [])
        self.assertEqual(profiler.get_session(local_id).session_name, "without")
        until(lambda: again.state.streams == 1, what="the subscription's return")
        again.state.emit("MemoryOperationStarted", os.getpid(), operation="trace")
        operations = [next(events).details["operation"] for _ in range(3)]
        self.assertEqual(operations, ["session", "session", "trace"])

    def test_during_a_session(self):
        agent = FakeAgent()
        profiler = self.profiler(url=agent.url)
        session_id = profiler.start_profiling("x", "y").result()
        agent.stop()
        held = hold(30)
        with self.assertWarns(holdfast.HoldfastWarning):
            session = profiler.stop_profiling().result()
        held.close()
        self.assertEqual((session.session_id, session.session_name), (session_id, "x"))
        self.assertEqual((session.description, session.state), ("y", "ended"))
        growth = session.statistics.end_rss_bytes - session.statistics.start_rss_bytes
        self.assertAlmostEqual(growth / MIB, 30, delta=5)
        self.assertGreaterEqual(session.peak_memory_mb * MIB, session.statistics.end_rss_bytes)
        self.assertIn("went away", " ".join(session.notes))

    def test_during_a_decorated_call(self):
        agent = FakeAgent()
        profiler = self.profiler(url=agent.url)

        @memory_profile(profiler, session_name="x")
        def work():
            agent.stop()
            return 42

        with self.assertWarns(holdfast.HoldfastWarning):
            self.assertEqual(work(), 42)
        self.assertEqual(work.last_session.state, "ended")

    def test_if_that_is_not_wanted(self):
        agent = FakeAgent()
        profiler = self.profiler(url=agent.url, degrade=False)
        profiler.start_profiling("x").result()
        agent.stop()
        self.assertFails("HF-E-NOAGENT", profiler.get_current_memory_usage)
        self.assertFails("HF-E-NOAGENT", profiler.stop_profiling)
        again = self.agent(port=agent.server.port)
        self.assertEqual(profiler.get_current_memory_usage().heap_objects, 12345)
        self.assertEqual(again.state.sessions, {})

    def test_it_does_not_watch_us_any_more(self):
        agent, profiler = self.pair()
        profiler.connect().result()
        agent.state.pids = []
        with self.assertWarns(holdfast.HoldfastWarning):
            self.assertGreater(profiler.get_current_memory_usage().rss_mb, 1)
        self.assertIn("no rule matches it", profiler.degraded_reason)
        agent.state.pids = None
        until(lambda: profiler.get_current_memory_usage().heap_objects == 12345, what="return")

    def test_it_hangs(self):
        agent, profiler = self.pair(timeout=0.2)
        profiler.connect().result()
        agent.state.troubles.append(Trouble("GET", "", delay=1, times=50))
        began = time.monotonic()
        with self.assertWarns(holdfast.HoldfastWarning):
            for _ in range(20):  # one of them waits, the others are answered at once
                profiler.get_current_memory_usage()
        self.assertLess(time.monotonic() - began, 1.5)
        self.assertIn("HF-E-TIMEOUT", profiler.degraded_reason)


if __name__ == "__main__":
    unittest.main()
