# SPDX-License-Identifier: MIT
"""Where no agent answers: the gauges of /proc, and a light thread that samples them.

It sees how much memory there is, never what holds it: no leak, no component, no stack."""
from __future__ import annotations

import collections
import dataclasses
import gc
import html
import json
import os
import threading
import time
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Tuple

from . import procfs
from .backend import Backend
from .config import MemoryProfilingConfig
from .errors import HoldfastError
from .events import Channel
from .model import (
    EVENT_CLASSES,
    MIB,
    ComponentUsage,
    GarbageCollection,
    Health,
    Leak,
    MemoryEvent,
    MemoryTrends,
    MemoryUsage,
    ProfilingSession,
    SessionStatistics,
    SpanUsage,
    format_time,
    megabytes,
)
from .version import __version__

MOST_SAMPLES = 20000
MOST_SESSIONS = 100
MOST_SAMPLES_OF_SESSION = 2000
RATE_WINDOW_S = 300.0
RATE_LEAST_S = 30.0
HYSTERESIS = 0.95


@dataclasses.dataclass(frozen=True)
class Sample:
    time: float
    rss_bytes: int
    vms_bytes: int


@dataclasses.dataclass
class _Running:
    """A session under way or ended."""

    session_id: str
    name: str
    description: str
    start: procfs.Gauges
    samples: List[Sample]
    end: Optional[procfs.Gauges] = None
    step: int = 1  # every step-th sample is kept
    count: int = 0

    def add(self, sample: Sample) -> None:
        if self.count % self.step == 0:
            self.samples.append(sample)
        self.count += 1
        if len(self.samples) >= MOST_SAMPLES_OF_SESSION:
            # Of each two the larger one stays: peaks do.
            pairs = zip(self.samples[::2], self.samples[1::2])
            self.samples = [max(a, b, key=lambda s: s.rss_bytes) for a, b in pairs]
            self.step *= 2


