# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent of one's own for a test: on a port that is free, with a store in a folder of its own."""
import argparse
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import talk


class Wrong(Exception):
    """What the test is to say."""


class Skipped(Exception):
    """What this machine lacks for the test."""


def expect(condition, text):
    if not condition:
        raise Wrong(text)


def until(look, what, seconds=30):
    """What look() gives, as soon as it is true; an agent that does not answer yet is waited for."""
    deadline = time.monotonic() + seconds * talk.PATIENCE
    while True:
        try:
            found = look()
        except OSError:
            found = None
        if found:
            return found
        expect(time.monotonic() < deadline, f"not within {seconds} s: {what}")
        time.sleep(0.1)


def start_time(pid):
    """None: there is no such process, or it is a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def gone(pid, began, what):
    """Waits until that process has ended."""
    try:
        until(lambda: start_time(pid) != began, f"process {pid} {what} ends")
    except Wrong as wrong:
        states = []
        for name in ("comm", "stat", "wchan", "stack"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
                states.append(file.read().strip())
        raise Wrong(f"{wrong}: {states}") from None


def descendants(pid):
    """{pid: start time} of all below it that live."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
    found, wanted = {}, [pid]
    while wanted:
        parent = wanted.pop()
        below = [child for child, its in parents.items() if its == parent]
        # One that has just ended has no start: it would be waited for in vain.
        found.update((child, began) for child in below if (began := start_time(child)) is not None)
        wanted += below
    return found


def code_changes(pid):
    """Bytes of its mapped code that are other than in their files: breakpoints that somebody left."""
    changed = 0
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            fields = line.split()
            if "x" not in fields[1] or len(fields) < 6 or not fields[5].startswith("/"):
                continue
            start, end = (int(part, 16) for part in fields[0].split("-"))
            memory.seek(start)
            with open(fields[5], "rb") as file:
                file.seek(int(fields[2], 16))
                changed += sum(a != b for a, b in zip(file.read(end - start), memory.read(end - start)))
    return changed


class Agent:
    """One that runs, and can be ended, killed, and started again on what it has stored."""

    def __init__(self, options, **settings):
        self.holdfast = os.path.abspath(options.holdfast)
        self.folder = options.scratch
        self.config = os.path.join(self.folder, "agent.yaml")
        self.log_path = os.path.join(self.folder, "agent.log")
        self.store = os.path.join(self.folder, "store")
        self.settings = {"listen": "127.0.0.1:0", "store": self.store, "sampling_interval": 0.1,
                         "leak_detection_interval": 1, "alerts": {"log": {"level": "info"}}, **settings}
        self.words = [] # more of the command line
        self.process = None
        self.port = 0
        self.headers = {"X-Holdfast": "1"}
        self.configure()

    def configure(self, **settings):
        """JSON is YAML."""
        self.settings.update(settings)
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump({"memory_profiling": self.settings}, file, indent=1)

    def start(self):
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([self.holdfast, "agent", "--config", self.config, *self.words],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self.serves, "the agent says where it serves")
        until(lambda: self.ask("GET", "/-/ready")[0] == 200, "the agent is ready")
        return self

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def serves(self):
        expect(self.process.poll() is None, f"the agent ended ({self.process.returncode}): {self.log()}")
        found = re.search(r"the agent serves \S+:(\d+)\b", self.log())
        self.port = int(found.group(1)) if found else 0
        return self.port

    def ask(self, method, path, body=None, headers=None, seconds=90):
        """(status, JSON or text)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds * talk.PATIENCE)
        headers = self.headers if headers is None else headers
        if body is not None:
            body, headers = json.dumps(body), {"Content-Type": "application/json", **headers}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(text) if is_json else text

    def get(self, path, status=200):
        return self.do("GET", path, status=status)

    def do(self, method, path, body=None, status=200):
        got, answer = self.ask(method, path, body)
        expect(got == status, f"{method} {path}: {got} instead of {status}: {answer}")
        return answer

    def target(self, pid):
        return self.get(f"/api/v1/targets/pid-{pid}")

    def events(self, kind=None):
        query = f"&kind={kind}" if kind else ""
        return self.get(f"/api/v1/events?since=0&limit=1000{query}")["events"]

    def metric(self, name, pid):
        """Its value, or None."""
        found = re.search(rf'^{name}{{.*pid="{pid}"}} (\S+)$', self.get("/metrics"), re.M)
        return float(found.group(1)) if found else None

    def kill(self):
        """As nothing else ends it; what it started goes with it."""
        ours = descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        for pid, began in ours.items():
            gone(pid, began, "of a killed agent")

    def end(self, seconds=6):
        """In order; the exit status."""
        ours = descendants(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds * talk.PATIENCE)
        except subprocess.TimeoutExpired:
            raise Wrong(f"SIGTERM did not end it in {seconds} s: {self.log()}") from None
        for pid, began in ours.items():
            gone(pid, began, "of an ended agent")
        return status

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, _trace):
        if self.process and self.process.poll() is None:
            self.kill()
        if kind:
            print(f"--- {kind.__name__}: {value}\n{self.log()[-6000:]}")


@contextlib.contextmanager
def running(*command, **options):
    """A process that is gone afterwards."""
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def server(options, *words):
    """The leaky server, when it serves."""
    return running(os.path.join(options.targets, "leaky_server"), "--quiet", *words)


def python(program):
    """A Python program that says a line when it is ready."""
    return running("/usr/bin/python3", "-c", program)


def copy_of(options, program, name):
    path = os.path.join(options.scratch, name)
    shutil.copy(program, path)
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main(argv, cases):
    """--holdfast ./holdfast --targets DIR --scratch DIR CASE: runs case_CASE of these; the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--holdfast", default="./holdfast")
    parser.add_argument("--targets", default=".output/targets")
    parser.add_argument("--scratch", required=True)
    parser.add_argument("case")
    options = parser.parse_args(argv[1:])
    try:
        cases["case_" + options.case](options)
    except Wrong as wrong:
        print(wrong)
        return 1
    except Skipped as missing:
        print(missing)
        return 77
    return 0
