# SPDX-License-Identifier: GPL-2.0-or-later
"""Subscriptions to events: order, filters, reconnection, the end, both kinds of iteration."""
import asyncio
import gc
import os
import sys
import threading
import time
import unittest

import holdfast
from common import ClientTest, run, until
from fake_agent import FakeAgent, Trouble

STARTED, COMPLETED = "MemoryOperationStarted", "MemoryOperationCompleted"
EXCEEDED = "PerformanceThresholdExceeded"


class Events(ClientTest):
    def setUp(self):
        super().setUp()
        module = sys.modules["holdfast.events"]
        self.addCleanup(setattr, module, "FIRST_DELAY_S", module.FIRST_DELAY_S)
        module.FIRST_DELAY_S = 0.02

    def test_the_three_events(self):
        agent, profiler = self.pair()
        me = os.getpid()
        agent.state.emit(STARTED, me, operation="before")
        with profiler.events(timeout=5) as events:
            profiler.start_profiling("x").result()
            profiler.stop_profiling().result()
            agent.state.emit("TargetAppeared", me)  # a kind that was not asked for
            agent.state.emit(STARTED, os.getppid(), operation="of another process")
            agent.state.emit(
                EXCEEDED, me, "warning", "much", threshold="memory_warning", value=501, limit=500
            )
            agent.state.emit(EXCEEDED, None, "warning", threshold="budget", value=2, limit=1)
            seen = [next(events) for _ in range(4)]
        self.assertEqual(
            [type(event) for event in seen],
            [
                holdfast.MemoryOperationStarted,
                holdfast.MemoryOperationCompleted,
                holdfast.PerformanceThresholdExceeded,
                holdfast.PerformanceThresholdExceeded,
            ],
        )
        self.assertEqual(seen[0].details["operation"], "session")
        self.assertEqual(seen[2]["details"], {"threshold": "memory_warning", "value": 501, "limit": 500})
        self.assertEqual((seen[2].severity, seen[2].text, seen[2].pid), ("warning", "much", me))
        self.assertEqual(seen[3].details["threshold"], "budget")

    def test_kinds_and_targets(self):
        agent, profiler = self.pair()
        every = profiler.events(None, all_targets=True, timeout=5)
        one = profiler.events("TargetEnded", all_targets=True, timeout=5)
        agent.state.emit("TargetAppeared", os.getppid())
        agent.state.emit("TargetEnded", os.getppid())
        self.assertEqual([next(every).event for _ in range(2)], ["TargetAppeared", "TargetEnded"])
        self.assertEqual(next(one).event, "TargetEnded")

    def test_since(self):
        agent, profiler = self.pair()
        for number in range(5):
            agent.state.emit(STARTED, os.getpid(), number=number)
        with profiler.events(since=2, timeout=5) as events:
            self.assertEqual([next(events).id for _ in range(3)], [3, 4, 5])

    def test_timeout_ends_the_iteration_and_it_may_go_on(self):
        agent, profiler = self.pair()
        events = profiler.events(timeout=0.1)
        self.assertEqual(list(events), [])
        agent.state.emit(STARTED, os.getpid())
        self.assertEqual(len(list(events)), 1)

    def test_async(self):
        agent, profiler = self.pair()

        async def main():
            async with profiler.events() as events:
                emitter = asyncio.get_running_loop().run_in_executor(None, self.emit, agent, 50)
                seen = []
                async for event in events:
                    seen.append(event.details["number"])
                    if len(seen) == 50:
                        break
                await emitter
                return seen

        self.assertEqual(run(main()), list(range(50)))
        until(lambda: agent.state.streams == 0, what="end of the stream")

    @staticmethod
    def emit(agent, count):
        for number in range(count):
            agent.state.emit(STARTED, os.getpid(), number=number)

    def test_a_cancelled_reader_loses_nothing(self):
        agent, profiler = self.pair()

        async def main():
            events = profiler.events()
            for number in range(20):
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(events.__anext__(), 0.005)
                agent.state.emit(STARTED, os.getpid(), number=number)
                event = await asyncio.wait_for(events.__anext__(), 5)
                self.assertEqual(event.details["number"], number)
            events.close()
            with self.assertRaises(StopAsyncIteration):
                await events.__anext__()

        run(main())

    def test_async_timeout(self):
        _, profiler = self.pair()

        async def main():
            return [event async for event in profiler.events(timeout=0.1)]

        self.assertEqual(run(main()), [])

    def test_reconnection_misses_and_repeats_nothing(self):
        agent, profiler = self.pair()
        with profiler.events(timeout=5) as events:
            seen = []
            for round_ in range(5):
                agent.state.emit(STARTED, os.getpid(), number=2 * round_)
                seen.append(next(events).details["number"])
                with agent.state.lock:
                    agent.state.stop_streams += 1
                    agent.state.lock.notify_all()
                until(lambda: agent.state.streams == 0)
                agent.state.emit(STARTED, os.getpid(), number=2 * round_ + 1)
                seen.append(next(events).details["number"])
        self.assertEqual(seen, list(range(10)))
        headers = [h for m, p, h in agent.state.requests if "stream" in p]
        self.assertNotIn("Last-Event-ID", headers[0])
        self.assertEqual(headers[1]["Last-Event-ID"], "1")

    def test_an_agent_that_is_restarted(self):
        agent = FakeAgent()
        port = agent.server.port
        profiler = self.profiler(url=agent.url)
        events = profiler.events(timeout=10)
        agent.state.emit(STARTED, os.getpid(), number=1)
        self.assertEqual(next(events).details["number"], 1)
        agent.stop()
        time.sleep(0.1)
        again = self.agent(port=port)
        again.state.emit(STARTED, os.getpid(), number=0)  # its ids begin anew
        self.emit_until_heard(again, events)

    def emit_until_heard(self, agent, events):
        until(lambda: agent.state.streams == 1, what="reconnection")
        agent.state.emit(STARTED, os.getpid(), number=2)
        self.assertEqual(next(events).details["number"], 2)

    def test_nonsense_in_the_stream(self):
        agent, profiler = self.pair()
        raw = (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
            b"retry: 20\r\n: comment\r\n\r\n"
            b"data: no json\n\nid: 7\ndata: [1]\n\ndata: {}\n\n\xff\xfe\n\n"
            b"id: 8\ndata: {\"event\":\ndata: \"MemoryOperationStarted\", \"id\": 8}\n\n"
            b"id: 9\ndata: {\"event\": \"MemoryOperationStarted\", \"id\": 9"  # cut off
        )
        agent.state.troubles.append(Trouble("GET", "/stream", raw=raw))
        with profiler.events(timeout=5) as events:
            self.assertEqual(next(events).id, 8)
            until(lambda: agent.state.streams == 1)
        headers = [h for m, p, h in agent.state.requests if "stream" in p]
        self.assertEqual(headers[1]["Last-Event-ID"], "8")

    def test_an_agent_that_does_not_let_us_in_any_more(self):
        agent, profiler = self.pair()
        agent.state.token = None
        events = profiler.events(timeout=5)
        until(lambda: agent.state.streams == 1)
        agent.state.token = "changed"
        with agent.state.lock:
            agent.state.stop_streams += 1
        self.assertFails("HF-E-TOKEN", next, events)

    def test_close_wakes_the_reader(self):
        _, profiler = self.pair()
        events = profiler.events()
        threading.Timer(0.1, events.close).start()
        self.assertEqual(list(events), [])
        profiler.close()

    def test_closing_the_profiler_ends_it(self):
        _, profiler = self.pair()
        events = profiler.events()
        threading.Timer(0.1, profiler.close).start()
        self.assertEqual(list(events), [])

    def test_a_stream_that_is_forgotten_is_closed(self):
        agent, profiler = self.pair()
        profiler.events()
        gc.collect()
        until(lambda: agent.state.streams == 0, what="end of the stream")

    def test_many_events_that_nobody_reads_wait_at_the_agent(self):
        agent, profiler = self.pair()
        with profiler.events(timeout=10) as events:
            self.emit(agent, 3000)
            time.sleep(0.3)
            self.assertLessEqual(len(events._channel._queue), 1000)
            numbers = [next(events).details["number"] for _ in range(3000)]
        self.assertEqual((numbers, events.dropped), (list(range(3000)), 0))

    def test_without_an_agent(self):
        profiler = self.degraded(
            config=holdfast.MemoryProfilingConfig(
                sampling_interval=0.05, memory_warning_threshold_mb=0.5
            )
        )
        with profiler.events(timeout=5) as events:
            session_id = profiler.start_profiling("x").result()
            profiler.stop_profiling().result()
            seen = [next(events), next(events)]
        self.assertEqual([event.event for event in seen], [STARTED, COMPLETED])
        self.assertEqual(seen[1].details["session_id"], session_id)
        self.assertEqual(seen[1].pid, os.getpid())


if __name__ == "__main__":
    unittest.main()