class LocalBackend(Backend):
    """Gauges of one process, whoever it is. `reason`: why there is no agent."""

    def __init__(self, pid: int, config: MemoryProfilingConfig, reason: str) -> None:
        """HoldfastError if there is no such process, or it may not be looked at."""
        self.pid = pid
        self.reason = reason
        self._own = pid == os.getpid()
        self._config = config
        self._interval = max(0.05, config.sampling_interval or 1.0)
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._samples: Deque[Sample] = collections.deque(maxlen=MOST_SAMPLES)
        self._sessions: Dict[str, _Running] = {}
        self._channels: List[Tuple[Channel, Callable[[MemoryEvent], bool]]] = []
        self._next_event = 1
        self._exceeded: Dict[str, bool] = {}
        self._objects: Tuple[float, Optional[int]] = (0.0, None)
        procfs.read_gauges(pid)
        self._sample()
        threading.Thread(target=self._run, name="holdfast-gauges", daemon=True).start()

    def close(self) -> None:
        self._stop.set()
        with self._lock:
            channels, self._channels = self._channels, []
        for channel, _ in channels:
            channel.close()

    # The sampling thread

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self._sample()
            except (HoldfastError, OSError, ValueError, IndexError):
                return  # the process is gone

    def _sample(self) -> None:
        rss, vms = procfs.read_sizes(self.pid)
        sample = Sample(time.time(), rss, vms)
        with self._lock:
            self._samples.append(sample)
            for session in self._sessions.values():
                if session.end is None:
                    session.add(sample)
        self._check_thresholds(rss)

    def _limits(self) -> List[Tuple[str, Optional[float], Optional[float]]]:
        """Thresholds: name, value now, limit."""
        config = self._config
        with self._lock:
            rss = self._samples[-1].rss_bytes / MIB
            rate = None
            if config.memory_growth_rate_threshold_mb_per_min is not None:
                rate = self._rate(RATE_WINDOW_S)
        return [
            ("memory_warning", rss, config.memory_warning_threshold_mb),
            ("memory_critical", rss, config.memory_critical_threshold_mb),
            ("growth", rate, config.memory_growth_rate_threshold_mb_per_min),
        ]

    def _check_thresholds(self, rss: int) -> None:
        for name, value, limit in self._limits():
            if value is None or limit is None:
                continue
            was = self._exceeded.get(name, False)
            self._exceeded[name] = value >= (limit * HYSTERESIS if was else limit)
            if self._exceeded[name] and not was:
                unit = "MB/min" if name == "growth" else "MB"
                self._publish(
                    "PerformanceThresholdExceeded",
                    "critical" if name == "memory_critical" else "warning",
                    f"{name}: {value:.1f} {unit}, the limit is {limit:g} {unit}",
                    {"threshold": name, "value": value, "limit": limit},
                )

    def _rate(self, window_s: float) -> Optional[float]:
        """MB/min over the window's samples, if they tell: with the lock held."""
        since = time.time() - window_s
        points = [(s.time, s.rss_bytes / MIB) for s in self._samples if s.time >= since]
        if len(points) < 2 or points[-1][0] - points[0][0] < min(RATE_LEAST_S, window_s / 2):
            return None
        slope = procfs.slope(points)
        return None if slope is None else slope * 60

    # Events

    def _publish(self, kind: str, severity: str, text: str, details: Dict[str, Any]) -> None:
        with self._lock:
            event = EVENT_CLASSES[kind](
                id=self._next_event,
                time=format_time(time.time()),
                event=kind,
                severity=severity,
                target=None,
                pid=self.pid,
                target_name=procfs.comm(self.pid),
                text=text,
                details=details,
            )
            self._next_event += 1
            self._channels = [pair for pair in self._channels if not pair[0].closed]
            for channel, wanted in self._channels:
                if wanted(event):
                    channel.put(event, wait=False)

    def subscribe(
        self, channel: Channel, wanted: Callable[[MemoryEvent], bool], since: Optional[int]
    ) -> None:
        with self._lock:
            self._channels.append((channel, wanted))

    # Gauges

    def _count_objects(self) -> Optional[int]:
        """Objects that the collector tracks, in this process only; counted again only when that
        takes less than a hundredth of the time."""
        if not self._own:
            return None
        with self._lock:
            valid_until, count = self._objects
            now = time.monotonic()
            if count is None or now >= valid_until:
                count = len(gc.get_objects())
                took = time.monotonic() - now
                self._objects = (now + 100 * took, count)
            return count

    def usage(self) -> MemoryUsage:
        gauges = procfs.read_gauges(self.pid)
        return MemoryUsage(
            rss_mb=gauges.rss_bytes / MIB,
            vms_mb=gauges.vms_bytes / MIB,
            uss_mb=megabytes(gauges.uss_bytes),
            pss_mb=megabytes(gauges.pss_bytes),
            heap_objects=self._count_objects(),
            timestamp=gauges.time,
        )

    def trends(self, window_minutes: float) -> MemoryTrends:
        self._sample()
        with self._lock:
            since = time.time() - window_minutes * 60
            samples = [s for s in self._samples if s.time >= since]
            rate = self._rate(window_minutes * 60)
        return MemoryTrends(
            timestamps=[s.time for s in samples],
            rss_mb=[s.rss_bytes / MIB for s in samples],
            vms_mb=[s.vms_bytes / MIB for s in samples],
            heap_mb=[None for _ in samples],
            growth_rate_mb_per_min=rate,
        )

    def components(self) -> Dict[str, ComponentUsage]:
        """All that is known is the whole: `other`, as memory of no component is called."""
        gauges = procfs.read_gauges(self.pid)
        with self._lock:
            rate = self._rate(RATE_WINDOW_S)
        return {
            "other": ComponentUsage(
                name="other",
                current_memory_mb=gauges.rss_bytes / MIB,
                peak_memory_mb=megabytes(gauges.peak_rss_bytes),
                growth_rate_mb_per_min=rate,
            )
        }

    def component(self, name: str) -> ComponentUsage:
        known = self.components().get(name)
        return known or ComponentUsage(
            name=name, current_memory_mb=None, peak_memory_mb=None, growth_rate_mb_per_min=None
        )

    def spans(self) -> List[SpanUsage]:
        return []

    def leaks(self) -> List[Leak]:
        return []

    def clear(self, leak_id: Optional[str]) -> int:
        if leak_id is not None:
            raise _not_found("leak", leak_id, self.reason)
        return 0

    def collect(self, wait_s: float, trim: bool) -> GarbageCollection:
        if not self._own:
            raise HoldfastError(
                "HF-E-UNSUPPORTED",
                f"can't force a collection in process {self.pid}",
                f"only an agent can, and there is none: {self.reason}",
                "run an agent, or `holdfast gc`",
            )
        details: Dict[str, Any] = {"operation": "gc"}
        self._publish("MemoryOperationStarted", "info", "forced collection", details)
        result = collect_here()
        self._publish(
            "MemoryOperationCompleted", "info", "forced collection", {**details, **result}
        )
        return result

    # Sessions

    def start(self, name: str, description: str) -> ProfilingSession:
        gauges = procfs.read_gauges(self.pid)
        name = name or "unnamed"
        session = _Running(os.urandom(8).hex(), name, description, gauges, [])
        with self._lock:
            for old in [s.session_id for s in self._sessions.values() if s.end is not None]:
                if len(self._sessions) < MOST_SESSIONS:
                    break
                del self._sessions[old]
            session.add(Sample(gauges.time, gauges.rss_bytes, gauges.vms_bytes))
            self._sessions[session.session_id] = session
        details = {"operation": "session", "session_id": session.session_id, "session_name": name}
        self._publish("MemoryOperationStarted", "info", f"session {name}", details)
        return self._result(session)

    def _find(self, session_id: str) -> _Running:
        with self._lock:
            session = self._sessions.get(session_id)
        if session is None:
            raise _not_found("session", session_id, "it never was, or was long ago")
        return session

    def has(self, session_id: str) -> bool:
        with self._lock:
            return session_id in self._sessions

    def stop(self, session_id: str) -> ProfilingSession:
        session = self._find(session_id)
        gauges = procfs.read_gauges(self.pid)
        with self._lock:
            if session.end is not None:
                return self._result(session)
            session.end = gauges
            session.samples.append(Sample(gauges.time, gauges.rss_bytes, gauges.vms_bytes))
            session.count += 1
            result = self._result(session)
        self._publish(
            "MemoryOperationCompleted",
            "info",
            f"session {session.name}",
            {
                "operation": "session",
                "session_id": session_id,
                "session_name": session.name,
                "peak_memory_mb": result.peak_memory_mb,
            },
        )
        return result

    def session(self, session_id: str) -> ProfilingSession:
        return self._result(self._find(session_id))

    def _peak(self, session: _Running) -> int:
        """The largest sample; exact where the process's own peak lies within the session."""
        last = session.end or procfs.read_gauges(self.pid)
        peak = max([last.rss_bytes, *(s.rss_bytes for s in session.samples)])
        first = session.start.peak_rss_bytes
        if first is not None and last.peak_rss_bytes is not None and last.peak_rss_bytes > first:
            peak = max(peak, last.peak_rss_bytes)
        return peak

    def _result(self, session: _Running) -> ProfilingSession:
        with self._lock:
            samples = list(session.samples)
            count = session.count
            peak = self._peak(session)
        end = session.end
        points = [(s.time, s.rss_bytes / MIB) for s in samples]
        slope = None
        if len(points) > 1 and points[-1][0] - points[0][0] >= RATE_LEAST_S:
            slope = procfs.slope(points)
        return ProfilingSession(
            session_id=session.session_id,
            target=None,
            pid=self.pid,
            session_name=session.name,
            description=session.description,
            state="running" if end is None else "ended",
            start_time=format_time(session.start.time),
            end_time=None if end is None else format_time(end.time),
            peak_memory_mb=peak / MIB,
            detected_leaks=[],
            statistics=SessionStatistics(
                duration_s=(time.time() if end is None else end.time) - session.start.time,
                samples=count,
                start_rss_bytes=session.start.rss_bytes,
                end_rss_bytes=None if end is None else end.rss_bytes,
                peak_rss_bytes=peak,
                growth_rate_mb_per_min=None if slope is None else slope * 60,
            ),
            recommendations=self._recommendations(),
            notes=[f"no leaks and components: {self.reason}"],
        )

    def _recommendations(self) -> List[str]:
        if self._config.enable_recommendations is False:
            return []
        return [
            "only an agent tells leaks: run `holdfast agent`, or hunt once: "
            f"`holdfast hunt {self.pid}`"
        ]

    # Files

    def _series(self, session: _Running) -> List[Dict[str, Any]]:
        with self._lock:
            return [dataclasses.asdict(sample) for sample in session.samples]

    def snapshots(self, session_id: str) -> Iterator[bytes]:
        series = self._series(self._find(session_id))
        for row in series:
            row["time"] = format_time(row["time"])
        yield json.dumps({"snapshots": series}).encode()

    def report(self, session_id: str) -> Iterator[bytes]:
        """A holdfast.report/1 of gauges alone, with a note that says so."""
        session = self._find(session_id)
        yield json.dumps(
            _report(self, session, self._result(session), self._series(session))
        ).encode()

    def chart(self, session_id: str) -> Iterator[bytes]:
        session = self._find(session_id)
        yield _chart(self._series(session), session.name or session_id).encode()

    def health(self) -> Health:
        self._sample()
        limits = {name: (value, limit) for name, value, limit in self._limits()}
        status = "ok"
        if self._exceeded.get("memory_warning") or self._exceeded.get("growth"):
            status = "warning"
        if self._exceeded.get("memory_critical"):
            status = "critical"
        checks = [
            {
                "name": name,
                "status": ("critical" if name == "memory_critical" else "warning")
                if self._exceeded.get(name)
                else "ok",
                "text": "no limit is set" if limit is None else f"{value} of {limit:g}",
            }
            for name, (value, limit) in limits.items()
        ]
        return Health(
            status=status,
            memory={"status": status},
            leaks={"active": None},
            profiler={"status": "degraded", "mode": "gauges", "notes": [self.reason]},
            checks=checks,
        )


