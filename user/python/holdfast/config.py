# SPDX-License-Identifier: MIT
"""The agent's configuration as Python values; the names are the keys of its YAML."""
from __future__ import annotations

import dataclasses
import enum
import json
import math
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Type, TypeVar, Union

from .errors import HoldfastError


class MemoryProfilingMode(str, enum.Enum):
    """How far the agent goes. OFF: nothing; BASIC: gauges; STANDARD: also mappings, faults, and
    windows of tracing once something grows; ADVANCED: also components, Python and scans on
    suspicion; PRODUCTION: at most 0.5 %, scans where growth persists, no stop over 50 ms; DEBUG:
    every call."""

    OFF = "off"
    BASIC = "basic"
    STANDARD = "standard"
    ADVANCED = "advanced"
    PRODUCTION = "production"
    DEBUG = "debug"

    def __str__(self) -> str:
        return self.value


class MemoryProfilingLevel(str, enum.Enum):
    """Depth of stacks, how many sites are kept, and for how long."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    DETAILED = "detailed"

    def __str__(self) -> str:
        return self.value


BACKENDS = ("tracemalloc", "pympler", "gc", "system", "psutil", "native", "mmap", "faults")

E = TypeVar("E", bound=enum.Enum)


def _bad(key: str, value: object, expected: str) -> str:
    return f"{key}: {value!r} is not {expected}"


def _choice(cls: Type[E], key: str, value: object, errors: List[str]) -> Any:
    if isinstance(value, cls):
        return value
    try:
        return cls(value.lower() if isinstance(value, str) else value)
    except ValueError:
        errors.append(_bad(key, value, "one of " + ", ".join(str(m.value) for m in cls)))
        return value


@dataclasses.dataclass
class MemoryProfilingConfig:
    """Settings of an agent. None leaves a key to the agent's default.

    It configures the private agent that a profiler starts; an agent that runs already keeps its
    own configuration, and `profiler.notes` says where the two differ. The thresholds and the
    sampling interval also hold where there is no agent at all. Wrong values: HoldfastError with
    code HF-E-CONFIG, all of them at once.
    """

    mode: Union[MemoryProfilingMode, str] = MemoryProfilingMode.STANDARD
    level: Union[MemoryProfilingLevel, str] = MemoryProfilingLevel.MEDIUM
    sampling_interval: Optional[float] = None  # s
    memory_warning_threshold_mb: Optional[float] = None
    memory_critical_threshold_mb: Optional[float] = None
    memory_growth_rate_threshold_mb_per_min: Optional[float] = None
    enable_leak_detection: Optional[bool] = None
    enable_component_tracking: Optional[bool] = None
    enable_gc_monitoring: Optional[bool] = None
    enable_recommendations: Optional[bool] = None
    leak_detection_interval: Optional[float] = None  # s
    enabled_backends: Optional[Sequence[str]] = None  # of BACKENDS
    targets: Optional[Sequence[Mapping[str, Any]]] = None
    listen: Optional[str] = None
    store: Optional[str] = None
    budget: Optional[str] = None  # "1%"
    token_file: Optional[str] = None
    components: Optional[Sequence[Mapping[str, Any]]] = None
    spans: Optional[Sequence[Mapping[str, Any]]] = None
    alerts: Optional[Mapping[str, Any]] = None
    retention: Optional[Mapping[str, Any]] = None
    fleet: Optional[Mapping[str, Any]] = None

    def __post_init__(self) -> None:
        self.validate()

    def validate(self) -> None:
        """Raise HoldfastError that names every wrong value; mode and level become enum members."""
        errors: List[str] = []
        self.mode = _choice(MemoryProfilingMode, "mode", self.mode, errors)
        self.level = _choice(MemoryProfilingLevel, "level", self.level, errors)
        self._check_numbers(errors)
        for key in (field.name for field in dataclasses.fields(self)):
            value = getattr(self, key)
            if key.startswith("enable_") and not isinstance(value, (bool, type(None))):
                errors.append(_bad(key, value, "True or False"))
        self._check_structures(errors)
        if errors:
            raise HoldfastError(
                "HF-E-CONFIG",
                "the configuration of holdfast is wrong",
                "; ".join(errors),
                "correct the values named",
            )

    def _check_numbers(self, errors: List[str]) -> None:
        for key in (
            "sampling_interval",
            "memory_warning_threshold_mb",
            "memory_critical_threshold_mb",
            "memory_growth_rate_threshold_mb_per_min",
            "leak_detection_interval",
        ):
            value = getattr(self, key)
            if value is None:
                continue
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value) or value <= 0:
                errors.append(_bad(key, value, "a number above 0"))
        warning, critical = self.memory_warning_threshold_mb, self.memory_critical_threshold_mb
        if not errors and warning is not None and critical is not None and warning > critical:
            errors.append(
                _bad("memory_warning_threshold_mb", warning, f"at most the critical {critical!r}")
            )

    def _check_structures(self, errors: List[str]) -> None:
        if self.enabled_backends is not None:
            names = self.enabled_backends
            if isinstance(names, str) or not isinstance(names, (list, tuple, set, frozenset)):
                errors.append(_bad("enabled_backends", names, "a list of names"))
            else:
                for name in names:
                    if name not in BACKENDS:
                        errors.append(
                            _bad("enabled_backends", name, "one of " + ", ".join(BACKENDS))
                        )
        for key in ("listen", "store", "budget", "token_file"):
            value = getattr(self, key)
            if value is not None and (not isinstance(value, str) or not value or "\0" in value):
                errors.append(_bad(key, value, "a text"))
        if isinstance(self.budget, str) and not re.fullmatch(r"\d+(\.\d*)?\s*%", self.budget):
            errors.append(_bad("budget", self.budget, "a percentage such as '1%'"))
        for key in ("targets", "components", "spans"):
            value = getattr(self, key)
            if value is not None and (
                not isinstance(value, (list, tuple))
                or not all(isinstance(rule, Mapping) for rule in value)
            ):
                errors.append(_bad(key, value, "a list of rules (dictionaries)"))
        for key in ("alerts", "retention", "fleet"):
            value = getattr(self, key)
            if value is not None and not isinstance(value, Mapping):
                errors.append(_bad(key, value, "a dictionary"))
        for key in ("targets", "components", "spans", "alerts", "retention", "fleet"):
            _check_plain(key, getattr(self, key), errors)

    def to_dict(self) -> Dict[str, Any]:
        """The keys that are set, as plain values: what stands below memory_profiling."""
        self.validate()
        result: Dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None:
                result[field.name] = _plain(value)
        return result

    def to_yaml(self) -> str:
        """The configuration file of an agent."""
        lines = ["memory_profiling:"]
        _emit_mapping(self.to_dict(), "  ", lines)
        return "\n".join(lines) + "\n"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "MemoryProfilingConfig":
        """The reverse of to_dict(); {"memory_profiling": {...}} does, too. Unknown keys are errors."""
        inner = values.get("memory_profiling", values)
        if not isinstance(inner, Mapping):
            raise HoldfastError("HF-E-CONFIG", "memory_profiling is no mapping")
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = [str(key) for key in inner if key not in known]
        if unknown:
            raise HoldfastError(
                "HF-E-CONFIG",
                "the configuration of holdfast is wrong",
                f"there is no key {', '.join(unknown)}",
                "the keys are: " + ", ".join(sorted(known)),
            )
        return cls(**inner)


def _check_plain(key: str, value: Any, errors: List[str]) -> None:
    """Only what YAML can say the same way: texts, numbers, booleans, null, lists, mappings."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not isinstance(name, str):
                errors.append(_bad(key, name, "a text, as names of keys are"))
            _check_plain(f"{key}.{name}", inner, errors)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _check_plain(f"{key}[{index}]", inner, errors)
    elif isinstance(value, float) and not math.isfinite(value):
        errors.append(_bad(key, value, "a finite number"))
    elif value is not None and not isinstance(value, (str, int, float, bool)):
        errors.append(_bad(key, value, "a text, number, boolean, list or mapping"))


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


