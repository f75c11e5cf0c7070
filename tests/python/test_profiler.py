# SPDX-License-Identifier: GPL-2.0-or-later
"""The profiler against an agent: values, sessions, errors, misbehaviour of the agent, forks."""
import asyncio
import copy
import gc
import json
import os
import pickle
import stat
import threading
import time
import unittest

import holdfast
from common import ClientTest, hold, run, until
from fake_agent import MIB, Trouble, gauges


class Usage(ClientTest):
    def test_usage_is_a_mapping_and_has_attributes(self):
        agent, profiler = self.pair()
        before = gauges(os.getpid())[0] / MIB
        usage = profiler.get_current_memory_usage()
        self.assertAlmostEqual(usage["rss_mb"], before, delta=3)
        self.assertEqual(usage.rss_mb, usage["rss_mb"])
        self.assertGreater(usage["vms_mb"], usage["rss_mb"])
        self.assertGreaterEqual(usage["rss_mb"], usage["pss_mb"])
        self.assertGreaterEqual(usage["pss_mb"], usage["uss_mb"])
        self.assertEqual(usage["heap_objects"], 12345)
        self.assertAlmostEqual(usage["timestamp"], time.time(), delta=5)
        self.assertEqual(usage.gc_collections, 3)  # beyond the contract, as the agent has it
        self.assertEqual(json.loads(json.dumps(usage)), usage)
        self.assertEqual(pickle.loads(pickle.dumps(usage)), usage)
        self.assertIs(type(copy.deepcopy(usage)), holdfast.MemoryUsage)
        self.assertIs(type(copy.copy(usage)), holdfast.MemoryUsage)
        self.assertIn("rss_mb", dir(usage))
        self.assertIn("rss_mb=", repr(usage))
        with self.assertRaises(AttributeError):
            usage.rss
        with self.assertRaises(AttributeError):
            usage.rss_mb = 1
        self.assertIsNone(profiler.degraded_reason)
        self.assertEqual(profiler.notes, [])
        self.assertEqual(profiler.agent, agent.url)

    def test_it_follows_the_process(self):
        _, profiler = self.pair()
        before = profiler.get_current_memory_usage().rss_mb
        held = hold(40)
        after = profiler.get_current_memory_usage().rss_mb
        self.assertAlmostEqual(after - before, 40, delta=4)
        held.close()

    def test_trends(self):
        _, profiler = self.pair()
        trends = profiler.get_memory_trends(window_minutes=10)
        self.assertEqual(len(trends["timestamps"]), 10)
        self.assertAlmostEqual(trends.timestamps[-1] - trends.timestamps[0], 600, delta=1)
        for key in ("rss_mb", "vms_mb", "heap_mb"):
            self.assertEqual(len(trends[key]), 10)
        self.assertEqual(trends.heap_mb, [None] * 5 + [7.0] * 5)
        self.assertEqual(trends["growth_rate_mb_per_min"], 0.25)
        self.assertEqual(trends.growth_interval, [0.2, 0.3])
        for wrong in (0, -1, float("nan"), "10", None, True):
            self.assertFails("HF-E-USAGE", profiler.get_memory_trends, wrong)

    def test_components(self):
        agent, profiler = self.pair()
        agent.state.components = {
            "core_engine": [12.5, 20.0, 0.5],
            "a/b ?": [1.0, 1.0, None],
            "other": [3.0, 4.0, 0.0],
        }
        every = profiler.get_component_memory_usage()
        self.assertEqual(set(every), {"core_engine", "a/b ?", "other"})
        self.assertEqual(sum(row.current_memory_mb for row in every.values()), 16.5)
        one = profiler.get_component_memory_usage("core_engine")
        self.assertEqual(one["current_memory_mb"], 12.5)
        self.assertEqual(one.peak_memory_mb, 20.0)
        self.assertIsNone(profiler.get_component_memory_usage("a/b ?").growth_rate_mb_per_min)
        error = self.assertFails("HF-E-NOCOMPONENT", profiler.get_component_memory_usage, "nobody")
        self.assertEqual(error.status, 404)
        self.assertFalse(profiler.degraded)  # the agent is there all the same
        self.assertFails("HF-E-USAGE", profiler.get_component_memory_usage, 3)

    def test_spans(self):
        agent, profiler = self.pair()
        agent.state.page = 2
        agent.state.spans = [("session", "ann", 5), ("session", "bob", 7), ("plugin", 3, 9)]
        self.assertEqual(
            [(row.span, row["key"], row.outstanding_bytes) for row in profiler.get_span_memory_usage()],
            [("session", "ann", 5), ("session", "bob", 7), ("plugin", "3", 9)],
        )
        self.assertEqual(len(profiler.get_span_memory_usage("session")), 2)
        self.assertEqual(profiler.get_span_memory_usage("nothing"), [])

    def test_leaks(self):
        agent, profiler = self.pair()
        me = os.getpid()
        first, second = agent.state.add_leak(me), agent.state.add_leak(me, "plugin", 0.25)
        agent.state.add_leak(self.other_process(), "of another process")
        leaks = profiler.get_active_leaks()
        self.assertEqual([leak["leak_id"] for leak in leaks], [first, second])
        self.assertEqual(leaks[0].component, "core_engine")
        self.assertEqual(leaks[0]["component"], "core_engine")
        self.assertEqual(leaks[1]["growth_rate_mb_per_min"], 0.25)
        self.assertIn("load_model", leaks[0].recommendation)
        self.assertEqual(profiler.clear_leak_alerts(leak_id=first), 1)
        self.assertEqual([leak.leak_id for leak in profiler.get_active_leaks()], [second])
        self.assertEqual(profiler.clear_leak_alerts(first), 0)
        self.assertEqual(profiler.clear_leak_alerts(), 1)
        self.assertEqual(profiler.get_active_leaks(), [])
        self.assertFails("HF-E-NOLEAK", profiler.clear_leak_alerts, "0123456789abcdef")
        self.assertFails("HF-E-USAGE", profiler.clear_leak_alerts, "")
        active = [leak for leak in agent.state.leaks.values() if leak["active"]]
        self.assertEqual([leak["component"] for leak in active], ["of another process"])

    def test_leaks_on_several_pages(self):
        agent, profiler = self.pair()
        agent.state.page = 2
        ids = [agent.state.add_leak(os.getpid()) for _ in range(5)]
        self.assertEqual([leak.leak_id for leak in profiler.get_active_leaks()], ids)

    def test_collection(self):
        agent, profiler = self.pair()
        agent.state.gc = lambda: (gc.collect(), 17)

        async def main():
            ring = []
            ring.append(ring)
            del ring
            return await profiler.force_garbage_collection()

        result = run(main())
        self.assertGreaterEqual(result["collected_objects"], 1)
        self.assertEqual(result.objects_freed, 17)
        self.assertEqual(profiler.force_garbage_collection(trim=True).result().objects_freed, 17)
        self.assertFails("HF-E-USAGE", profiler.force_garbage_collection, wait_s=0)

    def test_collection_that_the_agent_may_not_do(self):
        agent, profiler = self.pair()
        agent.state.troubles.append(Trouble("POST", "/gc$", status=403, code="HF-E-PERM"))
        result = profiler.force_garbage_collection().result()
        self.assertIsInstance(result.collected_objects, int)
        self.assertIn("could not", result.notes[0])

    def test_health(self):
        agent, profiler = self.pair()
        self.assertEqual(profiler.health().status, "ok")
        agent.state.health = "critical"  # answered with 503
        health = profiler.health()
        self.assertEqual(health["status"], "critical")
        self.assertEqual(health.checks[0]["name"], "memory")
        self.assertEqual(health.profiler["status"], "ok")

    def test_other_processes(self):
        agent, other = self.agent(), self.other_process()
        parent = self.profiler(url=agent.url, pid=other)
        expected = gauges(other)[0] / MIB
        self.assertAlmostEqual(parent.get_current_memory_usage().rss_mb, expected, delta=2)
        number = agent.state.targets[other]
        by_number = self.profiler(url=agent.url, target=number)
        self.assertAlmostEqual(by_number.get_current_memory_usage().rss_mb, expected, delta=2)
        self.assertEqual(by_number.pid, other)
        by_text = self.profiler(url=agent.url, target=f"pid-{other}")
        self.assertEqual(by_text.pid, other)

    def test_wrong_arguments(self):
        make = holdfast.AdvancedMemoryProfiler
        for options in (
            {"pid": 0}, {"pid": "1"}, {"pid": True}, {"pid": 1, "target": 2}, {"target": "web"},
            {"target": 0}, {"target": "pid-"}, {"timeout": 0}, {"timeout": "1"}, {"token": ""},
            {"token": "a b"}, {"token": "a\nb: c"}, {"url": "localhost:7654"}, {"url": "ftp://x"},
            {"url": "http://"}, {"url": "http://x y"}, {"url": "unix:relative"}, {"url": ""},
            {"url": "http://u:p@x"}, {"url": "http://x:99999"}, {"url": "unix:/" + "x" * 120},
            {"config": {"mode": "basic"}},
        ):
            self.assertFails("HF-E-USAGE", make, **options)
        _, profiler = self.pair()
        self.assertFails("HF-E-USAGE", profiler.start_profiling, 3)
        self.assertFails("HF-E-USAGE", profiler.start_profiling, "a", None)
        self.assertFails("HF-E-USAGE", profiler.stop_profiling, "")
        self.assertFails("HF-E-USAGE", profiler.get_session, "")
        self.assertFails("HF-E-USAGE", profiler.events, timeout=-1)

    def test_closed(self):
        _, profiler = self.pair()
        with profiler:
            profiler.get_current_memory_usage()
        profiler.close()
        self.assertFails("HF-E-CLOSED", profiler.get_current_memory_usage)
        self.assertFails("HF-E-CLOSED", profiler.start_profiling)
        self.assertFails("HF-E-CLOSED", profiler.events)