def collect_here() -> GarbageCollection:
    """A collection in this process."""
    before = len(gc.get_objects())
    began = time.perf_counter()
    collected = gc.collect()
    duration = time.perf_counter() - began
    freed = before - len(gc.get_objects())
    return GarbageCollection(
        collected_objects=collected, objects_freed=max(0, freed), duration_ms=duration * 1000
    )


def of_two_readings(pid: int, first: procfs.Gauges) -> ProfilingSession:
    """What can be told of a session of which nothing but its beginning and its end was read."""
    last = procfs.read_gauges(pid)
    peak = max(first.rss_bytes, last.rss_bytes)
    if (last.peak_rss_bytes or 0) > (first.peak_rss_bytes or 0):
        peak = max(peak, last.peak_rss_bytes or 0)
    return ProfilingSession(
        session_id="",
        target=None,
        pid=pid,
        session_name="",
        description="",
        state="ended",
        start_time=format_time(first.time),
        end_time=format_time(last.time),
        peak_memory_mb=peak / MIB,
        detected_leaks=[],
        statistics=SessionStatistics(
            duration_s=last.time - first.time,
            samples=2,
            start_rss_bytes=first.rss_bytes,
            end_rss_bytes=last.rss_bytes,
            peak_rss_bytes=peak,
            growth_rate_mb_per_min=None,
        ),
        recommendations=[],
        notes=["no leaks are known, the peak is of two readings of /proc"],
    )


