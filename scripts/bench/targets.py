# SPDX-License-Identifier: GPL-2.0-or-later
"""What is traced: loops of our own at a chosen rate, and real programs under load.

A Target starts a program; what it gives (a Running) has the pid to attach to and measures windows. A target that says
why it can't run here (skip) is a row with that reason.
"""
import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from common import PROGRAMS, ROOT, Trouble, status_kib, thread_cpu_ns, tree_of

START_SECONDS = 60  # under valgrind everything takes its time
END_SECONDS = 20
REDIS_CLIENTS = 20
LIBC = "/lib/x86_64-linux-gnu/libc.so.6"


class Window:
    """What was done in a time: operations, the target's CPU, latency of single operations (None: not known)."""

    def __init__(self, operations, seconds, cpu_ns, p50_ns=None, p99_ns=None):
        self.seconds = seconds
        self.rate = operations / seconds if seconds else 0
        self.cpu_percent = cpu_ns / seconds / 1e7 if seconds else 0
        self.cpu_us = cpu_ns / operations / 1000 if operations else None
        self.p50_us = None if p50_ns is None else p50_ns / 1000
        self.p99_us = None if p99_ns is None else p99_ns / 1000


def signal_each(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


class Running:
    """A target that runs. Without operations of its own (busy is False) it works only during a window."""

    busy = False
    function = ""  # in which it leaks; "": it does not

    def __init__(self, command, environment, **pipes):
        self.process = subprocess.Popen(command, env={**os.environ, **environment}, **pipes)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Asks the program itself, then insists: what is around it ends with it."""
        pids = tree_of(self.process.pid)
        if self.process.poll() is None:
            signal_each([self.pid], signal.SIGTERM)
            try:
                self.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        signal_each([pid for pid in pids if pid != self.process.pid], signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def ready(self):
        """Waits until it runs; then pid is the program's own, whatever is around it."""

    def settle(self):
        """After a start or a change of tools: works a little, unmeasured."""

    def window(self, seconds, going_on=None):
        """A busy one's window ends early where going_on() is false."""
        raise NotImplementedError

    def rss_bytes(self):
        """None: it has ended."""
        return status_kib(self.pid, "VmRSS") * 1024 or None


def begin(running):
    """Nothing is left behind where it does not get ready."""
    try:
        running.ready()
    except BaseException:
        running.__exit__(None, None, None)
        raise
    return running


class Talking(Running):
    """Speaks truth.h's protocol (tests/targets): it works all the time and counts itself."""

    busy = True

    def __init__(self, command, environment):
        super().__init__(command, environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True, bufsize=1)

    def ready(self):
        self.pid = int(self.read("ready ").split()[1])
        self.say("go")

    def __exit__(self, *_):
        super().__exit__()
        try:
            self.process.stdin.close()
        except OSError:
            pass
        self.process.stdout.close()

    def say(self, word):
        self.process.stdin.write(word + "\n")

    def read(self, begin):
        """The next line that begins so: a tool around the program may say things, too."""
        for line in self.process.stdout:
            if line.startswith(begin):
                return line
        raise Trouble("the target ended")

    def stat(self):
        try:
            self.say("stat")
            said = json.loads(self.read("{"))
        except BrokenPipeError:
            raise Trouble("the target ended") from None
        self.function = said["function"]
        return said

    def settle(self):
        time.sleep(0.3)

    def window(self, seconds, going_on=None):
        before, began = self.stat(), time.monotonic()
        while time.monotonic() < began + seconds and (not going_on or going_on()):
            time.sleep(min(0.05, max(0, began + seconds - time.monotonic())))
        after = self.stat()
        passed = time.monotonic() - began
        latency = after["latency"]
        known = latency["count"] > 0
        return Window(after["pairs"] - before["pairs"], passed, after["cpu_ns"] - before["cpu_ns"],
                      latency["p50_ns"] if known else None, latency["p99_ns"] if known else None)


class Target:
    """One to choose by its name; title is for people."""

    leak = ""
    jobs = False   # each window is a process of its own
    peers = False  # tools other than ours are measured on it, unless they are asked for

    def __init__(self, name, title):
        self.name, self.title = name, title

    def skip(self):
        return None

    def start(self, prefix=(), environment=None):
        """As a child, the words of @prefix before its own."""
        raise NotImplementedError


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            return f"{program} is not installed"
    return None


class Loop(Target):
    def __init__(self, name, rate, threads, leak="cold"):
        speed = {0: "unlimited", 10_000: "10 k/s", 100_000: "100 k/s", 1_000_000: "1 M/s"}[rate]
        where = {"cold": "", "none": ", no leak", "caller": ", leak by a rare caller", "hot": ", leak on the hot stack"}[leak]
        super().__init__(name, f"loop, {speed}, {threads} thread{'s' if threads > 1 else ''}{where}")
        self.leak = leak
        self.arguments = [f"--rate={rate}", f"--threads={threads}", f"--leak={leak}"]

    def start(self, prefix=(), environment=None):
        return begin(Talking([*prefix, os.path.join(PROGRAMS, "bench_loop"), *self.arguments], environment or {}))


class Python(Target):
    def __init__(self):
        super().__init__("python", "python3, JSON written and read")

    def skip(self):
        return need("/usr/bin/python3")

    def start(self, prefix=(), environment=None):
        program = os.path.join(ROOT, "tests", "bench", "bench_python.py")
        return begin(Talking([*prefix, "/usr/bin/python3", program], environment or {}))


class RunningRedis(Running):
    def __init__(self, prefix, environment, pipeline):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "socket")
        self.pipeline = pipeline
        self.rate = 0
        super().__init__([*prefix, "redis-server", "--port", "0", "--unixsocket", self.path, "--save", "",
                          "--appendonly", "no", "--daemonize", "no", "--dir", self.folder.name],
                         environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def ready(self):
        self.pid = int(re.search(r"process_id:(\d+)", self.ask("INFO server")).group(1))

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        self.folder.cleanup()

    def ask(self, question):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.settimeout(START_SECONDS)
                    s.connect(self.path)
                    s.sendall(question.encode() + b"\r\n")
                    return s.recv(1 << 16).decode(errors="replace")
            except OSError:
                time.sleep(0.05)
        raise Trouble("redis-server did not answer")

    def load(self, requests):
        """(operations a second, p50 and p99 in us of the slower command)."""
        said = subprocess.run(["redis-benchmark", "-s", self.path, "-t", "set,get", "-n", str(requests), "-r", "100000",
                               "-d", "64", "-c", str(REDIS_CLIENTS), "-P", str(self.pipeline), "--csv"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
        rows = [row for row in csv.DictReader(said.splitlines()) if (row.get("rps") or "0") != "0"]
        if len(rows) != 2:
            raise Trouble("redis-benchmark gave no result")
        seconds = sum(requests / float(row["rps"]) for row in rows)
        return (2 * requests / seconds, max(float(row["p50_latency_ms"]) for row in rows) * 1000,
                max(float(row["p99_latency_ms"]) for row in rows) * 1000)

    def settle(self):
        """How fast is it now? Twice: the first guess may be far off."""
        for requests in (200 * self.pipeline, None):
            self.rate = self.load(requests or self.requests(0.2))[0]

    def requests(self, seconds):
        return max(50 * self.pipeline, int(self.rate * seconds / 2))

    def window(self, seconds, going_on=None):
        requests = self.requests(seconds)
        cpu_ns = thread_cpu_ns(self.pid)
        self.rate, p50_us, p99_us = self.load(requests)
        cpu_ns = thread_cpu_ns(self.pid) - cpu_ns
        return Window(2 * requests, 2 * requests / self.rate, cpu_ns, p50_us * 1000, p99_us * 1000)


class Redis(Target):
    """Debian's is linked to jemalloc, by the plain names: glibc's malloc comes before it if libc is preloaded."""

    def __init__(self, allocator, pipeline):
        super().__init__(f"redis-{allocator}-{pipeline}", f"redis, {allocator}, set and get, -P {pipeline}")
        self.allocator, self.pipeline = allocator, pipeline

    def environment(self):
        return {"LD_PRELOAD": LIBC} if self.allocator == "glibc" else {}

    def bound_to(self):
        """The file that serves redis-server's malloc."""
        said = subprocess.run(["redis-server", "--version"], env={**os.environ, **self.environment(), "LD_DEBUG": "bindings",
                                                                   "LD_BIND_NOW": "1"},
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False).stderr
        found = re.search(r"binding file \S*redis-server \[0\] to (\S+) \[0\]: normal symbol `malloc'", said)
        return os.path.basename(found.group(1)) if found else "itself"

    def skip(self):
        missing = need("redis-server", "redis-benchmark")
        if missing:
            return missing
        bound = self.bound_to()
        wanted = "libjemalloc" if self.allocator == "jemalloc" else "libc."
        return None if bound.startswith(wanted) else f"this redis-server has its malloc from {bound}"

    def start(self, prefix=(), environment=None):
        return begin(RunningRedis(prefix, {**self.environment(), **(environment or {})}, self.pipeline))


NGINX = """daemon off; master_process off; pid {folder}/pid; error_log /dev/null crit;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 100000000; root {folder};
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; }}
}}
"""


class Served(Running):
    """Answers HTTP at self.url; wrk asks as fast as it can."""

    def __init__(self, command, environment):
        super().__init__(command, environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)

    def own_pid(self):
        return self.pid

    def ready(self):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    self.pid = self.own_pid()
                    return
            except (OSError, ValueError):
                time.sleep(0.05)
        raise Trouble(f"{os.path.basename(self.process.args[-1])} did not answer")

    def settle(self):
        self.window(1)

    def window(self, seconds, going_on=None):
        cpu_ns = thread_cpu_ns(self.pid)
        said = subprocess.run(["wrk", "-t", "1", "-c", "8", "-d", f"{max(1, round(seconds))}s", "--latency", self.url],
                              stdout=subprocess.PIPE, text=True, check=False).stdout
        cpu_ns = thread_cpu_ns(self.pid) - cpu_ns
        done = re.search(r"(\d+) requests in ([0-9.]+)s", said)
        if not done or "Non-2xx" in said:
            raise Trouble("wrk gave no result")
        return Window(int(done.group(1)), float(done.group(2)), cpu_ns,
                      *(1000 * wrk_us(said, percent) for percent in (50, 99)))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class RunningNginx(Served):
    def __init__(self, prefix, environment):
        self.folder = tempfile.TemporaryDirectory()
        folder = self.folder.name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/page"
        with open(os.path.join(folder, "conf"), "w", encoding="ascii") as f:
            f.write(NGINX.format(folder=folder, port=self.port))
        with open(os.path.join(folder, "page"), "w", encoding="ascii") as f:
            f.write("a page\n" * 150)
        super().__init__([*prefix, "nginx", "-p", folder, "-c", os.path.join(folder, "conf")], environment)

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        self.folder.cleanup()

    def own_pid(self):
        with open(os.path.join(self.folder.name, "pid"), encoding="ascii") as f:
            return int(f.read())


class RunningWeb(Served):
    """A service of Python's."""

    def __init__(self, prefix, environment):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/a/page"
        program = os.path.join(ROOT, "tests", "bench", "bench_web.py")
        super().__init__([*prefix, "/usr/bin/python3", program, str(self.port)], environment)


def wrk_us(said, percent):
    found = re.search(rf"^\s+{percent}%\s+([0-9.]+)(us|ms|s)\s*$", said, re.M)
    return float(found.group(1)) * {"us": 1, "ms": 1e3, "s": 1e6}[found.group(2)]


class Nginx(Target):
    def __init__(self):
        super().__init__("nginx", "nginx, a page of 1 KiB, 8 connections")

    def skip(self):
        return need("nginx", "wrk")

    def start(self, prefix=(), environment=None):
        return begin(RunningNginx(prefix, environment or {}))


class PythonWeb(Target):
    def __init__(self):
        super().__init__("python-web", "python3, asyncio web server, 8 connections")

    def skip(self):
        return need("/usr/bin/python3", "wrk")

    def start(self, prefix=(), environment=None):
        return begin(RunningWeb(prefix, environment or {}))


class RunningCompile(Running):
    """A compiler that has started and waits for its source on stdin: the window is the work that follows, to its end."""

    SOURCE = os.path.join(ROOT, "tests", "targets", "cxx_new.cc")

    def __init__(self, prefix, environment):
        command = [*prefix, "clang++", "-std=c++17", "-O2", "-x", "c++", "-I", os.path.dirname(self.SOURCE), "-c", "-o",
                   "/dev/null", "-"]
        super().__init__(command, environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)

    def ready(self):
        """Until it sleeps, with its libraries loaded. Wrappers that fork are not looked into: time is of their command."""
        until = time.monotonic() + START_SECONDS
        busy_ns = -1
        while time.monotonic() < until and self.process.poll() is None:
            time.sleep(0.2)
            before, busy_ns = busy_ns, thread_cpu_ns(self.pid)
            if busy_ns == before:
                return
        raise Trouble("clang++ did not start")

    def __exit__(self, *_):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        super().__exit__()

    def window(self, seconds, going_on=None):
        with open(self.SOURCE, "rb") as f:
            source = f.read()
        began, used_ns = time.monotonic(), thread_cpu_ns(self.pid)
        self.process.stdin.write(source)
        self.process.stdin.close()
        _, status, usage = os.wait4(self.process.pid, 0)
        passed = time.monotonic() - began
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode:
            raise Trouble(f"clang++ ended with {self.process.returncode}")
        return Window(1, passed, (usage.ru_utime + usage.ru_stime) * 1e9 - used_ns)


class Compile(Target):
    jobs = True

    def __init__(self):
        super().__init__("clang", "clang++ -O2, a file of ours")

    def skip(self):
        return need("clang++")

    def start(self, prefix=(), environment=None):
        return begin(RunningCompile(prefix, environment or {}))


def all_targets():
    targets = [Loop(f"loop-{name}-{threads}", rate, threads)
               for name, rate in (("10k", 10_000), ("100k", 100_000), ("1m", 1_000_000), ("max", 0))
               for threads in (1, 2, 16)]
    targets += [Loop(f"loop-1m-1-{leak}", 1_000_000, 1, leak) for leak in ("caller", "hot")]
    targets += [Redis(allocator, pipeline) for allocator in ("jemalloc", "glibc") for pipeline in (1, 16)]
    targets += [Python(), PythonWeb(), Nginx(), Compile()]
    for target in targets:
        target.peers = target.name in ("loop-max-1", "redis-jemalloc-16", "python")
    return targets
