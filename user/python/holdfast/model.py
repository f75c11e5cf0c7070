# SPDX-License-Identifier: MIT
"""What the methods return: dictionaries whose entries are attributes, too.

`usage["rss_mb"]` and `usage.rss_mb` are the same; json.dumps() takes all of them. A number that
nobody knows is None. MB is 1,048,576 bytes. Entries that an agent sends beyond those named here
are kept as they came.
"""
from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Type, TypeVar

from .errors import HoldfastError

MIB = 1048576.0

R = TypeVar("R", bound="Record")


class Record(Dict[str, Any]):
    """A dictionary whose entries are readable as attributes."""

    __slots__ = ()

    if not TYPE_CHECKING:  # a type checker is to see the declared names only

        def __getattr__(self, name: str) -> Any:
            try:
                return self[name]
            except KeyError:
                raise AttributeError(
                    f"{type(self).__name__} has no {name!r}; it has: {', '.join(self)}"
                ) from None

        def __setattr__(self, name: str, value: Any) -> None:
            raise AttributeError(f"{type(self).__name__} is a result; {name} can't be set")

        def __dir__(self) -> List[str]:
            return sorted({*super().__dir__(), *(key for key in self if key.isidentifier())})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.items())})"

    def __reduce__(self) -> Any:
        return (_restore, (type(self), dict(self)))

    def __copy__(self: R) -> R:
        return type(self)(self)

    def copy(self: R) -> R:
        """A shallow copy, of the same class."""
        return type(self)(self)


def _restore(cls: Type[R], values: Dict[str, Any]) -> R:
    return cls(values)


class MemoryUsage(Record):
    """Memory of the target now. timestamp: seconds since 1970. heap_objects: of Python."""

    rss_mb: float
    vms_mb: float
    uss_mb: Optional[float]
    pss_mb: Optional[float]
    heap_objects: Optional[int]
    timestamp: float


class ComponentUsage(Record):
    """Memory that belongs to one component."""

    name: str
    current_memory_mb: Optional[float]
    peak_memory_mb: Optional[float]
    growth_rate_mb_per_min: Optional[float]


class SpanUsage(Record):
    """Memory that was allocated within one span (a session, a request, a plugin ...) and is held."""

    span: str
    key: str
    outstanding_bytes: int
    outstanding_count: int
    peak_bytes: int
    allocs: int


class MemoryTrends(Record):
    """Lists of equal length, oldest first; None where a value is unknown."""

    timestamps: List[float]
    rss_mb: List[Optional[float]]
    vms_mb: List[Optional[float]]
    heap_mb: List[Optional[float]]
    growth_rate_mb_per_min: Optional[float]


class Leak(Record):
    """One active leak. first_seen and last_seen are RFC 3339 texts."""

    leak_id: str
    component: str
    growth_rate_mb_per_min: Optional[float]
    current_memory_mb: Optional[float]
    confidence: Optional[float]
    first_seen: str
    recommendation: str


class SessionStatistics(Record):
    """What happened between start and stop."""

    duration_s: Optional[float]
    samples: Optional[int]
    start_rss_bytes: Optional[int]
    end_rss_bytes: Optional[int]
    peak_rss_bytes: Optional[int]
    growth_rate_mb_per_min: Optional[float]


class ProfilingSession(Record):
    """A session; end_time is None while it runs. notes: what it can't tell, and why."""

    session_id: str
    session_name: str
    description: str
    state: str
    start_time: str
    end_time: Optional[str]
    peak_memory_mb: Optional[float]
    detected_leaks: List[Leak]
    statistics: SessionStatistics
    recommendations: List[str]
    notes: List[str]


class GarbageCollection(Record):
    """collected_objects: as the collector counts; objects_freed: how many fewer there are."""

    collected_objects: Optional[int]
    objects_freed: Optional[int]


class Health(Record):
    """status: ok, warning or critical; the rest as the agent's /healthz has it."""

    status: str
    memory: Dict[str, Any]
    leaks: Dict[str, Any]
    profiler: Dict[str, Any]
    checks: List[Dict[str, Any]]