def _not_found(kind: str, name: str, why: str) -> HoldfastError:
    return HoldfastError("HF-E-NOTFOUND", f"there is no {kind} {name!r}", why)


def _report(
    backend: LocalBackend, session: _Running, result: ProfilingSession, series: List[Dict[str, Any]]
) -> Dict[str, Any]:
    pid = backend.pid
    end = session.end or procfs.read_gauges(pid)
    started = procfs.start_time(pid)
    try:
        exe = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        exe = ""
    born = "" if started is None else format_time(started)
    zeros: Dict[str, Any] = dict.fromkeys(
        ("pss_bytes", "uss_bytes", "swap_bytes", "heap_live_bytes"), 0
    )
    rate = result.statistics.growth_rate_mb_per_min or 0.0
    growth = rate * MIB / 60
    return {
        "schema": "holdfast.report/1",
        "tool": {"name": "holdfast-python", "version": __version__},
        "target": {
            "pid": pid,
            "comm": procfs.comm(pid),
            "exe": exe,
            "build_id": "",
            "start_time": born,
            "cmdline": "",
            "container": "",
            "allocators": [],
        },
        "processes": [
            {"pid": pid, "parent": 0, "comm": procfs.comm(pid), "start_time": born, "ended": None}
        ],
        "capture": {
            "mode": "scan",
            "started_at": result.start_time,
            "duration_s": result.statistics.duration_s,
            "budget_percent": 0,
            "overhead_percent": 0,
            "duty": 0,
            "windows": 0,
            "scans": 0,
            "stop_ms_max": 0,
        },
        "quality": {
            "events": 0,
            "lost_events": 0,
            "lost_by_reason": {},
            "stacks": 0,
            "stacks_incomplete": {},
            "unmatched_frees": 0,
            "symbols_percent": 0,
            "notes": [f"gauges of /proc only, the heap was not looked at: {backend.reason}"],
        },
        "memory": {
            "rss_bytes": end.rss_bytes,
            "vms_bytes": end.vms_bytes,
            "pss_bytes": end.pss_bytes or 0,
            "uss_bytes": end.uss_bytes or 0,
            "swap_bytes": end.swap_bytes or 0,
            "heap_live_bytes": 0,
            "heap_free_bytes": 0,
            "fragmentation_percent": 0,
            "limit_bytes": 0,
            "series": [
                {**row, **zeros, "time": row["time"] - session.start.time} for row in series
            ],
        },
        "verdict": {
            "state": "watching",
            "confidence": 0,
            "growth_bytes_per_second": growth,
            "growth_rate_mb_per_min": rate,
            "growth_interval": [growth, growth],
            "explained_percent": 0,
        },
        "findings": [],
        "sites": [],
        "frames": [],
        "census": [],
        "components": [],
    }


