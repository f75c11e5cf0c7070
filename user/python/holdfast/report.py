# SPDX-License-Identifier: MIT
"""Reports (holdfast.report/1) read from files: what `hunt`, `scan` and save_report() write.

    report = holdfast.report.load("hf-server-4312.json.gz")
    print(report.verdict.state, report.verdict.growth_rate_mb_per_min)
    for finding in report.findings:
        print(finding.state, finding.recommendation, finding.stack[0].function)

All entries of the file are there, as keys and as attributes; those declared here are checked.
"""
from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from typing import Any, Dict, List, Optional, Tuple, Type, TypeVar, Union

from .errors import HoldfastError
from .model import Record

SCHEMA = "holdfast.report/1"
MOST_BYTES = 1 << 30

R = TypeVar("R", bound=Record)


class Frame(Record):
    """line 0 and function "" are unknown ones; kind: native, inlined, python, kernel, jit, unknown."""

    function: str
    file: str
    line: int
    module: str
    kind: str


class Target(Record):
    pid: int
    comm: str
    exe: str


class Process(Record):
    pid: int
    parent: int
    comm: str


class Capture(Record):
    """mode: exact, budget or scan."""

    mode: str
    started_at: str
    duration_s: float


class Quality(Record):
    """What was lost, cut off or not seen."""

    events: int
    lost_events: int
    notes: List[str]


class Memory(Record):
    """series: dictionaries with time (seconds since capture.started_at), rss_bytes, ..."""

    rss_bytes: int
    vms_bytes: int
    series: List[Dict[str, Any]]


class Verdict(Record):
    state: str
    confidence: float
    growth_bytes_per_second: float
    growth_rate_mb_per_min: float


class Finding(Record):
    """A site or type that is lost or grows; its stack leaf first, [] if there is none."""

    id: str
    pid: int
    state: str
    confidence: float
    growth_rate_mb_per_min: float
    outstanding_bytes: int
    lost_bytes: int
    component: str
    recommendation: str
    stack: List[Frame]


class Site(Record):
    """A call site, or a mapping's; its stack leaf first."""

    pid: int
    allocator: str
    allocs: int
    frees: int
    outstanding_bytes: int
    peak_bytes: int
    state: str
    stack: List[Frame]


class CensusRow(Record):
    type: str
    count: int
    bytes: int
    lost_count: int


class Component(Record):
    name: str
    outstanding_bytes: int


class Report(Record):
    """The whole; findings worst first."""

    schema: str
    tool: Record
    target: Target
    processes: List[Process]
    capture: Capture
    quality: Quality
    memory: Memory
    verdict: Verdict
    findings: List[Finding]
    sites: List[Site]
    frames: List[Frame]
    census: List[CensusRow]
    components: List[Component]


_KINDS: Dict[str, Tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "List[str]": (list,),
    "List[Dict[str, Any]]": (list,),
}


def load(path: Union[str, "os.PathLike[str]"]) -> Report:
    """Read a report, compressed or not. HoldfastError: HF-E-NOFILE, or HF-E-BADFILE."""
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise HoldfastError(
            "HF-E-NOFILE", f"can't read {name}", error.strerror or str(error)
        ) from None
    return loads(data, name)


def loads(data: bytes, name: str = "the report") -> Report:
    """The same for the bytes of a file."""
    try:
        if data[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                data = packed.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValueError("it is longer than 1 GiB")
        values = json.loads(data)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise _damaged(name, str(error)) from None
    try:
        return _report(values)
    except _Damage as damage:
        raise _damaged(name, str(damage)) from None


class _Damage(Exception):
    """What is wrong with a report's contents."""


def _damaged(name: str, why: str) -> HoldfastError:
    fix = "name a file that holdfast wrote as JSON"
    return HoldfastError("HF-E-BADFILE", f"{name} is no report of holdfast", why, fix)


def _record(cls: Type[R], value: Any, where: str) -> R:
    """A dictionary with the declared entries of plain types."""
    if not isinstance(value, dict):
        raise _Damage(f"{where} is no object")
    for key, kind in getattr(cls, "__annotations__", {}).items():
        types = _KINDS.get(str(kind))
        if types is None:
            continue  # looked at by _report()
        have = value.get(key)
        if isinstance(have, bool) or not isinstance(have, types):
            raise _Damage(f"{where}.{key} is missing or of a wrong type")
    return cls(value)


def _records(cls: Type[R], value: Any, where: str) -> List[R]:
    if not isinstance(value, list):
        raise _Damage(f"{where} is missing or no list")
    return [_record(cls, row, f"{where}[{index}]") for index, row in enumerate(value)]


def _report(values: Any) -> Report:
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        schema: Optional[object] = values.get("schema") if isinstance(values, dict) else None
        raise _Damage(f"its schema is {schema!r}, not {SCHEMA!r}")
    report = Report(values)
    parts: Dict[str, Type[Record]] = {
        "tool": Record,
        "target": Target,
        "capture": Capture,
        "quality": Quality,
        "memory": Memory,
        "verdict": Verdict,
    }
    for key, cls in parts.items():
        report[key] = _record(cls, values.get(key), key)
    lists: Dict[str, Type[Record]] = {
        "processes": Process,
        "findings": Finding,
        "sites": Site,
        "frames": Frame,
        "census": CensusRow,
        "components": Component,
    }
    for key, cls in lists.items():
        report[key] = _records(cls, values.get(key), key)
    for index, finding in enumerate(report.findings):
        finding["stack"] = _records(Frame, finding.get("stack"), f"findings[{index}].stack")
    for index, site in enumerate(report.sites):
        numbers = site.get("stack")
        if not isinstance(numbers, list):
            raise _Damage(f"sites[{index}].stack is no list")
        site["stack"] = [_frame(report.frames, n, f"sites[{index}].stack") for n in numbers]
    return report


def _frame(frames: List[Frame], number: Any, where: str) -> Frame:
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(frames):
        return frames[number]
    raise _Damage(f"{where} names frame {number!r}, of {len(frames)}")
