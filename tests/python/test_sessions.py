# SPDX-License-Identifier: GPL-2.0-or-later
"""memory_profiling_session and memory_profile: whatever happens, the session is stopped."""
import asyncio
import inspect
import unittest

import holdfast
from common import ClientTest, run, until
from fake_agent import Trouble
from holdfast import memory_profile, memory_profiling_session


class Boom(Exception):
    pass


class SessionTest(ClientTest):
    def setUp(self):
        super().setUp()
        self.fake, self.profiler_ = self.pair()

    def states(self):
        return [session["state"] for session in self.fake.state.sessions.values()]

    def names(self):
        return [session["session_name"] for session in self.fake.state.sessions.values()]


class Contexts(SessionTest):
    def test_async(self):
        async def main():
            context = memory_profiling_session(
                self.profiler_, session_name="block", description="of code"
            )
            async with context as session_id:
                self.assertEqual(self.fake.state.sessions[session_id]["state"], "running")
            return session_id, context

        session_id, context = run(main())
        self.assertEqual(context.session.session_id, session_id)
        self.assertEqual(context.session_id, session_id)
        self.assertEqual(context.session.description, "of code")
        self.assertEqual(self.states(), ["ended"])

    def test_plain(self):
        with memory_profiling_session(self.profiler_, "block") as session_id:
            self.assertEqual(self.profiler_.get_session(session_id).session_name, "block")
        self.assertEqual(self.states(), ["ended"])

    def test_exceptions_pass_through(self):
        async def main():
            async with memory_profiling_session(self.profiler_):
                raise Boom

        with self.assertRaises(Boom):
            run(main())
        with self.assertRaises(Boom):
            with memory_profiling_session(self.profiler_):
                raise Boom
        self.assertEqual(self.states(), ["ended", "ended"])

    def test_cancelled_within(self):
        async def block():
            async with memory_profiling_session(self.profiler_):
                await asyncio.sleep(60)

        async def main():
            task = asyncio.ensure_future(block())
            while not self.fake.state.sessions:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        run(main())
        self.assertEqual(self.states(), ["ended"])

    def test_cancelled_while_it_begins_or_ends(self):
        async def block():
            async with memory_profiling_session(self.profiler_):
                pass

        async def main(path):
            self.fake.state.troubles.append(Trouble("POST", path, delay=0.3))
            task = asyncio.ensure_future(block())
            await asyncio.sleep(0.15)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        self.profiler_.connect().result()
        for path in ("/sessions$", "/stop$"):
            self.fake.state.sessions.clear()
            run(main(path))
            until(lambda: self.states() == ["ended"], what=f"end of the session ({path})")

    def test_interleaved(self):
        async def one(number):
            async with memory_profiling_session(self.profiler_, f"s{number}") as session_id:
                await asyncio.sleep(0.001 * (number * 7 % 10))
                self.assertEqual(
                    self.fake.state.sessions[session_id]["session_name"], f"s{number}"
                )
                return session_id

        async def main():
            return await asyncio.gather(*(one(number) for number in range(20)))

        self.assertEqual(len(set(run(main()))), 20)
        self.assertEqual(set(self.states()), {"ended"})

    def test_it_never_disturbs(self):
        for path, what in (("/sessions$", "begun"), ("/stop$", "stopped")):
            self.fake.state.troubles.append(Trouble("POST", path, status=500))
            with self.assertWarnsRegex(holdfast.HoldfastWarning, f"could not be {what}"):
                with memory_profiling_session(self.profiler_, "x"):
                    done = True
            self.assertTrue(done)

        async def main():
            for path in ("/sessions$", "/stop$"):
                self.fake.state.troubles.append(Trouble("POST", path, status=500))
                with self.assertWarns(holdfast.HoldfastWarning):
                    async with memory_profiling_session(self.profiler_, "x"):
                        pass

        run(main())

    def test_unless_it_is_wanted(self):
        strict = self.profiler(url=self.fake.url, degrade=False)
        self.fake.state.troubles.append(Trouble("POST", "/sessions$", status=500))
        context = memory_profiling_session(strict, "x")
        self.assertFails("HF-E-INTERNAL", context.__enter__)
        self.fake.state.troubles.append(Trouble("POST", "/stop$", status=500))
        with self.assertWarns(holdfast.HoldfastWarning):
            with self.assertRaises(Boom):  # the block's own exception has the word
                with memory_profiling_session(strict, "x"):
                    raise Boom

    def test_wrong_inputs(self):
        self.assertFails("HF-E-USAGE", memory_profiling_session, None)
        self.assertFails("HF-E-USAGE", memory_profiling_session, self.profiler_, 3)
        self.assertFails("HF-E-USAGE", memory_profile, lambda: None)
        context = memory_profiling_session(self.profiler_)
        with context:
            self.assertFails("HF-E-USAGE", context.__enter__)
        with context as again:  # one after the other is fine
            self.assertTrue(again)
        closed = self.profiler(url=self.fake.url)
        closed.close()
        with self.assertWarns(holdfast.HoldfastWarning):
            with memory_profiling_session(closed) as session_id:
                self.assertEqual(session_id, "")