class MemoryEvent(Record):
    """An event; `event` is its kind, `time` RFC 3339."""

    id: Optional[int]
    event: str
    time: str
    severity: str
    pid: Optional[int]
    text: str
    details: Dict[str, Any]


class MemoryOperationStarted(MemoryEvent):
    """A session, a collection, a window of tracing or a look at the heap begins."""


class MemoryOperationCompleted(MemoryEvent):
    """It has ended; details has what came of it."""


class PerformanceThresholdExceeded(MemoryEvent):
    """details: threshold (memory_warning, memory_critical, growth, leak, budget), value, limit."""


EVENT_CLASSES: Dict[str, Type[MemoryEvent]] = {
    "MemoryOperationStarted": MemoryOperationStarted,
    "MemoryOperationCompleted": MemoryOperationCompleted,
    "PerformanceThresholdExceeded": PerformanceThresholdExceeded,
}


# From the agent's answers. Each raises HoldfastError where an answer has not the shape it must have.


def _answer_error(what: str) -> HoldfastError:
    return HoldfastError(
        "HF-E-ANSWER",
        f"the agent's answer can't be used: {what}",
        "it is of another version, or no agent of holdfast at all",
        "compare `holdfast --version` with the client's",
    )


def as_object(value: Any, what: str) -> Dict[str, Any]:
    """`value`, which must be a JSON object."""
    if not isinstance(value, dict):
        raise _answer_error(f"{what} is no object")
    return value


def as_list(value: Any, what: str) -> List[Any]:
    """`value`, which must be a JSON array."""
    if not isinstance(value, list):
        raise _answer_error(f"{what} is no list")
    return value


def number(value: Any, what: str) -> Optional[float]:
    """A finite number, or None for null."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _answer_error(f"{what} is no number")
    return value


def needed(value: Any, what: str) -> float:
    """A finite number that must be there."""
    result = number(value, what)
    if result is None:
        raise _answer_error(f"{what} is missing")
    return result


def megabytes(value: Optional[float]) -> Optional[float]:
    """Bytes to MB; None stays None."""
    return None if value is None else value / MIB


def parse_time(value: Any) -> Optional[float]:
    """Seconds since 1970 of an RFC 3339 text or of a number; None if it is neither."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    text = value.strip().replace("z", "Z")
    head, point, tail = text.partition(".")
    if point:  # before Python 3.11, fromisoformat() takes 3 or 6 digits only
        digits = len(tail) - len(tail.lstrip("0123456789"))
        text = f"{head}.{(tail[:digits] + '000000')[:6]}{tail[digits:]}"
    if text.endswith("Z"):
        text = text[:-1] + "+00:00"
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.timezone.utc)
    return when.timestamp()


def format_time(seconds: float) -> str:
    """RFC 3339, UTC, milliseconds."""
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


def usage_from(answer: Mapping[str, Any]) -> MemoryUsage:
    """Of GET …/usage."""
    when = parse_time(answer.get("timestamp"))
    if when is None:
        raise _answer_error("timestamp of usage")
    rss = needed(answer.get("rss_bytes"), "rss_bytes")
    vms = needed(answer.get("vms_bytes"), "vms_bytes")
    usage = MemoryUsage(
        rss_mb=rss / MIB,
        vms_mb=vms / MIB,
        uss_mb=megabytes(number(answer.get("uss_bytes"), "uss_bytes")),
        pss_mb=megabytes(number(answer.get("pss_bytes"), "pss_bytes")),
        heap_objects=number(answer.get("heap_objects"), "heap_objects"),
        timestamp=when,
    )
    for key, value in answer.items():
        usage.setdefault(key, value)
    return usage


def component_from(answer: Any) -> ComponentUsage:
    """Of GET …/components/{name}, and each of …/components."""
    component = ComponentUsage(as_object(answer, "a component"))
    if not isinstance(component.get("name"), str):
        raise _answer_error("a component has no name")
    for key in ("current_memory_mb", "peak_memory_mb", "growth_rate_mb_per_min"):
        component[key] = number(component.get(key), key)
    return component


