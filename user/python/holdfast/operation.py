# SPDX-License-Identifier: MIT
"""Work that has begun, for `await` and for plain code."""
from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import warnings
from typing import Any, Callable, Generator, Generic, Optional, TypeVar

from .errors import HoldfastError, HoldfastWarning

T = TypeVar("T")


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class Operation(Generic[T]):
    """Something that was started when the method was called, and runs in a thread of its own.

    Coroutines `await` it, without their event loop being blocked; plain code calls result().
    Both may be done, several times. Who awaits may be cancelled; the work goes on all the same. A
    failure that nobody asks for is told as a HoldfastWarning.
    """

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._future: "concurrent.futures.Future[T]" = concurrent.futures.Future()
        self._name = name
        self._asked = False
        thread = threading.Thread(
            target=_run, args=(self._future, work), name=f"holdfast-{name}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending, or there is no room for a thread
            _run(self._future, work)

    def done(self) -> bool:
        """Has it ended, well or not?"""
        return self._future.done()

    def result(self, timeout: Optional[float] = None) -> T:
        """What came of it; waits for it. HoldfastError HF-E-TIMEOUT if that takes too long.

        In a coroutine use await: this blocks."""
        self._asked = True
        try:
            return self._future.result(timeout)
        except concurrent.futures.TimeoutError:
            if self._future.done():
                raise
            raise HoldfastError("HF-E-TIMEOUT", f"{self._name} is not done yet") from None

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        """Its failure, or None; waits as result() does."""
        try:
            self.result(timeout)
        except BaseException as error:
            if not self._future.done():
                raise
            return error
        return None

    def __await__(self) -> Generator[Any, None, T]:
        self._asked = True
        if not self._future.done():
            loop = asyncio.get_running_loop()
            waiter: "asyncio.Future[None]" = loop.create_future()

            def wake(_: "concurrent.futures.Future[T]") -> None:
                try:
                    loop.call_soon_threadsafe(_finish, waiter)
                except RuntimeError:
                    pass  # the loop is closed: nobody waits

            self._future.add_done_callback(wake)
            yield from waiter.__await__()
        return self._future.result()

    def __del__(self) -> None:
        future: Optional["concurrent.futures.Future[T]"] = getattr(self, "_future", None)
        if future is None or self._asked or not future.done():
            return
        error = future.exception()
        if error is not None:
            text = error.one_line if isinstance(error, HoldfastError) else repr(error)
            warnings.warn(f"{self._name} failed, and nobody asked: {text}", HoldfastWarning)


def _run(future: "concurrent.futures.Future[T]", work: Callable[[], T]) -> None:
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
