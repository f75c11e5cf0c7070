# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that allocates by malloc() in every way in which Python calls, and says where: at each allocation faulthandler writes
the stack of the thread to a file of its own, from the same line.

usage: python_frames.py FOLDER ROUNDS    reads "go" when all is attached, says "done", ends at end of input
"""
import asyncio
import contextlib
import ctypes
import faulthandler
import functools
import json
import os
import re
import sys
import threading

folder, rounds = sys.argv[1], int(sys.argv[2])
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
local = threading.local()


def note():
    """The stack here: its first frame is this function's own."""
    if not hasattr(local, "file"):
        local.file = open(os.path.join(folder, f"{threading.get_native_id()}.stacks"), "w")
    faulthandler.dump_traceback(local.file, all_threads=False)
    local.file.write("\n")
    local.file.flush()


def allocate():
    note(), libc.malloc(4321)  # noqa: B018


def plain():
    allocate()


def recurse(depth):
    return recurse(depth - 1) if depth else allocate()


def generator():
    for _ in range(2):
        allocate()
        yield 1


def delegating():
    yield from generator()


def decorated(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner


@decorated
def behind_a_decorator():
    allocate()


class Thing:
    def method(self):
        allocate()

    @classmethod
    def of_the_class(cls):
        allocate()

    @property
    def attribute(self):
        return allocate()

    def __getattr__(self, name):
        allocate()
        return name

    def __lt__(self, other):
        allocate()
        return id(self) < id(other)

    def __del__(self):
        allocate()

    def __enter__(self):
        allocate()
        return self

    def __exit__(self, *what):
        allocate()


@contextlib.contextmanager
def managed():
    allocate()
    yield
    allocate()


def failing():
    try:
        raise ValueError("as wanted")
    except ValueError:
        allocate()
    finally:
        allocate()


def called_back_by_c():
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    @compare
    def comparing(one, other):
        allocate()
        return 0
    libc.qsort((ctypes.c_int * 3)(3, 1, 2), ctypes.c_size_t(3), ctypes.c_size_t(4), comparing)


def over_several_lines():
    return sum([
        1,
        allocate() or 1,
        len(
            str(allocate()),
        ),
    ])


async def awaited(depth):
    if depth:
        await awaited(depth - 1)
    allocate()
    await asyncio.sleep(0)
    allocate()


async def asynchronous_generator():
    for _ in range(2):
        allocate()
        yield 1


async def asynchronous():
    await asyncio.gather(awaited(3), awaited(0))
    async for _ in asynchronous_generator():
        allocate()


def everything():
    plain()
    recurse(30)
    recurse(70)
    list(generator())
    for _ in delegating():
        allocate()
    list(allocate() for _ in range(2))
    [allocate() for _ in range(2)]
    (lambda: allocate())()
    behind_a_decorator()
    thing = Thing()
    thing.method()
    Thing.of_the_class()
    thing.attribute
    thing.missing
    sorted([thing, thing])
    sorted([2, 1], key=lambda value: allocate() or value)
    list(map(lambda value: allocate(), range(2)))
    with thing:
        allocate()
    with managed():
        allocate()
    del thing
    failing()
    called_back_by_c()
    over_several_lines()
    functools.partial(recurse, 1)()
    re.sub("a", lambda match: allocate() or "b", "aa")
    json.dumps([object()], default=lambda value: allocate() or "x")
    exec("def made():\n\n    allocate()\nmade()", {"allocate": allocate})
    eval("allocate()")
    exec("class Body:\n    allocate()", {"allocate": allocate})
    asyncio.run(asynchronous())


def work():
    for _ in range(rounds):
        everything()


print("ready", os.getpid(), flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
work()
for thread in threads:
    thread.join()
print("done", flush=True)
sys.stdin.readline()
