# SPDX-License-Identifier: MIT
"""The profiler's plain methods as coroutines."""
from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Union, overload

from .events import DEFAULT_KINDS, EventStream
from .model import (
    ComponentUsage,
    Health,
    Leak,
    MemoryTrends,
    MemoryUsage,
    ProfilingSession,
    SpanUsage,
)
from .operation import Operation
from .transport import PathLike

if TYPE_CHECKING:
    from .profiler import AdvancedMemoryProfiler


class AsyncMethods:
    """`profiler.aio`: the plain methods of AdvancedMemoryProfiler as coroutines."""

    def __init__(self, profiler: AdvancedMemoryProfiler) -> None:
        self._profiler = profiler

    async def get_current_memory_usage(self) -> MemoryUsage:
        return await Operation(self._profiler.get_current_memory_usage, "usage")

    @overload
    async def get_component_memory_usage(self, name: None = None) -> Dict[str, ComponentUsage]:
        ...

    @overload
    async def get_component_memory_usage(self, name: str) -> ComponentUsage:
        ...

    async def get_component_memory_usage(
        self, name: Optional[str] = None
    ) -> Union[Dict[str, ComponentUsage], ComponentUsage]:
        def work() -> Union[Dict[str, ComponentUsage], ComponentUsage]:
            profiler = self._profiler
            if name is None:
                return profiler.get_component_memory_usage()
            return profiler.get_component_memory_usage(name)

        return await Operation(work, "components")

    async def get_span_memory_usage(self, span: Optional[str] = None) -> List[SpanUsage]:
        return await Operation(lambda: self._profiler.get_span_memory_usage(span), "spans")

    async def get_memory_trends(self, window_minutes: float = 60) -> MemoryTrends:
        return await Operation(lambda: self._profiler.get_memory_trends(window_minutes), "trends")

    async def health(self) -> Health:
        return await Operation(self._profiler.health, "health")

    async def get_active_leaks(self) -> List[Leak]:
        return await Operation(self._profiler.get_active_leaks, "leaks")

    async def clear_leak_alerts(self, leak_id: Optional[str] = None) -> int:
        return await Operation(lambda: self._profiler.clear_leak_alerts(leak_id), "clear")

    async def get_session(self, session_id: str) -> ProfilingSession:
        return await Operation(lambda: self._profiler.get_session(session_id), "session")

    async def save_report(self, session_id: str, path: PathLike) -> str:
        return await Operation(lambda: self._profiler.save_report(session_id, path), "report")

    async def export_raw(self, session_id: str, path: PathLike) -> str:
        return await Operation(lambda: self._profiler.export_raw(session_id, path), "export")

    async def save_chart(self, session_id: str, path: PathLike) -> str:
        return await Operation(lambda: self._profiler.save_chart(session_id, path), "chart")

    async def events(
        self,
        kinds: Optional[Sequence[str]] = DEFAULT_KINDS,
        *,
        all_targets: bool = False,
        since: Optional[int] = None,
        timeout: Optional[float] = None,
    ) -> EventStream:
        def work() -> EventStream:
            return self._profiler.events(
                kinds, all_targets=all_targets, since=since, timeout=timeout
            )

        return await Operation(work, "events")