class Sessions(ClientTest):
    def test_as_the_examples_do(self):
        agent, profiler = self.pair()

        async def main():
            session_id = await profiler.start_profiling(
                session_name="load", description="of the model"
            )
            held = hold(30)
            agent.state.add_leak(os.getpid())
            session = await profiler.stop_profiling()
            held.close()
            return session_id, session

        session_id, session = run(main())
        self.assertEqual(session.session_id, session_id)
        self.assertEqual(session["session_name"], "load")
        self.assertEqual(session.description, "of the model")
        self.assertEqual(len(session.detected_leaks), 1)
        self.assertEqual(session.detected_leaks[0].component, "core_engine")
        self.assertEqual(session.recommendations, ["free what load_model() keeps"])
        growth = session.statistics.end_rss_bytes - session.statistics.start_rss_bytes
        self.assertAlmostEqual(growth / MIB, 30, delta=4)
        self.assertAlmostEqual(session.peak_memory_mb, session.statistics.end_rss_bytes / MIB)
        self.assertLess(session.start_time, session.end_time)
        self.assertEqual(profiler.last_session, session)
        self.assertEqual(profiler.get_session(session_id), session)

    def test_from_plain_code(self):
        _, profiler = self.pair()
        session_id = profiler.start_profiling("plain").result()
        self.assertIsNone(profiler.get_session(session_id).end_time)
        session = profiler.stop_profiling(session_id).result()
        self.assertEqual(session.session_name, "plain")

    def test_begins_without_being_awaited(self):
        agent, profiler = self.pair()
        profiler.start_profiling("eager")
        until(lambda: agent.state.sessions, what="session")

    def test_stop_waits_for_its_beginning(self):
        agent, profiler = self.pair()
        agent.state.troubles.append(Trouble("POST", "/sessions$", delay=0.3))
        started = profiler.start_profiling("slow")
        session = profiler.stop_profiling().result()
        self.assertEqual(session.session_id, started.result())

    def test_each_task_and_thread_stops_its_own(self):
        _, profiler = self.pair()

        async def one(name):
            await profiler.start_profiling(name)
            await asyncio.sleep(0.01)
            session = await profiler.stop_profiling()
            self.assertEqual(session.session_name, name)

        async def main():
            await asyncio.gather(*(one(f"task {i}") for i in range(8)))

        def thread(name):
            profiler.start_profiling(name).result()
            time.sleep(0.02)
            seen.append(profiler.stop_profiling().result().session_name == name)

        run(main())
        seen = []
        threads = [threading.Thread(target=thread, args=(f"thread {i}",)) for i in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual(seen, [True] * 8)

    def test_nested_sessions_end_in_reverse(self):
        _, profiler = self.pair()
        outer = profiler.start_profiling("outer").result()
        inner = profiler.start_profiling("inner").result()
        self.assertEqual(profiler.stop_profiling().result().session_id, inner)
        self.assertEqual(profiler.stop_profiling().result().session_id, outer)
        error = self.assertFails("HF-E-NOTFOUND", profiler.stop_profiling)
        self.assertIn("start_profiling", error.fix)

    def test_somebody_elses_session(self):
        agent, profiler = self.pair()
        other = self.profiler(url=agent.url)
        session_id = other.start_profiling("theirs").result()
        self.assertEqual(profiler.stop_profiling(session_id).result().session_name, "theirs")
        # It has ended already: what it found all the same.
        self.assertEqual(other.stop_profiling(session_id).result().session_name, "theirs")
        self.assertFails("HF-E-NOSESSION", profiler.stop_profiling, "0123")
        self.assertFails("HF-E-NOSESSION", profiler.get_session, "../../status")

    def test_a_stop_whose_answer_is_lost(self):
        agent, profiler = self.pair()
        session_id = profiler.start_profiling("x").result()
        agent.state.troubles.append(Trouble("POST", "/stop$", cut=10))
        self.assertEqual(profiler.stop_profiling().result().session_id, session_id)

    def test_close_stops_them(self):
        agent, profiler = self.pair()
        profiler.start_profiling("left")
        profiler.start_profiling("open").result()
        profiler.close()
        states = [session["state"] for session in agent.state.sessions.values()]
        self.assertEqual(states, ["ended", "ended"])

    def test_the_end_of_the_program_stops_them(self):
        agent = self.agent()
        text = (
            "import holdfast, sys\n"
            f"p = holdfast.AdvancedMemoryProfiler(url={agent.url!r})\n"
            "p.start_profiling('left open').result()\n"
        )
        done = self.python(text)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([s["state"] for s in agent.state.sessions.values()], ["ended"])

    def test_files(self):
        _, profiler = self.pair()
        session_id = profiler.start_profiling("files").result()
        profiler.stop_profiling().result()
        for name in ("report.json", "report.json.gz"):
            os.symlink("/dev/null", self.path(name))  # replaced, not followed
            self.assertEqual(profiler.save_report(session_id, self.path(name)), self.path(name))
            mode = os.lstat(self.path(name)).st_mode
            self.assertEqual((stat.S_ISREG(mode), mode & 0o777), (True, 0o600))
            report = holdfast.report.load(self.path(name))
            self.assertEqual(report.verdict.state, report["verdict"]["state"])
        with open(self.path("report.json.gz"), "rb") as file:
            self.assertEqual(file.read(2), b"\x1f\x8b")
        profiler.export_raw(session_id, self.path("raw.json"))
        with open(self.path("raw.json"), encoding="utf-8") as file:
            self.assertEqual(len(json.load(file)["snapshots"]), 1)
        profiler.save_chart(session_id, self.path("chart.svg"))
        with open(self.path("chart.svg"), encoding="utf-8") as file:
            self.assertTrue(file.read().startswith("<svg"))
        before = sorted(os.listdir(self.directory))
        missing = self.path("no/such/folder")
        self.assertFails("HF-E-CANTWRITE", profiler.save_report, session_id, missing)
        self.assertFails("HF-E-NOSESSION", profiler.save_report, "0123", self.path("none"))
        self.assertEqual(sorted(os.listdir(self.directory)), before)

    def test_a_file_that_breaks_off_is_none(self):
        agent, profiler = self.pair()
        session_id = profiler.start_profiling("files").result()
        agent.state.troubles.append(Trouble("GET", "/report$", cut=100))
        self.assertFails("HF-E-NOAGENT", profiler.save_report, session_id, self.path("cut.json"))
        self.assertEqual(os.listdir(self.directory), [])


class Operations(ClientTest):
    def test_the_loop_is_not_blocked(self):
        agent, profiler = self.pair()
        profiler.connect().result()
        agent.state.troubles += [
            Trouble("POST", "/sessions$", delay=0.5),
            Trouble("GET", "/usage$", delay=0.5),
        ]

        async def main():
            ticks = 0
            operation = profiler.start_profiling("slow")
            usage = asyncio.ensure_future(profiler.aio.get_current_memory_usage())
            while not operation.done() or not usage.done():
                await asyncio.sleep(0.01)
                ticks += 1
            self.assertGreater((await usage).rss_mb, 1)
            return ticks

        self.assertGreater(run(main()), 15)

    def test_nor_while_an_agent_is_looked_for(self):
        agent = self.agent()
        agent.state.troubles.append(Trouble("GET", "/targets/", delay=0.5))
        profiler = self.profiler(url=agent.url)

        async def main():
            connecting = profiler.connect()
            began = time.monotonic()
            operation = profiler.start_profiling("x")
            took = time.monotonic() - began
            await connecting
            await operation
            await profiler.stop_profiling()
            return took

        self.assertLess(run(main()), 0.2)

    def test_all_of_aio(self):
        agent, profiler = self.pair()
        agent.state.components = {"core_engine": [1.0, 2.0, 0.0]}

        async def main():
            async with profiler:
                aio = profiler.aio
                self.assertGreater((await aio.get_current_memory_usage()).rss_mb, 1)
                self.assertIn("core_engine", await aio.get_component_memory_usage())
                one = await aio.get_component_memory_usage("core_engine")
                self.assertEqual(one.current_memory_mb, 1.0)
                self.assertTrue((await aio.get_memory_trends(10)).timestamps)
                self.assertEqual(await aio.get_span_memory_usage(), [])
                self.assertEqual((await aio.health()).status, "ok")
                self.assertEqual(await aio.get_active_leaks(), [])
                self.assertEqual(await aio.clear_leak_alerts(), 0)
                session_id = await profiler.start_profiling("x")
                self.assertEqual((await aio.get_session(session_id)).session_name, "x")
                await profiler.stop_profiling()
                await aio.save_report(session_id, self.path("a"))
                await aio.export_raw(session_id, self.path("b"))
                await aio.save_chart(session_id, self.path("c"))
                with await aio.events(timeout=0.1) as events:
                    self.assertEqual([event async for event in events], [])

        run(main())

    def test_cancelled_await(self):
        agent, profiler = self.pair()
        agent.state.troubles.append(Trouble("POST", "/sessions$", delay=0.3))

        async def main():
            operation = profiler.start_profiling("slow")
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(operation, 0.05)
            self.assertTrue(await operation)  # it has gone on
            return await profiler.stop_profiling()

        self.assertEqual(run(main()).session_name, "slow")

    def test_result_with_timeout(self):
        agent, profiler = self.pair()
        agent.state.troubles.append(Trouble("POST", "/sessions$", delay=0.3))
        operation = profiler.start_profiling("slow")
        self.assertFails("HF-E-TIMEOUT", operation.result, 0.01)
        self.assertTrue(operation.result())
        self.assertIsNone(operation.exception())

    def test_a_failure_that_nobody_asks_for(self):
        agent, profiler = self.pair()
        agent.state.troubles.append(Trouble("POST", "/sessions$", status=429, code="HF-E-BUSY"))
        with self.assertWarnsRegex(holdfast.HoldfastWarning, "nobody asked.*HF-E-BUSY"):
            operation = profiler.start_profiling("x")
            until(operation.done)
            del operation
            gc.collect()
            until(lambda: not profiler._pending, what="the end of the operation")


class Misbehaviour(ClientTest):
    def test_errors_are_handed_on(self):
        agent, profiler = self.pair()
        profiler.connect().result()
        for status in (400, 401, 403, 409, 429, 500, 503):
            agent.state.troubles.append(Trouble("GET", "/usage$", status=status, code="HF-E-X"))
            error = self.assertFails("HF-E-X", profiler.get_current_memory_usage)
            self.assertEqual((error.status, error.what), (status, "trouble"))
            self.assertEqual((error.why, error.fix), ("a test wants it", "none"))
            self.assertEqual(str(error), "[HF-E-X] trouble\n  why: a test wants it\n  do: none")
            self.assertEqual(pickle.loads(pickle.dumps(error)).why, error.why)
        self.assertFalse(profiler.degraded)
        self.assertGreater(profiler.get_current_memory_usage().rss_mb, 1)

    def test_answers_that_are_none(self):
        agent, profiler = self.pair(degrade=False)
        profiler.connect().result()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
        for raw in (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            head + b"<html>",
            head + b"[1]",
            head + b"{}",
            head + b"[" * 100000,
            head + b'{"timestamp": 1, "rss_bytes": "many", "vms_bytes": 1}',
            head + b'{"timestamp": 1, "rss_bytes": NaN, "vms_bytes": 1}',
            head + b'{"timestamp": null, "rss_bytes": 1, "vms_bytes": 1}',
            head + b'\xff\xfe{"',
            b"HTTP/1.1 302 Found\r\nLocation: http://example.org/\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\n<boo>",
            b'HTTP/1.1 500 Oops\r\nContent-Length: 13\r\n\r\n{"error": 17}',
        ):
            agent.state.troubles.append(Trouble("GET", "/usage$", raw=raw))
            self.assertFails("HF-E-ANSWER", profiler.get_current_memory_usage)

    def test_odd_lists(self):
        agent, profiler = self.pair(degrade=False)
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        for path, raw, ask in (
            ("/trends", b'{"timestamps": [1, 2], "rss_bytes": [1]}', profiler.get_memory_trends),
            ("/leaks", b'{"leaks": [{}]}', profiler.get_active_leaks),
            ("/leaks", b'{"leaks": 3}', profiler.get_active_leaks),
            ("/components", b'{"components": [1]}', profiler.get_component_memory_usage),
            ("/healthz", b'{"status": "fine"}', profiler.health),
        ):
            agent.state.troubles.append(Trouble("GET", path, raw=head + raw))
            self.assertFails("HF-E-ANSWER", ask)
        agent.state.troubles.append(Trouble("POST", "/sessions", raw=head + b"{}"))
        self.assertFails("HF-E-ANSWER", profiler.start_profiling)

    def test_a_get_that_was_cut_off_is_tried_again(self):
        agent, profiler = self.pair(degrade=False)
        agent.state.troubles.append(Trouble("GET", "/usage$", cut=20))
        self.assertGreater(profiler.get_current_memory_usage().rss_mb, 1)
        agent.state.troubles.append(Trouble("GET", "/usage$", cut=20, times=2))
        self.assertFails("HF-E-NOAGENT", profiler.get_current_memory_usage)

    def test_slow_answers(self):
        agent, profiler = self.pair(timeout=0.2, degrade=False)
        profiler.connect().result()
        agent.state.troubles.append(Trouble("GET", "/usage$", delay=1))
        began = time.monotonic()
        self.assertFails("HF-E-TIMEOUT", profiler.get_current_memory_usage)
        self.assertLess(time.monotonic() - began, 0.9)

    def test_an_answer_drop_by_drop(self):
        transport = __import__("holdfast.transport").transport
        self.addCleanup(setattr, transport, "LONGEST_BODY_S", transport.LONGEST_BODY_S)
        transport.LONGEST_BODY_S = 0.3
        agent, profiler = self.pair(timeout=0.2, degrade=False)
        profiler.connect().result()
        agent.state.troubles.append(Trouble("GET", "/usage$", drip=0.05))
        self.assertFails("HF-E-TIMEOUT", profiler.get_current_memory_usage)

    def test_an_endless_answer(self):
        transport = __import__("holdfast.transport").transport
        self.addCleanup(setattr, transport, "MOST_JSON_BYTES", transport.MOST_JSON_BYTES)
        transport.MOST_JSON_BYTES = 5000
        agent, profiler = self.pair(degrade=False)
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        profiler.connect().result()
        agent.state.troubles.append(Trouble("GET", "/usage$", raw=head + b" " * 9000))
        self.assertFails("HF-E-ANSWER", profiler.get_current_memory_usage)


class Finding(ClientTest):
    def test_by_environment(self):
        agent = self.agent()
        os.environ["HOLDFAST_AGENT"] = agent.url
        self.assertEqual(self.profiler().connect().result(), True)

    def test_unix_socket(self):
        agent = self.agent(unix=self.path("agent.sock"))
        for url in (agent.url, "unix://" + self.path("agent.sock")):
            profiler = self.profiler(url=url)
            self.assertGreater(profiler.get_current_memory_usage().rss_mb, 1)

    def test_by_default_the_socket_and_then_the_port(self):
        module = __import__("holdfast.profiler").profiler
        port = self.agent()
        module.DEFAULT_TCP = port.url
        self.assertEqual(self.by_default().agent, port.url)
        socket = self.agent(unix=module.DEFAULT_SOCKET)
        self.assertEqual(self.by_default().agent, socket.url)
        socket.state.pids = []  # it does not watch us, the other does
        self.assertEqual(self.by_default().agent, port.url)
        port.state.pids = []
        with self.assertWarns(holdfast.HoldfastWarning):
            profiler = self.by_default()
        self.assertIn("no rule matches it", profiler.degraded_reason)

    def by_default(self):
        profiler = self.profiler()
        profiler.connect().result()
        return profiler

    def test_something_else_at_the_port(self):
        agent = self.agent()
        raw = b"220 mail.example.org ESMTP\r\n"
        agent.state.troubles.append(Trouble("GET", "", raw=raw, times=9))
        __import__("holdfast.profiler").profiler.DEFAULT_TCP = agent.url
        with self.assertWarns(holdfast.HoldfastWarning):
            profiler = self.by_default()
        self.assertIn("does not speak as an agent", profiler.degraded_reason)

    def test_token(self):
        agent = self.agent()
        agent.state.token = "s3cret"
        error = self.assertFails(
            "HF-E-TOKEN", self.profiler(url=agent.url, degrade=False).get_current_memory_usage
        )
        self.assertEqual(error.status, 401)
        self.assertTrue(self.profiler(url=agent.url, token=" s3cret\n").connect().result())
        os.environ["HOLDFAST_TOKEN"] = "s3cret"
        self.assertTrue(self.profiler(url=agent.url).connect().result())
        del os.environ["HOLDFAST_TOKEN"]
        os.environ["HOLDFAST_TOKEN_FILE"] = self.path("token")
        profiler = self.profiler(url=agent.url, degrade=False)
        self.assertFails("HF-E-NOFILE", profiler.get_current_memory_usage)
        with open(self.path("token"), "w", encoding="ascii") as file:
            file.write("s3cret\n")
        self.assertGreater(profiler.get_current_memory_usage().rss_mb, 1)
        os.environ["HOLDFAST_TOKEN_FILE"] = "/dev/null"
        self.assertFails("HF-E-USAGE", self.profiler(url=agent.url, degrade=False).health)

    def test_our_pid_is_another_process_there(self):
        agent = self.agent()
        agent.state.start_shift = -3600
        profiler = self.profiler(url=agent.url, degrade=False)
        error = self.assertFails("HF-E-NOTME", profiler.get_current_memory_usage)
        self.assertIn("PID namespace", error.why)
        by_pid = self.profiler(url=agent.url, pid=os.getpid())  # who names it means it
        self.assertGreater(by_pid.get_current_memory_usage().rss_mb, 1)

    def test_differences_to_the_configuration_are_noted(self):
        agent, profiler = self.pair(
            holdfast.MemoryProfilingConfig(mode="advanced", sampling_interval=1.0)
        )
        profiler.get_current_memory_usage()
        self.assertEqual(len(profiler.notes), 1, profiler.notes)
        self.assertIn("mode is standard", profiler.notes[0])
        self.assertIn(agent.url, profiler.notes[0])


class Forks(ClientTest):
    def test_a_child_is_another_target(self):
        agent, profiler = self.pair()
        profiler.get_current_memory_usage()
        profiler.start_profiling("of the parent").result()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                ours = agent.url  # the server's threads are the parent's: it is asked from here
                usage = profiler.get_current_memory_usage()
                held = hold(20)
                grown = profiler.get_current_memory_usage()
                start = profiler.start_profiling("of the child").result()
                session = profiler.stop_profiling().result()
                good = (
                    profiler.agent == ours
                    and session.session_id == start
                    and session.pid == os.getpid()
                    and grown.rss_mb - usage.rss_mb > 15
                    and profiler.pid == os.getpid()
                    and not held.closed
                )
                os.write(writer, b"1" if good else b"0")
                status = 0
            finally:
                profiler.close()
                os._exit(status)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            said = file.read()
        _, status = os.waitpid(child, 0)
        self.assertEqual((said, status), (b"1", 0))
        # What is the parent's still runs.
        self.assertEqual(profiler.stop_profiling().result().session_name, "of the parent")
        self.assertEqual(sorted(agent.state.targets), sorted({os.getpid(), child}))

    def test_a_fork_while_another_thread_has_the_lock(self):
        agent, profiler = self.pair()
        stop = threading.Event()

        def ask():
            while not stop.is_set():
                profiler.get_current_memory_usage()
                profiler.notes

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                child = os.fork()
                if child == 0:
                    ok = False
                    try:
                        ok = profiler.get_current_memory_usage().rss_mb > 1
                    finally:
                        os._exit(0 if ok else 1)
                self.assertEqual(os.waitpid(child, 0)[1], 0)
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def test_events_are_the_parents(self):
        agent, profiler = self.pair()
        events = profiler.events(timeout=5)
        child = os.fork()
        if child == 0:
            code = ""
            try:
                next(events)
            except holdfast.HoldfastError as error:
                code = error.code
            finally:
                events.close()
                os._exit(0 if code == "HF-E-CLOSED" else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        agent.state.emit("MemoryOperationStarted", os.getpid(), operation="gc")
        self.assertEqual(next(events).details["operation"], "gc")


class Threads(ClientTest):
    def test_more_at_once_than_a_socket_takes(self):
        agent = self.agent(unix=self.path("agent.sock"))
        profiler = self.profiler(url=agent.url, degrade=False)
        profiler.connect().result()

        async def main():
            aio = profiler.aio
            return await asyncio.gather(*(aio.get_current_memory_usage() for _ in range(50)))

        self.assertEqual(len(run(main())), 50)

    def test_many_at_once(self):
        agent, profiler = self.pair()
        agent.state.components = {"core_engine": [1.0, 2.0, 0.0]}
        errors = []

        def work():
            try:
                for _ in range(10):
                    profiler.get_current_memory_usage()
                    profiler.get_component_memory_usage("core_engine")
                    with holdfast.memory_profiling_session(profiler, "x") as session_id:
                        profiler.get_session(session_id)
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        states = {session["state"] for session in agent.state.sessions.values()}
        self.assertEqual((len(agent.state.sessions), states), (100, {"ended"}))


if __name__ == "__main__":
    unittest.main()