# What YAML wants escaped within quotes, and JSON does not.
_UNPRINTABLE = "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        # A plain word that YAML can't take for anything else; what JSON quotes, YAML reads alike.
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", value) and value.lower() not in (
            "true",
            "false",
            "yes",
            "no",
            "on",
            "off",
            "null",
            "y",
            "n",
        ):
            return value
        return re.sub(
            _UNPRINTABLE, lambda m: f"\\u{ord(m[0]):04x}", json.dumps(value, ensure_ascii=False)
        )
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        return f"{value:.1f}"
    if isinstance(value, float):
        return format(value, "f").rstrip("0") if 1e-6 <= abs(value) < 1e15 else repr(value)
    return json.dumps(value)


def _emit_mapping(mapping: Mapping[str, Any], indent: str, lines: List[str]) -> None:
    for key, value in mapping.items():
        _emit(f"{indent}{_scalar(key)}:", value, indent, lines)


def _emit(head: str, value: Any, indent: str, lines: List[str]) -> None:
    if isinstance(value, dict) and value:
        lines.append(head)
        _emit_mapping(value, indent + "  ", lines)
    elif isinstance(value, list) and value and any(isinstance(v, (dict, list)) for v in value):
        lines.append(head)
        for item in value:
            if isinstance(item, dict) and item:
                inner: List[str] = []
                _emit_mapping(item, indent + "    ", inner)
                lines.append(f"{indent}  - {inner[0].lstrip()}")
                lines.extend(inner[1:])
            else:
                _emit(f"{indent}  -", item, indent + "  ", lines)
    elif isinstance(value, list):
        lines.append(f"{head} [{', '.join(_scalar(v) for v in value)}]")
    elif isinstance(value, dict):
        lines.append(f"{head} {{}}")
    else:
        lines.append(f"{head} {_scalar(value)}")
