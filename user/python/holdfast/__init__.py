# SPDX-License-Identifier: MIT
"""holdfast: what a process holds on to, and what of it is lost; the client of its agent.

    from holdfast import AdvancedMemoryProfiler, memory_profiling_session

    profiler = AdvancedMemoryProfiler()
    print(profiler.get_current_memory_usage()["rss_mb"])
    async with memory_profiling_session(profiler, session_name="import") as session_id:
        ...
    for leak in profiler.get_active_leaks():
        print(leak.component, leak.growth_rate_mb_per_min, leak.recommendation)

README.md beside this package has the rest; `python3 -m holdfast` tries an agent from the shell.
"""
from . import report
from .config import MemoryProfilingConfig, MemoryProfilingLevel, MemoryProfilingMode
from .errors import HoldfastError, HoldfastWarning
from .events import EventStream
from .model import (
    ComponentUsage,
    GarbageCollection,
    Health,
    Leak,
    MemoryEvent,
    MemoryOperationCompleted,
    MemoryOperationStarted,
    MemoryTrends,
    MemoryUsage,
    PerformanceThresholdExceeded,
    ProfilingSession,
    SessionStatistics,
    SpanUsage,
)
from .operation import Operation
from .profiler import AdvancedMemoryProfiler
from .sessions import memory_profile, memory_profiling_session
from .version import __version__

__all__ = [
    "AdvancedMemoryProfiler",
    "ComponentUsage",
    "EventStream",
    "GarbageCollection",
    "Health",
    "HoldfastError",
    "HoldfastWarning",
    "Leak",
    "MemoryEvent",
    "MemoryOperationCompleted",
    "MemoryOperationStarted",
    "MemoryProfilingConfig",
    "MemoryProfilingLevel",
    "MemoryProfilingMode",
    "MemoryTrends",
    "MemoryUsage",
    "Operation",
    "PerformanceThresholdExceeded",
    "ProfilingSession",
    "SessionStatistics",
    "SpanUsage",
    "__version__",
    "memory_profile",
    "memory_profiling_session",
    "report",
]
