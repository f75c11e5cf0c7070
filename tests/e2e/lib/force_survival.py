#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Forces collections in programs of Python that check their own work: each is made once, and the programs go on unharmed.

usage: force_survival.py FORCE_LOOP PROGRAM ROUNDS KILLS KIND ... -- INTERPRETER    KIND: idle, busy, threads, asyncio

ROUNDS collections are forced in each kind of program, then KILLS more, in each of which we are killed at a random moment. Prints a
line for each kind; exit 1 if a program died, computed something wrong, or did not collect as often as it was told.
"""
import os
import random
import re
import signal
import subprocess
import sys
import time

loop, program, rounds, kills = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
at = sys.argv.index("--")
kinds, interpreter = sys.argv[5:at], sys.argv[at + 1:]
PATIENCE = 60 * float(os.environ.get("HF_TEST_PATIENCE", "1"))
wrong = 0


def ask(target, kind):
    if kind == "busy":
        target.send_signal(signal.SIGUSR1)
    else:
        target.stdin.write("?\n")
        target.stdin.flush()
    return [int(word) for word in target.stdout.readline().split()]


def settle(target, kind, at_least):
    """What was begun when we were killed may still be under way."""
    deadline = time.monotonic() + 5
    collections, done = ask(target, kind)
    while collections < at_least and time.monotonic() < deadline:
        time.sleep(0.05)
        collections, done = ask(target, kind)
    return collections, done


def force(target, count):
    result = subprocess.run([loop, str(target.pid), str(count)], stdout=subprocess.PIPE, text=True, timeout=PATIENCE + count)
    held = [int(us) for us in re.findall(r"held (\d+) us", result.stdout)]
    return (len(re.findall("^done", result.stdout, re.M)), len(re.findall("at-once", result.stdout)), held,
            re.findall("^(?:failed|begun).*", result.stdout, re.M))


def force_and_die(target):
    """True if a collection may have been begun."""
    child = subprocess.Popen([loop, str(target.pid), "1"], stdout=subprocess.PIPE, start_new_session=True)
    child.stdout.readline()
    time.sleep(random.uniform(0, random.choice((0.006, 0.06))))
    ended = child.poll() is not None
    # Our own death takes the guard with it, and that the worker.
    child.kill()
    child.communicate()
    return ended


for kind in kinds:
    target = subprocess.Popen(interpreter + [program, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert target.stdout.readline() == "ready\n"
    before, _ = ask(target, kind)
    done, at_once, held, failed = force(target, rounds)
    after, _ = settle(target, kind, before + rounds)
    if done != rounds or after - before != rounds:
        wrong += 1
        print(f"WRONG {kind}: {done} of {rounds} done, {after - before} collections; {failed[:3]}")
    ended = 0
    for _ in range(kills):
        ended += force_and_die(target)
    time.sleep(0.3)
    last, work = ask(target, kind)
    if not ended <= last - after <= kills:
        wrong += 1
        print(f"WRONG {kind}: {last - after} collections with {kills} kills, {ended} of which came too late")
    time.sleep(0.2)
    _, more = ask(target, kind)
    if more <= work:
        wrong += 1
        print(f"WRONG {kind}: it does not go on: {work}, {more}")
    target.stdin.close()
    if kind == "busy":
        target.terminate()
    if target.wait(timeout=PATIENCE):
        wrong += 1
        print(f"WRONG {kind}: it ended with {target.returncode}")
    print(f"{kind}: {rounds} forced, {at_once} of them at once; held {sum(held) / max(1, len(held)) / 1000:.1f} ms (mean), "
          f"{max(held or [0]) / 1000:.1f} (most); {kills} kills, {last - after} collections all the same")
sys.exit(wrong != 0)
