#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hunts a truth program with holdfast, from attach to report, and compares the two accounts.

The program is started and says ready; holdfast is attached (its log line "attached pid=N" is waited
for); the program gets go, does what it declares, and prints its account; holdfast gets SIGINT, which
means stop and report, while the program lives; then the report is compared (compare.py).
Exit 0 if equal, 1 if not, with the differences, or what else went wrong, on stdout.
"""
import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import compare
import talk

ATTACH_SECONDS = 90  # a guard: of a stripped static program much is read first
REPORT_SECONDS = 120
SHOWN = 25


class Trouble(Exception):
    """What the test is to say when it fails before there is anything to compare."""


class Holdfast:
    """A hunt on one pid."""

    def __init__(self, options, pid, scratch):
        self.report_path = os.path.join(scratch, "report.json")
        # Without a stop nothing is proved to be lost: no firm verdict ends the hunt before the account.
        command = [os.path.abspath(options.holdfast), "hunt", *options.mode, "--no-stop", "--for",
                   f"{options.seconds}s", "--log-level", "info", "--json", self.report_path,
                   "-o", os.path.join(scratch, "hf"), *options.option, str(pid)]
        self.log = open(os.path.join(scratch, "holdfast.log"), "w", encoding="utf-8")
        self.process = subprocess.Popen(command, cwd=scratch, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        errors="replace")
        self.lines = talk.Lines(self.process.stderr, self.log)

    def log_tail(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8") as file:
            return "".join(file.readlines()[-15:])

    def wait_attached(self, pid):
        pattern = re.compile(rf"\battached\b.*\bpid={pid}\b")
        try:
            self.lines.find(pattern.search, ATTACH_SECONDS)
        except talk.Silence as silence:
            raise Trouble(f"holdfast did not say 'attached pid={pid}': {silence}; its log:\n"
                          f"{self.log_tail()}") from None

    def stop_and_report(self):
        if self.process.poll() is not None:
            raise Trouble(f"holdfast ended (exit {self.process.returncode}) before the account; "
                          f"its log:\n{self.log_tail()}")
        self.process.send_signal(signal.SIGINT)
        status = self.wait()
        if status not in (0, 1, 2):
            raise Trouble(f"holdfast exit {status}; its log:\n{self.log_tail()}")
        try:
            return compare.read_report(self.report_path)
        except (OSError, ValueError) as error:
            raise Trouble(f"no report: {error}; holdfast's log:\n{self.log_tail()}") from None

    def wait(self):
        try:
            return self.process.wait(REPORT_SECONDS * talk.PATIENCE)
        except subprocess.TimeoutExpired:
            raise Trouble(f"holdfast did not end in {REPORT_SECONDS} s") from None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.lines.thread.join(5)
        self.log.close()


def target_environment(options):
    if not options.preload:
        return None
    ours = os.path.join(options.targets, options.preload)
    library = os.path.abspath(ours) if os.path.exists(ours) else options.preload
    return dict(os.environ, LD_PRELOAD=library)


def check_preloaded(options, target):
    """The dynamic linker only warns of a library that it does not find."""
    with open(f"/proc/{target.pid}/maps", encoding="utf-8") as maps:
        paths = {line.split(maxsplit=5)[-1].rstrip() for line in maps}
    # A soname is a link to the file that is mapped: libmimalloc.so.2 -> libmimalloc.so.2.0
    stem = os.path.basename(options.preload)
    if not any(os.path.basename(path).startswith(stem.split(".so")[0] + ".so") for path in paths):
        raise Trouble(f"{options.preload} was not loaded")


def run_endless(target, seconds):
    target.say("go")
    time.sleep(seconds)
    target.say("stop")
    line = target.lines.find(lambda text: text.startswith("{\"pid\""), 60)
    return [json.loads(line)]


def run_target(options, target, holdfast):
    try:
        if options.after:
            return run_endless(target, options.after)
        return target.run(options.seconds, on_child=holdfast.wait_attached)
    except (talk.Silence, BrokenPipeError) as error:
        raise Trouble(f"no account from the program: {error}; exit status so far "
                      f"{target.process.poll()}; holdfast's log:\n{holdfast.log_tail()}") from None


def hunt(options, target, scratch):
    holdfast = Holdfast(options, target.pid, scratch)
    with contextlib.ExitStack() as stack:
        stack.callback(holdfast.kill)
        holdfast.wait_attached(target.pid)
        truths = run_target(options, target, holdfast)
        report = holdfast.stop_and_report()
    return compare.compare(report, truths), truths


def expect_refusal(options, target, scratch):
    """holdfast must end by itself, with this status and this code in its message."""
    holdfast = Holdfast(options, target.pid, scratch)
    with contextlib.ExitStack() as stack:
        stack.callback(holdfast.kill)
        status = holdfast.wait()
    # After kill() the log is complete.
    with open(holdfast.log.name, encoding="utf-8") as file:
        text = file.read()
    code = options.refusal_code
    if status != options.refusal or code not in text:
        raise Trouble(f"expected exit {options.refusal} with {code}; exit {status}, stderr:\n{text}")
    return [], []


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--holdfast", default="./holdfast")
    parser.add_argument("--targets", default=".output/targets")
    parser.add_argument("--preload", help="for the program only: an .so of the targets, or a soname")
    parser.add_argument("--after", type=float, default=0, help="an endless program: stop it then")
    parser.add_argument("--seconds", type=int, default=300, help="the longest that all may take")
    parser.add_argument("--mode", action="append", help="instead of --exact")
    parser.add_argument("--option", action="append", default=[], help="one more word for hunt")
    parser.add_argument("--refusal", type=int, help="the exit status if holdfast is to refuse")
    parser.add_argument("--refusal-code", default="[HF-E-", help="text that its message contains")
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    options.mode = options.mode or ["--exact"]
    return options


def drive(options, scratch):
    command = [os.path.join(options.targets, options.program), *options.arguments]
    target = talk.Target(command, env=target_environment(options))
    try:
        target.wait_ready()
        if options.preload:
            check_preloaded(options, target)
        act = expect_refusal if options.refusal else hunt
        differences, truths = act(options, target, scratch)
        if options.refusal:
            target.run(options.seconds)
    finally:
        status = target.end()
    if status:
        differences.append(f"the program ended with status {status}")
    return differences, truths


def main(argv):
    options = parse(argv[1:])
    with tempfile.TemporaryDirectory(prefix="holdfast-truth.") as scratch:
        try:
            differences, truths = drive(options, scratch)
        except (Trouble, talk.Silence) as trouble:
            print(f"{options.program}: {trouble}")
            return 1
    for difference in differences[:SHOWN]:
        print(difference)
    if len(differences) > SHOWN:
        print("...")
    print(f"{options.program}: {len(differences)} differences; {compare.summary(truths)}")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