def span_from(answer: Any) -> SpanUsage:
    """Each of GET …/spans."""
    span = SpanUsage(as_object(answer, "a span"))
    for key in ("span", "key"):
        if span.get(key) is None:
            raise _answer_error(f"a span has no {key}")
        span[key] = str(span[key])
    span["outstanding_bytes"] = needed(span.get("outstanding_bytes"), "outstanding_bytes")
    for key in ("outstanding_count", "peak_bytes", "allocs"):
        span[key] = number(span.get(key), key)
    return span


def trends_from(answer: Mapping[str, Any]) -> MemoryTrends:
    """Of GET …/trends."""
    times = [needed(t, "a timestamp") for t in as_list(answer.get("timestamps"), "timestamps")]

    def series(key: str) -> List[Optional[float]]:
        values = as_list(answer.get(key), key)
        if len(values) != len(times):
            raise _answer_error(f"{key} and timestamps differ in length")
        return [megabytes(number(value, key)) for value in values]

    trends = MemoryTrends(
        timestamps=times,
        rss_mb=series("rss_bytes"),
        vms_mb=series("vms_bytes"),
        heap_mb=series("heap_live_bytes"),
        growth_rate_mb_per_min=number(
            answer.get("growth_rate_mb_per_min"), "growth_rate_mb_per_min"
        ),
    )
    for key, value in answer.items():
        trends.setdefault(key, value)
    return trends


def leak_from(answer: Any) -> Leak:
    """Of GET /api/v1/leaks, and of a session's detected_leaks."""
    leak = Leak(as_object(answer, "a leak"))
    if not isinstance(leak.get("leak_id"), str):
        raise _answer_error("a leak has no leak_id")
    for key in ("component", "first_seen", "recommendation"):
        text = leak.get(key)
        leak[key] = text if isinstance(text, str) else ""
    for key in ("growth_rate_mb_per_min", "current_memory_mb", "confidence"):
        leak[key] = number(leak.get(key), key)
    return leak


def session_from(answer: Any) -> ProfilingSession:
    """Of POST and GET /api/v1/sessions/…"""
    session = ProfilingSession(as_object(answer, "a session"))
    if not isinstance(session.get("session_id"), str) or not session["session_id"]:
        raise _answer_error("a session has no session_id")
    session["peak_memory_mb"] = number(session.get("peak_memory_mb"), "peak_memory_mb")
    session["detected_leaks"] = [
        leak_from(leak) for leak in as_list(session.get("detected_leaks") or [], "detected_leaks")
    ]
    session["statistics"] = SessionStatistics(
        as_object(session.get("statistics") or {}, "statistics")
    )
    session["recommendations"] = as_list(session.get("recommendations") or [], "recommendations")
    session["notes"] = as_list(session.get("notes") or [], "notes")
    for key in ("session_name", "description", "state", "start_time"):
        session[key] = session.get(key) or ""
    session.setdefault("end_time", None)
    return session


def collection_from(answer: Mapping[str, Any]) -> GarbageCollection:
    """Of POST …/gc."""
    result = GarbageCollection(answer)
    for key in ("collected_objects", "objects_freed"):
        result[key] = number(result.get(key), key)
    return result


def event_from(answer: Any) -> MemoryEvent:
    """Of an SSE message's data; the class is that of its kind."""
    values = as_object(answer, "an event")
    kind = values.get("event")
    if not isinstance(kind, str):
        raise _answer_error("an event has no kind")
    event = EVENT_CLASSES.get(kind, MemoryEvent)(values)
    if not isinstance(event.get("details"), dict):
        event["details"] = {}
    for key in ("time", "severity", "text"):
        event[key] = event.get(key) or ""
    for key in ("id", "pid"):
        event.setdefault(key, None)
    return event


def health_from(answer: Any) -> Health:
    """Of GET /healthz."""
    health = Health(as_object(answer, "health"))
    if health.get("status") not in ("ok", "warning", "critical"):
        raise _answer_error("health has no status")
    empty: Dict[str, Callable[[], Any]] = {
        "memory": dict,
        "leaks": dict,
        "profiler": dict,
        "checks": list,
    }
    for key, make in empty.items():
        if not isinstance(health.get(key), make):  # type: ignore[arg-type]
            health[key] = make()
    return health
