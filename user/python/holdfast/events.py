# SPDX-License-Identifier: MIT
"""A subscription to events, for `for` and for `async for`."""
from __future__ import annotations

import asyncio
import collections
import http.client
import json
import os
import threading
import time
import urllib.parse
import weakref
from typing import (
    AsyncIterator,
    Callable,
    Deque,
    Dict,
    Iterator,
    List,
    Optional,
    Set,
    Tuple,
)

from .errors import HoldfastError
from .model import EVENT_CLASSES, MemoryEvent, event_from
from .transport import Exchange, Transport

MOST_WAITING = 1000
SILENCE_S = 45.0  # an agent says something every 15 s
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0
LONGEST_LINE = 1 << 20


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class Channel:
    """Events on their way from whoever makes them (any thread) to one reader."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.dropped = 0
        self.sources: Set[str] = set()  # who puts events in; kept by the profiler
        self.closed = False
        self._error: Optional[HoldfastError] = None
        self._queue: Deque[MemoryEvent] = collections.deque()
        self._condition = threading.Condition()
        self._waiter: Optional[Tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]] = None
        self._on_close: List[Callable[[], None]] = []

    def _wake(self) -> None:
        """With the lock held."""
        self._condition.notify_all()
        if self._waiter is not None:
            loop, future = self._waiter
            self._waiter = None
            try:
                loop.call_soon_threadsafe(_finish, future)
            except RuntimeError:
                pass  # the loop is closed: nobody waits

    def put(self, event: MemoryEvent, wait: bool) -> None:
        """Hand on an event. When nobody reads: wait until someone does, or drop the oldest."""
        with self._condition:
            while wait and len(self._queue) >= MOST_WAITING and not self.closed:
                self._condition.wait()
            if self.closed:
                return
            if len(self._queue) >= MOST_WAITING:
                self._queue.popleft()
                self.dropped += 1
            self._queue.append(event)
            self._wake()

    def close(self, error: Optional[HoldfastError] = None) -> None:
        """No more events; the reader gets those that are here, and then the end or the error."""
        if os.getpid() != self.pid:
            return  # a fork's copy: the connection is the parent's
        with self._condition:
            if self.closed:
                return
            self.closed = True
            self._error = error
            self._wake()
            todo, self._on_close = self._on_close, []
        for action in todo:
            action()

    def on_close(self, action: Callable[[], None]) -> None:
        with self._condition:
            if not self.closed:
                self._on_close.append(action)
                return
        action()

    def _take(self) -> Optional[MemoryEvent]:
        """With the lock held: the next one; None if one must wait; StopIteration at the end."""
        if self._queue:
            event = self._queue.popleft()
            self._condition.notify_all()
            return event
        if self.closed:
            if self._error is not None:
                raise self._error
            raise StopIteration
        return None

    def _check_process(self) -> None:
        if os.getpid() != self.pid:
            raise HoldfastError(
                "HF-E-CLOSED",
                "this subscription to events belongs to the parent process",
                "the process was forked since",
                "call events() anew",
            )

    def get(self, timeout: Optional[float]) -> MemoryEvent:
        """The next event; StopIteration at the end, and after `timeout` seconds without any."""
        self._check_process()
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._condition:
            while True:
                event = self._take()
                if event is not None:
                    return event
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise StopIteration
                self._condition.wait(left)

    async def aget(self, timeout: Optional[float]) -> MemoryEvent:
        """The same for a coroutine. Being cancelled loses no event."""
        self._check_process()
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while True:
            with self._condition:
                try:
                    event = self._take()
                except StopIteration:
                    raise StopAsyncIteration from None
                if event is not None:
                    return event
                future: "asyncio.Future[None]" = loop.create_future()
                self._waiter = (loop, future)
            left = None if deadline is None else deadline - loop.time()
            try:
                await asyncio.wait_for(future, left)
            except asyncio.TimeoutError:
                raise StopAsyncIteration from None


class EventStream(Iterator[MemoryEvent], AsyncIterator[MemoryEvent]):
    """Events since the moment it was made, in order, each once.

    Iterate with `for` or `async for`, one reader at a time; close() it (or use it with `with` or
    `async with`) to end the subscription, from any thread. It reconnects by itself, asking for
    what it missed. With a timeout the iteration ends after that many seconds without an event, and
    may be begun again.
    """

    def __init__(self, channel: Channel, timeout: Optional[float]) -> None:
        self._channel = channel
        self._timeout = timeout
        self._finalizer = weakref.finalize(self, channel.close)

    def __next__(self) -> MemoryEvent:
        return self._channel.get(self._timeout)

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> MemoryEvent:
        return await self._channel.aget(self._timeout)

    def close(self) -> None:
        self._finalizer()

    async def aclose(self) -> None:
        self.close()

    @property
    def dropped(self) -> int:
        """Events that were lost because nobody read them."""
        return self._channel.dropped

    def __enter__(self) -> "EventStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> "EventStream":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class EventFilter:
    """Which events a subscriber wants: by kind, and those about one process (or about none)."""

    def __init__(self, kinds: Optional[Tuple[str, ...]], pid: Optional[int]) -> None:
        self.kinds = kinds
        self.pid = pid

    def __call__(self, event: MemoryEvent) -> bool:
        if self.kinds is not None and event.event not in self.kinds:
            return False
        return self.pid is None or event.pid is None or event.pid == self.pid


DEFAULT_KINDS = tuple(EVENT_CLASSES)


class ServerSentEvents:
    """An agent's stream, read by a thread of its own into a channel."""

    def __init__(
        self,
        transport: Transport,
        channel: Channel,
        wanted: Callable[[MemoryEvent], bool],
        since: Optional[int],
    ) -> None:
        """Connects at once, so that what happens from now on is seen. HoldfastError if it can't."""
        self._transport = transport
        self._channel = channel
        self._wanted = wanted
        self._since = since
        self._last_id = "" if since is None else str(since)
        self._delay = FIRST_DELAY_S
        # With the time: an agent whose store was lost begins its ids anew.
        self._seen: Deque[Tuple[str, str]] = collections.deque(maxlen=256)
        self._wake = threading.Event()
        self._exchange: Optional[Exchange] = self._connect()
        channel.on_close(self._stop)
        threading.Thread(target=self._run, name="holdfast-events", daemon=True).start()

    def _stop(self) -> None:
        self._wake.set()
        exchange = self._exchange
        if exchange is not None:
            exchange.abort()

    def _connect(self) -> Exchange:
        path = "/api/v1/events/stream"
        headers: Dict[str, str] = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        if self._since is not None:
            path += "?" + urllib.parse.urlencode({"since": self._since})
        exchange = self._transport.open("GET", path, headers=headers, timeout=SILENCE_S)
        response = exchange.response
        try:
            if response.status != 200:
                self._transport.check(response, response.read(1 << 16))
            kind = response.headers.get_content_type()
            if kind != "text/event-stream":
                raise HoldfastError(
                    "HF-E-ANSWER", f"the stream of events is {kind}", "", "", response.status
                )
        except BaseException:
            exchange.close()
            raise
        return exchange

    def _run(self) -> None:
        error: Optional[HoldfastError] = None
        try:
            while not self._channel.closed:
                if self._exchange is not None:
                    self._read(self._exchange)
                if not self._channel.closed:
                    self._reconnect()
        except HoldfastError as failure:
            error = failure
        finally:
            exchange, self._exchange = self._exchange, None
            if exchange is not None:
                exchange.close()
            self._channel.close(error)

    def _reconnect(self) -> None:
        self._exchange = None
        self._wake.wait(self._delay)
        self._delay = min(self._delay * 2, LONGEST_DELAY_S)
        if self._channel.closed:
            return
        try:
            self._exchange = self._connect()
        except HoldfastError as error:
            status = error.status
            if status is not None and 400 <= status < 500 and status not in (404, 408, 429):
                raise
        if self._channel.closed and self._exchange is not None:
            self._exchange.close()

    def _read(self, exchange: Exchange) -> None:
        """Until the connection ends, is silent for too long, or says what is no SSE."""
        fields: Dict[str, str] = {}
        try:
            while not self._channel.closed:
                line = exchange.response.readline(LONGEST_LINE)
                if not line.endswith(b"\n"):
                    return  # cut off: an event that is not whole is none
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                if text:
                    self._field(text, fields)
                    continue
                self._dispatch(fields)
                fields = {}
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            return  # as _stop() has it, too
        finally:
            exchange.close()

    def _field(self, text: str, fields: Dict[str, str]) -> None:
        name, _, value = text.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "data" and "data" in fields:
            fields["data"] += "\n" + value
        elif name == "retry" and value.isdigit():
            self._delay = min(int(value) / 1000, LONGEST_DELAY_S)
        elif name:  # a line that begins with ":" is a comment
            fields[name] = value

    def _dispatch(self, fields: Dict[str, str]) -> None:
        last_id = fields.get("id", "")
        if last_id.isascii() and last_id.isdigit():
            self._last_id = last_id  # also without data: an agent may say where the stream begins
        if "data" not in fields:
            return
        try:
            event = event_from(json.loads(fields["data"]))
        except (ValueError, RecursionError, HoldfastError):
            return  # not ours, and no reason to end the others
        self._delay = FIRST_DELAY_S
        key = (last_id, event.time)
        if key in self._seen:
            return  # sent again after a reconnection
        self._seen.append(key)
        if self._wanted(event):
            self._channel.put(event, wait=True)
