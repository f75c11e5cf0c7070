#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Does the target live, unchanged, whatever happens to it and to us?

usage: survive.py --holdfast ./holdfast --targets DIR CASE [NUMBER]

Exit 0, or 1 with what went wrong on stdout. Cases are the functions case_*.
"""
import argparse
import contextlib
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

import talk

RATE = 20000


class Wrong(Exception):
    """What the test is to say."""


def expect(condition, text):
    if not condition:
        raise Wrong(text)


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def wait_running(pid):
    """Whoever held it in a stop dies after us: the kernel lets it go at that one's end."""
    deadline = time.monotonic() + 2
    while state_of(pid) not in "RS" and time.monotonic() < deadline:
        time.sleep(0.001)
    expect(state_of(pid) in "RS", f"its state is {state_of(pid)}")


def text_differences(pid):
    """Offsets in libc's executable mapping where the memory is not what the file says."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        rows = [row.split() for row in file if re.search(r" r-xp .*libc\.so", row)]
    expect(rows, "no libc in the target's maps")
    start, end = (int(word, 16) for word in rows[0][0].split("-"))
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(start)
        now = memory.read(end - start)
    with open(f"/proc/{pid}/map_files/{rows[0][0]}", "rb") as file:
        file.seek(int(rows[0][2], 16))
        then = file.read(end - start)
    if now[:len(then)] == then:
        return []
    return [hex(i) for i in range(len(then)) if now[i] != then[i]]


def wait_identical(pid, seconds=20):
    """The kernel takes the breakpoints out a moment after our end."""
    deadline = time.monotonic() + seconds * talk.PATIENCE
    while text_differences(pid):
        expect(time.monotonic() < deadline, f"libc's text still differs at {text_differences(pid)[:9]}")
        time.sleep(0.05)


class Hunt:
    def __init__(self, options, *words, scratch=None):
        self.scratch = scratch or tempfile.mkdtemp(dir=options.scratch)
        self.report_path = os.path.join(self.scratch, "r.json.gz")
        command = [os.path.abspath(options.holdfast), "hunt", "--log-level", "info", "-o",
                   os.path.join(self.scratch, "r"), *map(str, words)]
        self.log = open(os.path.join(self.scratch, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(command, cwd=self.scratch, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        errors="replace")
        self.lines = talk.Lines(self.process.stderr, self.log)

    def text(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def attached(self, pid=r"\d+"):
        try:
            self.lines.find(re.compile(rf"attached pid={pid}\b").search, 60)
        except talk.Silence as silence:
            raise Wrong(f"no 'attached': {silence}:\n{self.text()}") from None

    def end(self, *accepted, seconds=60):
        try:
            status = self.process.wait(seconds * talk.PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Wrong(f"holdfast did not end:\n{self.text()}") from None
        self.lines.thread.join(5)
        expect(status in accepted, f"exit {status}, expected {accepted}:\n{self.text()}")
        return status

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.end(0, 1, 2)
        return self.report()

    def report(self):
        with gzip.open(self.report_path) as file:
            return json.load(file)


@contextlib.contextmanager
def churn(options, *words):
    target = talk.Target([os.path.join(options.targets, "churn"), *words])
    try:
        target.wait_ready()
        target.say("go")
        yield target
    finally:
        target.process.kill()
        target.process.wait()


def pairs(target):
    target.say("stat")
    line = target.lines.find(lambda text: text.startswith('{"pairs"'), 30)
    return json.loads(line)["pairs"]


def pairs_in(target, seconds):
    before = pairs(target)
    time.sleep(seconds)
    return pairs(target) - before


def at_any_moment(_hunt, _pid):
    time.sleep(random.random() * 0.8)


def while_probes_are_put_in(hunt, _pid):
    hunt.lines.find(re.compile(r"probe: probe free").search, 60)
    time.sleep(random.random() * 0.03)


def while_probes_are_taken_out(hunt, pid):
    hunt.attached(pid)
    hunt.process.send_signal(signal.SIGINT)
    time.sleep(random.random() * 0.15)


MOMENTS = (at_any_moment, while_probes_are_put_in, while_probes_are_taken_out)


def case_kill9(options):
    """We are killed at random moments, some of them chosen."""
    attached = 0
    with churn(options, "--threads=2", f"--rate={RATE}") as target:
        before = pairs_in(target, 2)
        for cycle in range(options.number or 51):
            hunt = Hunt(options, "--for", "60s", "--log-level", "debug", target.pid,
                        scratch=options.scratch)
            MOMENTS[cycle % len(MOMENTS)](hunt, target.pid)
            hunt.process.kill()
            hunt.process.wait()
            hunt.lines.thread.join(5)
            attached += "attached pid" in hunt.text()
            hunt.log.close()
            try:
                wait_running(target.pid)
                wait_identical(target.pid)
            except Wrong as wrong:
                raise Wrong(f"killed {MOMENTS[cycle % len(MOMENTS)].__name__}, cycle {cycle}: "
                            f"{wrong}") from None
        after = pairs_in(target, 2)
        # In line with its plan: it neither stands nor crawls.
        expect(after >= before / 2, f"{before} pairs in 2 s before, {after} after")
        target.say("stop")
        account = target.lines.find(lambda text: text.startswith('{"pid"'), 30)
        expect(json.loads(account)["final"], "no account")
        expect(target.end() == 0, "the target did not end well")
    expect(attached, "no cycle came as far as to attach")
    print(f"{attached} of {cycle + 1} cycles were killed after the attach")


def case_target_killed(options):
    with churn(options, "--threads=2", f"--rate={RATE}", "--leak=10") as target:
        hunt = Hunt(options, "--for", "60s", target.pid)
        hunt.attached(target.pid)
        time.sleep(1)
        target.process.kill()
        target.process.wait()
        hunt.end(0, 1, 2)
    names = {frame.get("function") for frame in hunt.report()["frames"]}
    expect("leaked_block" in names, f"names are lost with the process: {sorted(map(str, names))}")


def shell(script):
    return subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


def case_target_execs(options):
    program = os.path.abspath(os.path.join(options.targets, "churn"))
    target = shell(f"read go; exec {program} --rate=1000 --leak=10")
    try:
        hunt = Hunt(options, "--for", "60s", target.pid)
        hunt.attached(target.pid)
        target.stdin.write("go\ngo\n")
        target.stdin.flush()
        time.sleep(3)
        report = hunt.stop()
    finally:
        target.kill()
        target.wait()
    names = {frame.get("function") for frame in report["frames"]}
    expect("leaked_block" in names, f"not followed: {sorted(map(str, names))}; {hunt.text()}")


def case_target_forks(options):
    """A shell that starts a program a hundred times a second."""
    target = shell("read go; while :; do /bin/true; done")
    try:
        hunt = Hunt(options, "--for", "60s", target.pid)
        hunt.attached(target.pid)
        target.stdin.write("go\n")
        target.stdin.flush()
        time.sleep(3)
        expect(state_of(target.pid) in "RSD", "the target is gone")
        hunt.stop()
        wait_identical(target.pid)
    finally:
        target.kill()
        target.wait()


def case_target_exits(options):
    target = shell("read go; x=$(echo a); exit 3")
    hunt = Hunt(options, "--for", "60s", target.pid)
    hunt.attached(target.pid)
    target.stdin.write("go\n")
    target.stdin.flush()
    expect(target.wait(30) == 3, "the target's exit status changed")
    hunt.end(0, 1, 2)


def case_overflow(options):
    with churn(options, "--threads=2") as target:
        hunt = Hunt(options, "--ring", "64KiB", "--for", "60s", target.pid)
        hunt.attached(target.pid)
        hunt.process.send_signal(signal.SIGSTOP) # nobody reads the ring
        during = pairs_in(target, 2)
        hunt.process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        report = hunt.stop()
        expect(during > 0, "the target is blocked")
        wait_identical(target.pid)
    expect(report["quality"]["lost_events"] > during / 2,
           f"{report['quality']['lost_events']} events lost in {during} pairs that nobody read")
    print(f"{during} pairs in 2 s, {report['quality']['lost_events']} events lost and counted")


def case_detach_under_load(options):
    """A cut through a stream of pairs: nothing is held but what each thread has in its hands."""
    with churn(options, "--threads=2") as target:
        hunt = Hunt(options, "--exact", "--ring", "256MiB", "--for", "60s", target.pid)
        hunt.attached(target.pid)
        time.sleep(1.5)
        report = hunt.stop()
    expect(not report["quality"]["lost_events"], f"{report['quality']['lost_events']} events lost")
    held = sum(site["outstanding_count"] for site in report["sites"])
    notes = report["quality"]["notes"]
    expect(held <= 2, f"{held} blocks held by a program that frees each at once; {notes}")
    expect(not any("whose free was not seen" in str(note) for note in notes), str(notes))


def ask(target):
    target.stdin.write("?\n")
    target.stdin.flush()
    return int(target.stdout.readline())


def case_threads(options):
    program = ("import threading, time\n"
               "threading.stack_size(262144)\n"
               "done = [0] * 2000\n"
               "def work(i):\n"
               "    while True:\n"
               "        bytes(5000); done[i] += 1; time.sleep(0.5)\n"
               "for i in range(2000): threading.Thread(target=work, args=(i,), daemon=True).start()\n"
               "print('ready', flush=True)\n"
               "while input(): print(sum(done), flush=True)\n")
    target = subprocess.Popen(["/usr/bin/python3", "-c", program], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        expect(target.stdout.readline() == "ready\n", "2,000 threads did not start")
        hunt = Hunt(options, "--exact", "--for", "60s", target.pid)
        hunt.attached(target.pid)
        before = ask(target)
        time.sleep(3)
        made = ask(target) - before
        report = hunt.stop()
        threads = len(os.listdir(f"/proc/{target.pid}/task"))
        expect(threads == 2001, f"{threads} threads of 2,001 live")
        target.stdin.write("\n")
        target.stdin.flush()
        expect(target.wait(30) == 0, "the target did not end well")
    finally:
        target.kill()
    allocs = sum(site["allocs"] for site in report["sites"])
    # By its own count; how many they are is the machine's.
    expect(made and allocs >= made, f"only {allocs} of {made} allocations seen")
    losses = report["quality"]["losses"] if "losses" in report["quality"] else {}
    expect(not losses.get("no_task_storage"), f"threads without scratch memory: {losses}")


def case_several(options):
    with churn(options, "--rate=1000", "--leak=10") as one, \
            churn(options, "--rate=1000", "--leak=10") as two:
        hunt = Hunt(options, "--for", "60s", one.pid, two.pid)
        hunt.attached(one.pid)
        hunt.attached(two.pid)
        time.sleep(2)
        report = hunt.stop()
        seen = {site["pid"] for site in report["sites"] if site["outstanding_bytes"]}
        expect(seen == {one.pid, two.pid}, f"sites of {seen}, not of {one.pid} and {two.pid}")
        wait_identical(one.pid)
        wait_identical(two.pid)


def case_command_killed(options):
    """hunt -- CMD, and CMD is killed."""
    hunt = Hunt(options, "--for", "60s", "--", os.path.abspath(os.path.join(options.targets, "churn")),
                "--auto", "--rate=1000", "--leak=10")
    hunt.attached()
    pid = int(re.search(r"attached pid=(\d+)", hunt.text()).group(1))
    time.sleep(1)
    os.kill(pid, signal.SIGKILL)
    hunt.end(0, 1, 2)


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--holdfast", default="./holdfast")
    parser.add_argument("--targets", default=".output/targets")
    parser.add_argument("case")
    parser.add_argument("number", nargs="?", type=int, default=0)
    options = parser.parse_args(argv[1:])
    with tempfile.TemporaryDirectory() as options.scratch:
        try:
            globals()["case_" + options.case](options)
        except (Wrong, talk.Silence) as wrong:
            print(wrong)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
