#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Python program that makes objects and drops them, for make bench: one operation is a document of some 30 objects
written as JSON and read back; the newest few thousand are kept. It speaks truth.h's protocol as bench_loop does: ready, go, stat, stop."""
import collections
import json
import os
import sys
import threading
import time


class Loop:
    def __init__(self):
        self.pairs = 0
        self.latency_ns = []
        self.newest = collections.deque(maxlen=3000)
        self.stop = False

    def run(self):
        clock = time.perf_counter_ns
        while not self.stop:
            began = clock()
            number = self.pairs
            document = {"id": number, "name": f"user {number}", "tags": [f"t{i}" for i in range(number % 13)],
                        "items": [{"key": i, "value": i * 1.5} for i in range(5)]}
            if json.loads(json.dumps(document)) != document:
                raise SystemExit("a document came back as another")
            self.newest.append(document)
            self.pairs = number + 1
            self.latency_ns.append(clock() - began)

    def stat(self):
        latency, self.latency_ns = sorted(self.latency_ns), []
        at = {name: latency[int(share * (len(latency) - 1))] if latency else 0
              for name, share in (("p50_ns", 0.5), ("p99_ns", 0.99), ("max_ns", 1))}
        return {"pairs": self.pairs, "cpu_ns": time.process_time_ns(), "leaked_blocks": 0, "leaked_bytes": 0,
                "function": "", "latency": {"count": len(latency), **at}}


def listen(loop):
    for line in sys.stdin:
        if line == "stat\n":
            print(json.dumps(loop.stat()), flush=True)
        elif line == "stop\n":
            break
    loop.stop = True


def main():
    print("ready", os.getpid(), flush=True)
    sys.stdin.readline()
    loop = Loop()
    threading.Thread(target=listen, args=[loop], daemon=True).start()
    loop.run()


main()