def _chart(series: List[Dict[str, Any]], title: str) -> str:
    """RSS over time, as SVG."""
    width, height, left, top = 800, 300, 70, 30
    times = [row["time"] - series[0]["time"] for row in series]
    values = [row["rss_bytes"] / MIB for row in series]
    span, low, high = max(times[-1], 1e-9), min(values), max(values)
    room = max((high - low) * 0.1, high * 0.01, 0.01)
    low, high = max(0.0, low - room), high + room
    points = " ".join(
        f"{left + (width - left - 20) * t / span:.1f},"
        f"{top + (height - top - 40) * (high - v) / (high - low):.1f}"
        for t, v in zip(times, values)
    )
    bottom, right = height - 40, width - 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12" role="img">'
        f"<title>{html.escape(title)}: RSS in MB</title>"
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
        f'<text x="{left}" y="18">{html.escape(title)}: RSS in MB, /proc only</text>'
        f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#888"/>'
        f'<text x="{left - 6}" y="{top + 4}" text-anchor="end">{high:.1f}</text>'
        f'<text x="{left - 6}" y="{bottom}" text-anchor="end">{low:.1f}</text>'
        f'<text x="{left}" y="{bottom + 18}">0 s</text>'
        f'<text x="{right}" y="{bottom + 18}" text-anchor="end">{times[-1]:.1f} s</text>'
        f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="2"/></svg>\n'
    )
