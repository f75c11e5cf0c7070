# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver's half of the conversation with a truth program (tests/targets/truth.h)."""
import json
import os
import queue
import subprocess
import threading
import time


# How much slower than usual this machine is (an emulated one is).
PATIENCE = float(os.environ.get("HF_TEST_PATIENCE", "1"))


class Silence(Exception):
    """The other side did not say in time what was waited for."""


class Lines:
    """The lines of a stream, read by a thread of their own so that a wait can have an end."""

    def __init__(self, stream, echo=None):
        self.queue = queue.Queue()
        self.thread = threading.Thread(target=self._read, args=(stream, echo), daemon=True)
        self.thread.start()

    def _read(self, stream, echo):
        for line in stream:
            if echo:
                echo.write(line)
            self.queue.put(line.rstrip("\n"))
        self.queue.put(None)

    def next(self, deadline):
        try:
            return self.queue.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise Silence("timed out") from None

    def find(self, wanted, seconds):
        """The first line for which wanted(line) is true; Silence when the stream ends before."""
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            line = self.next(deadline)
            if line is None:
                raise Silence("the stream ended")
            if wanted(line):
                return line


class Target:
    """A truth program that was started."""

    def __init__(self, command, env=None, preexec=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1, env=env, preexec_fn=preexec)
        self.pid = self.process.pid
        self.lines = Lines(self.process.stdout)
        self.truths = []

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def wait_ready(self, seconds=30):
        self.lines.find(lambda line: line == f"ready {self.pid}", seconds)

    def run(self, seconds, on_child=lambda pid: None):
        """From go to the last account. on_child(pid) is called for each child before its go."""
        self.say("go")
        while True:
            line = self.lines.find(lambda text: text.startswith(("child ", "{\"pid\"")), seconds)
            if line.startswith("child "):
                on_child(int(line.split()[1]))
                self.say("go")
                continue
            self.truths.append(json.loads(line))
            if self.truths[-1]["final"]:
                return self.truths

    def end(self, seconds=30):
        """Says end and returns the exit status; killed (-9) if it does not leave."""
        try:
            self.say("end")
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
