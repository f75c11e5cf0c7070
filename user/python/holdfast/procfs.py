# SPDX-License-Identifier: MIT
"""What /proc tells of a process: the gauges that are left where no agent answers."""
from __future__ import annotations

import dataclasses
import os
import time
from typing import Dict, Optional, Sequence, Tuple

from .errors import HoldfastError

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Gauges:
    """Bytes; None where the kernel or our rights do not tell."""

    time: float
    rss_bytes: int
    vms_bytes: int
    peak_rss_bytes: Optional[int] = None
    swap_bytes: Optional[int] = None
    pss_bytes: Optional[int] = None
    uss_bytes: Optional[int] = None


def _read(pid: int, name: str) -> str:
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise HoldfastError(
            "HF-E-NOPID",
            f"can't read /proc/{pid}/{name}",
            error.strerror or str(error),
            "name a process that runs, and that this user may look at",
        ) from error


def _kilobytes(text: str) -> Dict[str, int]:
    """The lines "Name:  N kB" of status or smaps_rollup, in bytes."""
    result: Dict[str, int] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == "kB" and words[1].isdigit():
            result[words[0].rstrip(":")] = int(words[1]) * 1024
    return result


def read_sizes(pid: int) -> Tuple[int, int]:
    """RSS and VMS, at the least cost: some 10 microseconds."""
    words = _read(pid, "statm").split()
    return int(words[1]) * PAGE, int(words[0]) * PAGE


def read_peak(pid: int) -> Optional[int]:
    """The largest RSS since the process began (or since someone reset it)."""
    return _kilobytes(_read(pid, "status")).get("VmHWM")


def read_gauges(pid: int) -> Gauges:
    """All of them; PSS and USS cost a walk through the process's mappings."""
    status = _kilobytes(_read(pid, "status"))
    if "VmRSS" not in status:
        raise HoldfastError(
            "HF-E-NOPID", f"process {pid} has no memory", "it has ended, or is a kernel thread"
        )
    pss: Optional[int] = None
    uss: Optional[int] = None
    try:
        rollup = _kilobytes(_read(pid, "smaps_rollup"))
        pss = rollup.get("Pss")
        if "Private_Clean" in rollup and "Private_Dirty" in rollup:
            uss = rollup["Private_Clean"] + rollup["Private_Dirty"]
            uss += rollup.get("Private_Hugetlb", 0)
    except HoldfastError:
        pass  # another user's process
    return Gauges(
        time.time(),
        status["VmRSS"],
        status.get("VmSize", 0),
        status.get("VmHWM"),
        status.get("VmSwap"),
        pss,
        uss,
    )


def start_time(pid: int) -> Optional[float]:
    """When the process began, in seconds since 1970; None if there is no such process."""
    try:
        fields = _read(pid, "stat").rpartition(")")[2].split()
        ticks = int(fields[19])
    except (HoldfastError, IndexError, ValueError):
        return None
    return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / TICKS)


def comm(pid: int) -> str:
    """The process's name; "" if it is gone."""
    try:
        return _read(pid, "comm").rstrip("\n")
    except HoldfastError:
        return ""


def slope(points: Sequence[Tuple[float, float]], most: int = 100) -> Optional[float]:
    """Theil and Sen's: the median of the slopes between all pairs of at most `most` points, spread
    evenly. None for fewer than 2 moments."""
    if len(points) > most:
        step = (len(points) - 1) / (most - 1)
        points = [points[round(i * step)] for i in range(most)]
    slopes = sorted(
        (b[1] - a[1]) / (b[0] - a[0])
        for i, a in enumerate(points)
        for b in points[i + 1 :]
        if b[0] > a[0]
    )
    if not slopes:
        return None
    middle = len(slopes) // 2
    return slopes[middle] if len(slopes) % 2 else (slopes[middle - 1] + slopes[middle]) / 2
