# SPDX-License-Identifier: GPL-2.0-or-later
"""What traces: holdfast's ways, and other tools where they are installed.

A tool attaches to a running target (attach), or the target is started under it (prefix, environment). What there is no
tool of its own for comes by --peer.
"""
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from common import HOLDFAST, Trouble, bpf_map_bytes, cpu_seconds, resident_peak, tree_of

ATTACH_SECONDS = 30
STOP_SECONDS = 60
PEER_PATIENCE_S = 8  # where it can be seen whether it has attached; else
PEER_START_S = 3
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
NAMED = re.compile(r"named after (\d+) ms: state=\S+ lost=(\d+) stack=(.*)")


class Attached:
    """A tool beside the target. Its words on stderr are kept, with their times since the start."""

    def __init__(self, command):
        self.began = time.monotonic()
        self.lines = []
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        errors="replace", stdin=subprocess.DEVNULL)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.peak_bytes = self.map_bytes = 0

    def read(self):
        for line in self.process.stderr:
            self.lines.append((time.monotonic() - self.began, line.rstrip("\n")))

    def alive(self):
        """Reaps it, and keeps what the kernel says of its memory."""
        if self.process.returncode is None:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                self.peak_bytes = max(self.peak_bytes, usage.ru_maxrss * 1024 + self.map_bytes)
        return self.process.returncode is None

    def wait(self, seconds):
        until = time.monotonic() + seconds
        while self.alive() and time.monotonic() < until:
            time.sleep(0.01)
        return not self.alive()

    def wait_for(self, pattern):
        """Until it says so. Trouble, with its last words, if it ends before."""
        until = time.monotonic() + ATTACH_SECONDS
        while time.monotonic() < until:
            if any(re.search(pattern, line) for _, line in list(self.lines)):
                return
            if not self.alive():
                self.reader.join(5)
                break
            time.sleep(0.02)
        self.stop()
        raise Trouble("did not attach: " + self.last_words())

    def last_words(self):
        return " ".join(line for _, line in self.lines[-3:])[:200]

    def cpu_seconds(self):
        return cpu_seconds(tree_of(self.process.pid))

    def note_memory(self):
        """Resident, and what the kernel holds for its maps."""
        self.map_bytes = max(self.map_bytes, bpf_map_bytes(self.process.pid))
        self.peak_bytes = max(self.peak_bytes, resident_peak(self.process.pid) + self.map_bytes)

    def named_s(self, function):
        """Seconds from its start until it named what leaks; None: not yet."""
        return None

    def stop(self):
        """What it found out: {lost_events, right, wrong}, as far as it tells."""
        if self.alive():
            os.kill(self.process.pid, signal.SIGINT)
            if not self.wait(STOP_SECONDS):
                os.kill(self.process.pid, signal.SIGKILL)
                self.wait(STOP_SECONDS)
        self.reader.join(5)
        self.process.stderr.close()
        return {}


class Hunt(Attached):
    def __init__(self, pid, arguments):
        self.folder = tempfile.TemporaryDirectory()
        self.report = os.path.join(self.folder.name, "report.json")
        super().__init__([HOLDFAST, "hunt", str(pid), "--for", "600s", "--log-level", "info", "--json", self.report,
                          "--html", "/dev/null", *arguments])
        self.wait_for(r"attached pid=")

    def named_s(self, function):
        for at_s, line in list(self.lines):
            found = NAMED.search(line)
            if found and function in found.group(3).split(" < "):
                return at_s
        return None

    def stop(self):
        super().stop()
        try:
            with open(self.report, encoding="utf-8") as f:
                report = json.load(f)
        except (OSError, ValueError):
            report = None
        self.folder.cleanup()
        if not report:
            return {"note": "no report: " + self.last_words()}
        return {"lost_events": report["quality"]["lost_events"], "findings": report["findings"],
                "mode": report["capture"]["mode"], "overhead_percent": report["capture"]["overhead_percent"]}


def right_and_wrong(findings, function):
    """Lost blocks that were seen allocated: at stacks with the function in them, and at others."""
    right = wrong = 0
    for finding in findings:
        names = [frame["function"] for frame in finding["stack"]]
        if function and function in names:
            right += finding["lost_count"]
        elif names:
            wrong += finding["lost_count"]
    return right, wrong


class Tool:
    """attaches: to a running target; else the target is started with prefix and environment."""

    attaches = True
    ours = by_user = False
    names_leaks = False
    least_window_s = 0

    def __init__(self, name):
        self.name = name

    def skip(self, target):
        """Why it can't be, or None."""
        return None

    def attach(self, running):
        raise NotImplementedError

    def prefix(self, folder):
        return []

    def environment(self, folder):
        return {}

    def base_environment(self):
        """Of the target without it: the same allocator."""
        return {}


