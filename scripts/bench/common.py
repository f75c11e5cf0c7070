# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things are, numbers for people, and what /proc tells of a process and its children."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOLDFAST = os.path.join(ROOT, "holdfast")
OUTPUT = os.path.abspath(os.environ.get("O", os.path.join(ROOT, ".output")))
PROGRAMS = os.path.join(OUTPUT, "tests", "bench")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Trouble(Exception):
    """Why there is no figure."""


def digits(number):
    """Three significant digits, no exponent."""
    for bound, text in ((10, "%.2f"), (100, "%.1f")):
        if abs(number) < bound:
            return text % number
    return f"{number:,.0f}"


def duration(us):
    """0.12 us, 4.7 ms, 3.1 s."""
    for factor, unit in ((1e6, "s"), (1e3, "ms")):
        if us >= factor:
            return f"{digits(us / factor)} {unit}"
    return digits(us) + " us"


def read_text(path):
    """"" where the process or the file is gone."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except (OSError, ProcessLookupError):
        return ""


def stat_fields(pid):
    """/proc/PID/stat after the name: [0] is the state, [1] the parent, [11] to [14] ticks: user, system, and those of
    children that were waited for."""
    return read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()


def list_dir(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def tree_of(root, without=None):
    """A process and all below it, except one and what is below that."""
    children = {}
    for name in list_dir("/proc"):
        fields = stat_fields(name) if name.isdigit() else []
        if len(fields) > 1:
            children.setdefault(int(fields[1]), []).append(int(name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        if pid != without:
            found.append(pid)
            todo += children.get(pid, [])
    return found


def cpu_seconds(pids):
    """User and system time, also of their children that have ended, to 10 ms."""
    ticks = 0
    for pid in pids:
        ticks += sum(int(word) for word in stat_fields(pid)[11:15])
    return ticks / TICKS_PER_SECOND


def thread_cpu_ns(pid):
    """Of all threads that there are now."""
    return sum(int((read_text(f"/proc/{pid}/task/{task}/schedstat") or "0").split()[0])
               for task in list_dir(f"/proc/{pid}/task"))


def status_kib(pid, field):
    found = re.search(rf"^{field}:\s+(\d+) kB", read_text(f"/proc/{pid}/status"), re.M)
    return int(found.group(1)) if found else 0


def resident_peak(root):
    """Of a process and its children; a fork shares its parent's memory, and is not counted again."""
    total, own = 0, link_of(f"/proc/{root}/exe")
    for pid in tree_of(root):
        if pid == root or link_of(f"/proc/{pid}/exe") != own:
            total += status_kib(pid, "VmHWM") * 1024
    return total


def link_of(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def bpf_map_bytes(pid):
    """What the kernel holds for the maps that a process has open."""
    sizes = {}
    for fd in list_dir(f"/proc/{pid}/fdinfo"):
        fields = dict(line.split(":", 1) for line in read_text(f"/proc/{pid}/fdinfo/{fd}").splitlines()
                      if ":" in line)
        if "map_id" in fields:
            sizes[fields["map_id"]] = int(fields.get("memlock", "0"))
    return sum(sizes.values())
