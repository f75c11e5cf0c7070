# SPDX-License-Identifier: GPL-2.0-or-later
"""A program with objects in every kind of container, in circles, and lost by a reference too many; and what it knows of them itself.

usage: python_objects.py POOLS [SESSIONS]    prints a JSON object: what it holds. After a line of input it writes what
sys._debugmallocstats() says to the file POOLS; at SIGUSR1 it collects its garbage, prints how many objects that were, and ends.
"""
import collections
import ctypes
import functools
import gc
import json
import os
import signal
import sys
import threading
import weakref

SESSIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p


class Session:
    def __init__(self, number):
        self.number = number
        self.name = "session %d" % number
        self.tags = [number]


class Registry:
    def __init__(self):
        self.by_id = {}


class Point:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y


class Level(int):
    pass


class Table(dict):
    pass


class InList: pass
class InSet: pass
class InDeque: pass
class InAttribute: pass
class InClosure: pass
class InClass: pass
class InCache: pass
class InWeakTable: pass
class InExtension: pass
class InLocal: pass
class InTuple: pass
class InRecord: pass
class InGenerator: pass
class Circle: pass
class Lost: pass
class HeldByLost: pass


class Box:
    pass


REGISTRY = Registry()
for i in range(SESSIONS):
    REGISTRY.by_id[i] = Session(i)
ROWS = [InList() for _ in range(1000)]
UNIQUE = {InSet() for _ in range(1000)}
QUEUE = collections.deque(InDeque() for _ in range(1000))
for _ in range(100):
    QUEUE.rotate(7)
BOX = Box()
BOX.inner = Box()
BOX.inner.items = [InAttribute() for _ in range(500)]
Session.all = [InClass() for _ in range(300)]
TUPLE = tuple(InTuple() for _ in range(200))
SETTINGS = {"limits": {"rows": [InRecord() for _ in range(150)]}}
POINTS = [Point(i, "point %d" % i) for i in range(3000)]
LEVELS = [Level(i + 1000) for i in range(500)]
for level in LEVELS:
    level.box = Box()
TABLES = [Table(a=1, b=[i]) for i in range(400)]


def make_handler():
    seen = []

    def handler(what):
        seen.append(what)
    return handler


handler = make_handler()
for _ in range(700):
    handler(InClosure())


@functools.lru_cache(maxsize=None)
def compute(number):
    return InCache()


for i in range(400):
    compute(i)

# A weak table holds nothing: the list does.
WEAK = weakref.WeakValueDictionary()
STRONG = []
for i in range(250):
    STRONG.append(InWeakTable())
    WEAK[i] = STRONG[-1]

# An extension keeps objects in memory of its own.
keep = (ctypes.c_void_p * 100).from_address(libc.malloc(100 * ctypes.sizeof(ctypes.c_void_p)))
for i in range(100):
    kept = InExtension()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
    keep[i] = id(kept)
del kept


def generate():
    rows = [InGenerator() for _ in range(120)]
    yield
    yield rows


GENERATOR = generate()
next(GENERATOR)
stop = threading.Event()


def work(started):
    rows = [InLocal() for _ in range(600)]
    started.set()
    stop.wait()
    return rows


started = threading.Event()
thread = threading.Thread(target=work, args=(started,), daemon=True)
thread.start()
started.wait()

gc.collect()
gc.disable()
for i in range(2000):
    a, b = Circle(), Circle()
    a.other, b.other = b, a
del a, b
for i in range(50):
    lost = Lost()
    lost.held = HeldByLost()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(lost))
del lost


def name_of(kind):
    module = getattr(kind, "__module__", "builtins")
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def take_stock():
    counts, sizes = collections.Counter(), collections.Counter()
    objects = gc.get_objects()
    for o in objects:
        if o is not objects and o is not counts and o is not sizes:
            counts[type(o)] += 1
            sizes[type(o)] += sys.getsizeof(o)
    return {"counts": {name_of(kind): n for kind, n in counts.items()},
            "sizes": {name_of(kind): n for kind, n in sizes.items()}}


pools = open(sys.argv[1], "w")
signal.signal(signal.SIGUSR1, lambda *_: None)
pause, debugmallocstats = signal.pause, sys._debugmallocstats
stock = take_stock()
stock["frozen"] = gc.get_freeze_count()
stock["enabled"] = gc.isenabled()
stock["threshold"] = gc.get_threshold()
stock["stats"] = gc.get_stats()
print(json.dumps(stock), flush=True)
del stock
sys.stdin.readline()
os.dup2(pools.fileno(), 2)
# Nothing is allocated from here on.
debugmallocstats()
pause()
print(gc.collect(), flush=True)