class Ours(Tool):
    ours = True
    names_leaks = True

    def __init__(self, name, *arguments):
        super().__init__(name)
        self.arguments = arguments

    def attach(self, running):
        return Hunt(running.pid, self.arguments)


class Scan(Tool):
    ours = True
    least_window_s = 2  # one look in each

    def attach(self, running):
        attached = Attached([HOLDFAST, "scan", str(running.pid), "--every", "2s", "--quiet"])
        time.sleep(0.5)
        if not attached.alive():
            attached.stop()
            raise Trouble("it ended: " + attached.last_words())
        return attached


class Peer(Tool):
    """{pid} in its command is the target's."""

    by_user = True

    def __init__(self, command, name=None):
        super().__init__(name or os.path.basename(command.split()[0]))
        self.command = command

    def skip(self, target):
        program = self.command.split()[0]
        return None if shutil.which(program) else f"{program} is not installed"

    def attach(self, running):
        """It has attached when the target is slower, or will not be any more."""
        base = running.window(0.5).cpu_us if running.busy else None
        attached = Attached(shlex.split(self.command.replace("{pid}", str(running.pid))))
        until = time.monotonic() + (PEER_PATIENCE_S if base else PEER_START_S)
        while time.monotonic() < until and attached.alive():
            if not base:
                time.sleep(0.1)
            elif (running.window(0.3).cpu_us or 1e9) > 1.5 * base:
                break
        if not attached.alive():
            attached.stop()
            raise Trouble("it ended: " + attached.last_words())
        time.sleep(0.5)
        return attached


class Memleak(Peer):
    by_user = False

    def __init__(self):
        program = shutil.which("memleak-bpfcc") or shutil.which("memleak") or "memleak-bpfcc"
        super().__init__(f"{program} -p {{pid}} 60", "bcc memleak")

    def skip(self, target):
        return "not installed (Debian: bpfcc-tools)" if super().skip(target) else None


class Starter(Tool):
    attaches = False

    def __init__(self, name, program, package):
        super().__init__(name)
        self.program, self.package = program, package

    def skip(self, target):
        there = os.path.exists(self.program) if "/" in self.program else shutil.which(self.program)
        return None if there else f"not installed (Debian: {self.package})"


class Heaptrack(Starter):
    def __init__(self):
        super().__init__("heaptrack", "heaptrack", "heaptrack")

    def prefix(self, folder):
        return ["heaptrack", "-o", os.path.join(folder, "heaptrack")]


class Valgrind(Starter):
    def __init__(self):
        super().__init__("valgrind memcheck", "valgrind", "valgrind")

    def prefix(self, folder):
        return ["valgrind", "-q", "--log-file=/dev/null", "--leak-check=full",
                "--soname-synonyms=somalloc=*jemalloc*"]


class Profiling(Starter):
    """An allocator's own: the base is the same allocator without it."""

    def __init__(self, name, library, package, environment):
        super().__init__(name, os.path.join(LIBRARIES, library), package)
        self.words = environment

    def skip(self, target):
        if target.name.startswith("redis-glibc"):
            return "the target has its own malloc preloaded"
        if target.name.startswith("redis-jemalloc") and "jemalloc" not in self.name:
            return "the target is linked to jemalloc"
        return super().skip(target)

    def base_environment(self):
        return {"LD_PRELOAD": self.program}

    def environment(self, folder):
        return {"LD_PRELOAD": self.program, **{key: word.replace("{folder}", folder)
                                               for key, word in self.words.items()}}


def all_tools(peers):
    return [Scan("scan"), Ours("budget"), Ours("exact", "--exact"), Memleak(), Heaptrack(), Valgrind(),
            Profiling("jemalloc prof", "libjemalloc.so.2", "libjemalloc2",
                      {"MALLOC_CONF": "prof:true,lg_prof_sample:19,prof_prefix:{folder}/jeprof"}),
            Profiling("tcmalloc sampling", "libtcmalloc.so.4", "libgoogle-perftools4",
                      {"TCMALLOC_SAMPLE_PARAMETER": "524288"}),
            Profiling("tcmalloc HEAPPROFILE", "libtcmalloc.so.4", "libgoogle-perftools4",
                      {"HEAPPROFILE": "{folder}/profile"}),
            *(Peer(command) for command in peers)]
