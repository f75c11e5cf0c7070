# SPDX-License-Identifier: MIT
"""The names under which some programs import the client: they are those of `holdfast`.

Put user/python/shim on PYTHONPATH, after the program's own folder. `src`, `src.observability` and
`src.core` are namespace packages, so they go together with other parts of a `src` that has no
__init__.py files there."""
from holdfast import (
    AdvancedMemoryProfiler,
    HoldfastError,
    HoldfastWarning,
    MemoryOperationCompleted,
    MemoryOperationStarted,
    MemoryProfilingConfig,
    MemoryProfilingLevel,
    MemoryProfilingMode,
    PerformanceThresholdExceeded,
    memory_profile,
    memory_profiling_session,
)

__all__ = [
    "AdvancedMemoryProfiler",
    "HoldfastError",
    "HoldfastWarning",
    "MemoryOperationCompleted",
    "MemoryOperationStarted",
    "MemoryProfilingConfig",
    "MemoryProfilingLevel",
    "MemoryProfilingMode",
    "PerformanceThresholdExceeded",
    "memory_profile",
    "memory_profiling_session",
]