class Decorators(SessionTest):
    def test_async_function(self):
        @memory_profile(self.profiler_, session_name="infer")
        async def infer(a, *, b=2):
            """Doc."""
            self.assertEqual(self.states(), ["running"])
            return a + b

        self.assertTrue(inspect.iscoroutinefunction(infer))
        self.assertEqual((infer.__name__, infer.__doc__), ("infer", "Doc."))
        self.assertEqual(run(infer(1, b=4)), 5)
        self.assertEqual((self.names(), self.states()), (["infer"], ["ended"]))
        self.assertEqual(infer.last_session.session_name, "infer")

    def test_plain_function(self):
        @memory_profile(self.profiler_)
        def work(x):
            self.assertEqual(self.states()[-1], "running")
            if x < 0:
                raise Boom
            return x if x == 0 else work(x - 1)

        self.assertEqual(work(2), 0)
        with self.assertRaises(Boom):
            work(-1)
        self.assertEqual(self.states(), ["ended"] * 4)
        self.assertIn("test_plain_function.<locals>.work", self.names()[0])

    def test_exception_of_an_async_function(self):
        @memory_profile(self.profiler_, session_name="x")
        async def fail():
            raise Boom

        with self.assertRaises(Boom):
            run(fail())
        self.assertEqual(self.states(), ["ended"])

    def test_method(self):
        profiler = self.profiler_

        class Engine:
            @memory_profile(profiler, session_name="method")
            def run(self, x):
                return self, x

        engine = Engine()
        self.assertEqual(engine.run(3), (engine, 3))

    def test_generator(self):
        @memory_profile(self.profiler_, session_name="items")
        def items():
            got = yield 1
            yield got
            return "end"

        iterator = items()
        self.assertEqual(self.states(), [])
        self.assertEqual(next(iterator), 1)
        self.assertEqual(iterator.send("sent"), "sent")
        self.assertEqual(self.states(), ["running"])
        with self.assertRaises(StopIteration) as end:
            next(iterator)
        self.assertEqual((end.exception.value, self.states()), ("end", ["ended"]))
        closed = items()
        next(closed)
        closed.close()
        self.assertEqual(self.states(), ["ended"] * 2)

    def test_async_generator(self):
        cleaned = []

        @memory_profile(self.profiler_, session_name="items")
        async def items():
            try:
                got = yield 1
                try:
                    yield got
                except Boom:
                    yield "caught"
            finally:
                cleaned.append(1)

        async def main():
            self.assertEqual([x async for x in items()], [1, None])
            self.assertEqual(self.states(), ["ended"])
            iterator = items()
            await iterator.__anext__()
            self.assertEqual(await iterator.asend("sent"), "sent")
            self.assertEqual(await iterator.athrow(Boom()), "caught")
            self.assertEqual(self.states()[-1], "running")
            await iterator.aclose()
            iterator = items()
            await iterator.__anext__()
            with self.assertRaises(KeyError):
                await iterator.athrow(KeyError())

        run(main())
        self.assertEqual((self.states(), cleaned), (["ended"] * 3, [1] * 3))

    def test_an_agent_in_trouble_changes_no_result(self):
        @memory_profile(self.profiler_, session_name="x")
        def work():
            return 42

        for path in ("/sessions$", "/stop$"):
            self.fake.state.troubles.append(Trouble("POST", path, status=503))
            with self.assertWarns(holdfast.HoldfastWarning):
                self.assertEqual(work(), 42)
            self.assertIsNone(work.last_session)


if __name__ == "__main__":
    unittest.main()
