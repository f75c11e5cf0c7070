# SPDX-License-Identifier: GPL-2.0-or-later
"""A program of Python that works and checks its own work: python_busy.py idle|busy|threads|asyncio

It collects no garbage by itself. On each line that comes in it prints how many collections there were, and how much it has done; it ends
at the end of input, with 0 if nothing that it computed was wrong. "busy" does so at SIGUSR1 and SIGTERM.
"""
import array
import asyncio
import gc
import hashlib
import json
import signal
import sys
import threading
import time

kind = sys.argv[1]
gc.disable()
done = 0
EXPECTED = hashlib.sha256(b"x" * 10000).hexdigest()
TEXT = json.dumps({"rows": [{"id": i, "name": "row %d" % i, "share": i / 7} for i in range(50)]})


def work():
    """Integers, floating point, text, hashes, sorting: all must be as ever, whatever happens in between."""
    global done
    assert hashlib.sha256(b"x" * 10000).hexdigest() == EXPECTED
    assert json.dumps(json.loads(TEXT)) == TEXT
    assert sum(x * x for x in array.array("d", range(200))) == 2646700.0
    rows = sorted((i * 7919) % 1009 for i in range(300))
    assert rows == sorted(rows) and len(rows) == 300
    a, b = [], []
    a.append(b)
    b.append(a)
    done += 1


def tell(*_):
    print(gc.get_stats()[2]["collections"], done, flush=True)


def serve():
    for _ in sys.stdin:
        tell()


def busy(stop):
    while not stop.is_set():
        work()


def spin():
    """Never waits, has no thread that does, and takes its orders as signals."""
    stop = threading.Event()
    signal.signal(signal.SIGUSR1, tell)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    print("ready", flush=True)
    busy(stop)


async def tend(stop):
    while not stop.is_set():
        work()
        await asyncio.sleep(0.001)


async def loop():
    stop = asyncio.Event()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = [asyncio.create_task(tend(stop)) for _ in range(4)]
    print("ready", flush=True)
    while await reader.readline():
        tell()
    stop.set()
    await asyncio.gather(*tasks)


if kind == "asyncio":
    asyncio.run(loop())
elif kind == "busy":
    spin()
else:
    stop = threading.Event()
    workers = [threading.Thread(target=busy, args=(stop,)) for _ in range(4 if kind == "threads" else 0)]
    for worker in workers:
        worker.start()
    print("ready", flush=True)
    if kind == "idle":
        for _ in sys.stdin:
            work()
            tell()
    else:
        serve()
    stop.set()
    for worker in workers:
        worker.join()
