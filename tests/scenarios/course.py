# SPDX-License-Identifier: GPL-2.0-or-later
"""The frame of a Python program that behaves in one way for ever: what course.h is to C.

Options: --rate=N acts and --work=N turns of other work per second, --seconds=N, --account; others are the program's own.
"""
import os
import random
import sys
import time

WORK = 400


class Course:
    def __init__(self, rate):
        self.options = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
        self.rate = float(self.options.get("rate", rate))
        self.work = self.number("work", WORK)
        self.grown = 0
        self.shelf = {}
        self.random = random.Random(1)

    def number(self, name, fallback):
        return int(self.options.get(name, fallback))

    def grew(self, count):
        self.grown += count

    def turn(self):
        """Ordinary work: a record takes another's place, an answer is made and gone."""
        number = self.random.randrange(256)
        self.shelf[number] = [number, "record %d" % number]
        return len(", ".join(str(word) for word in self.shelf[number]))

    def steps(self):
        """Numbers from 1 on, each at its time."""
        print("ready %d" % os.getpid(), flush=True)
        start = account_at = time.monotonic()
        end = start + self.number("seconds", 1 << 31)
        number = turns = 0
        while (now := time.monotonic()) < end:
            if "account" in self.options and now >= account_at:
                print("grew %.3f %d" % (now, self.grown), flush=True)
                account_at = now + 1
            if now < start + number / self.rate:
                time.sleep(start + number / self.rate - now)
            number += 1
            while turns < (now - start) * self.work:
                self.turn()
                turns += 1
            yield number
