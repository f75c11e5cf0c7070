# SPDX-License-Identifier: MIT
"""Sessions around a block of code or a function."""
from __future__ import annotations

import functools
import inspect
import warnings
from typing import Any, Callable, Optional, TypeVar, cast

from .errors import HoldfastError, HoldfastWarning
from .model import ProfilingSession
from .operation import Operation
from .profiler import AdvancedMemoryProfiler, _Started

F = TypeVar("F", bound=Callable[..., Any])


class memory_profiling_session:
    """A session as long as a block of code runs.

        async with memory_profiling_session(profiler, session_name="import") as session_id:
            ...

    `with` does the same in plain code. The session is stopped however the block ends, also by an
    exception, which passes through, or by cancellation; `.session` is then what it found. A
    session that can't be begun or stopped never disturbs the block: it is a HoldfastWarning, the
    id is "" and .session None (with the profiler's degrade=False: HoldfastError).
    """

    def __init__(
        self,
        profiler: AdvancedMemoryProfiler,
        session_name: str = "",
        description: str = "",
    ) -> None:
        if not isinstance(profiler, AdvancedMemoryProfiler):
            raise HoldfastError(
                "HF-E-USAGE", "the first argument is no profiler", repr(type(profiler))
            )
        for name, value in (("session_name", session_name), ("description", description)):
            if not isinstance(value, str):
                raise HoldfastError("HF-E-USAGE", f"{name} is {value!r}", "it must be a text")
        self.session: Optional[ProfilingSession] = None
        self.session_id = ""
        self._profiler = profiler
        self._name = session_name
        self._description = description
        self._started: Optional[_Started] = None

    def _begin(self) -> "Optional[Operation[str]]":
        if self._started is not None:
            raise HoldfastError("HF-E-USAGE", "this session has begun already", "", "make another")
        self.session, self.session_id = None, ""
        try:
            self._started, operation = self._profiler._begin(self._name, self._description)
        except HoldfastError as error:
            self._failed("begun", error, quiet=False)
            return None
        return operation

    def _failed(self, what: str, error: HoldfastError, quiet: bool) -> None:
        """`quiet`: an exception of the block is on its way, which ours must not hide."""
        self._started = None
        if not self._profiler._degrade and not quiet:
            raise error
        text = f"the session {self._name!r} could not be {what}: {error.one_line}"
        warnings.warn(text, HoldfastWarning, stacklevel=4)

    def _stop(self) -> "Optional[Operation[ProfilingSession]]":
        started, self._started = self._started, None
        return None if started is None else self._profiler._stop(started)

    def _abandon(self) -> None:
        """Cancelled while it began: stop it when it has."""
        operation = self._stop()
        if operation is not None:
            operation._asked = True

    def __enter__(self) -> str:
        operation = self._begin()
        if operation is not None:
            try:
                self.session_id = operation.result()
            except HoldfastError as error:
                self._failed("begun", error, quiet=False)
            except BaseException:
                self._abandon()
                raise
        return self.session_id

    def __exit__(self, kind: Optional[type], *_: object) -> None:
        operation = self._stop()
        if operation is not None:
            try:
                self.session = operation.result()
            except HoldfastError as error:
                self._failed("stopped", error, quiet=kind is not None)

    async def __aenter__(self) -> str:
        operation = self._begin()
        if operation is not None:
            try:
                self.session_id = await operation
            except HoldfastError as error:
                self._failed("begun", error, quiet=False)
            except BaseException:
                self._abandon()
                raise
        return self.session_id

    async def __aexit__(self, kind: Optional[type], *_: object) -> None:
        operation = self._stop()
        if operation is not None:
            try:
                self.session = await operation
            except HoldfastError as error:
                self._failed("stopped", error, quiet=kind is not None)


def memory_profile(
    profiler: AdvancedMemoryProfiler,
    session_name: Optional[str] = None,
    description: str = "",
) -> Callable[[F], F]:
    """Decorator: each call of the function is a session, by default of the function's name.

    For plain functions, coroutine functions, generators and asynchronous generators (as long as
    they are iterated). What the function returns or raises passes through. `function.last_session`
    is what the call that ended last found.
    """
    if not isinstance(profiler, AdvancedMemoryProfiler):
        raise HoldfastError(
            "HF-E-USAGE",
            "memory_profile needs a profiler",
            repr(profiler),
            "write @memory_profile(profiler)",
        )

    def decorate(function: F) -> F:
        name = session_name
        if name is None:
            name = getattr(function, "__qualname__", None) or repr(function)
        wrapper = _wrap(
            function, lambda: memory_profiling_session(profiler, name or "", description)
        )
        setattr(wrapper, "last_session", None)
        return cast(F, wrapper)

    return decorate


def _wrap(
    function: Callable[..., Any], new: Callable[[], memory_profiling_session]
) -> Callable[..., Any]:
    wrapper: Any

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            session = new()
            try:
                async with session:
                    return await function(*args, **kwargs)
            finally:
                wrapper.last_session = session.session

        wrapper = coroutine
    elif inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def asynchronous_generator(*args: Any, **kwargs: Any) -> Any:
            session = new()
            items = function(*args, **kwargs)
            try:
                async with session:
                    step = items.asend(None)
                    while True:
                        try:
                            item = await step
                        except StopAsyncIteration:
                            return
                        try:
                            step = items.asend((yield item))
                        except GeneratorExit:
                            raise
                        except BaseException as error:
                            step = items.athrow(error)
            finally:
                wrapper.last_session = session.session
                await items.aclose()

        wrapper = asynchronous_generator
    elif inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            session = new()
            try:
                with session:
                    return (yield from function(*args, **kwargs))
            finally:
                wrapper.last_session = session.session

        wrapper = generator
    else:

        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            session = new()
            try:
                with session:
                    return function(*args, **kwargs)
            finally:
                wrapper.last_session = session.session

        wrapper = plain
    return cast(Callable[..., Any], wrapper)
