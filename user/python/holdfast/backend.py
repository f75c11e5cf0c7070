# SPDX-License-Identifier: MIT
"""What a profiler asks for, whoever answers: an agent (agent.py) or /proc (local.py)."""
from __future__ import annotations

import abc
from typing import Callable, Dict, Iterator, List, Optional

from .events import Channel
from .model import (
    ComponentUsage,
    GarbageCollection,
    Health,
    Leak,
    MemoryEvent,
    MemoryTrends,
    MemoryUsage,
    ProfilingSession,
    SpanUsage,
)


class Backend(abc.ABC):
    """Every method may be called from any thread, blocks for a short time, and raises HoldfastError."""

    @abc.abstractmethod
    def usage(self) -> MemoryUsage:
        ...

    @abc.abstractmethod
    def trends(self, window_minutes: float) -> MemoryTrends:
        ...

    @abc.abstractmethod
    def components(self) -> Dict[str, ComponentUsage]:
        ...

    @abc.abstractmethod
    def component(self, name: str) -> ComponentUsage:
        ...

    @abc.abstractmethod
    def spans(self) -> List[SpanUsage]:
        ...

    @abc.abstractmethod
    def leaks(self) -> List[Leak]:
        ...

    @abc.abstractmethod
    def clear(self, leak_id: Optional[str]) -> int:
        ...

    @abc.abstractmethod
    def collect(self, wait_s: float, trim: bool) -> GarbageCollection:
        ...

    @abc.abstractmethod
    def start(self, name: str, description: str) -> ProfilingSession:
        ...

    @abc.abstractmethod
    def stop(self, session_id: str) -> ProfilingSession:
        ...

    @abc.abstractmethod
    def session(self, session_id: str) -> ProfilingSession:
        ...

    @abc.abstractmethod
    def report(self, session_id: str) -> Iterator[bytes]:
        ...

    @abc.abstractmethod
    def snapshots(self, session_id: str) -> Iterator[bytes]:
        ...

    @abc.abstractmethod
    def chart(self, session_id: str) -> Iterator[bytes]:
        ...

    @abc.abstractmethod
    def health(self) -> Health:
        ...

    @abc.abstractmethod
    def subscribe(
        self, channel: Channel, wanted: Callable[[MemoryEvent], bool], since: Optional[int]
    ) -> None:
        ...

    @abc.abstractmethod
    def close(self) -> None:
        ...
