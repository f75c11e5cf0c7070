# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways in which programs of Python keep what they are done with, and the same without the fault: pyleaks.py --kind=KIND [--fixed=1]

Each act answers a request: an object or two are made, and one that is not needed any more stays somewhere.
"""
import asyncio
import collections
import ctypes
import gc
import logging
import sys
import threading

from course import Course

LIMIT = 500  # of what the fixed programs keep
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]


class Row:
    def __init__(self, number):
        self.number, self.text = number, "row %d" % number


class Entry(Row): pass
class Circle(Row): pass
class Request(Row): pass
class Tag(Row): pass
class Listener(Row): pass
class Packet(Row): pass
class Local(Row): pass
class Job(Row): pass


# A list of the module's, and a ring in its place.

ROWS = []
RING = collections.deque(maxlen=LIMIT)


def keep_row(number, fixed):
    (RING if fixed else ROWS).append(Row(number))


# A dict that serves as a cache, with a bound and without.

CACHE = {}


def look_up(number, fixed):
    CACHE[number] = Entry(number)
    if fixed and len(CACHE) > LIMIT:
        del CACHE[next(iter(CACHE))]


# Text and numbers, which say nothing of where they come from: what holds them does.

TEXTS = []
PRICES = {}


def keep_text(number, fixed):
    TEXTS.append("text " + str(number))
    if fixed:
        del TEXTS[:-LIMIT]


def keep_price(number, fixed):
    PRICES[number * 1000003] = number + 0.5
    if fixed and len(PRICES) > LIMIT:
        del PRICES[next(iter(PRICES))]


# Circles, with garbage collection off or on.

def make_circle(number, fixed):
    a, b = Circle(number), Circle(number)
    a.other, b.other = b, a


# An exception that is kept for later keeps the variables of all functions it came through.

ERRORS = []


def parse(request):
    raise ValueError(request.number)


def handle_request(number, fixed):
    request = Request(number)
    try:
        parse(request)
    except ValueError as error:
        ERRORS.append(error.with_traceback(None) if fixed else error)
        if fixed:
            del ERRORS[:-LIMIT]


# A handler is added for each connection, and not removed.

LOGGER = logging.getLogger("connections")
LOGGER.propagate = False


class ConnectionHandler(logging.Handler):
    def emit(self, record): pass


def open_connection(number, fixed):
    handler = ConnectionHandler()
    LOGGER.addHandler(handler)
    if fixed:
        LOGGER.removeHandler(handler)
        handler.close()


# Callbacks that are registered and not taken out.

class Bus:
    def __init__(self):
        self.callbacks = []


BUS = Bus()


def subscribe(number, fixed):
    listener = Listener(number)
    BUS.callbacks.append(listener.__repr__)
    if fixed:
        BUS.callbacks.remove(listener.__repr__)


# An extension that takes a reference and does not give it back.

def decode(number, fixed):
    packet = Packet(number)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(packet))
    if fixed:
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(packet))


# Memory of C's.

def allocate(number, fixed):
    block = libc.malloc(240)
    if fixed:
        libc.free(block)


# What a thread that never ends keeps for itself.

LOCAL = threading.local()


def use_local(number, fixed):
    if not hasattr(LOCAL, "seen"):
        LOCAL.seen = []
    LOCAL.seen.append(Local(number))
    if fixed:
        del LOCAL.seen[:-LIMIT]


# Tasks that wait for what never comes.

async def wait_for_ever(job, event):
    await event.wait()


async def run_tasks(course, fixed):
    event = asyncio.Event()
    for number in course.steps():
        job = Job(number)
        task = asyncio.create_task(wait_for_ever(job, event))
        await asyncio.sleep(0)
        if fixed:
            task.cancel()


KINDS = {"list": keep_row, "cache": look_up, "text": keep_text, "prices": keep_price, "circles": make_circle,
         "traceback": handle_request, "logging": open_connection, "callbacks": subscribe, "extension": decode, "malloc": allocate,
         "locals": use_local}


def main():
    course = Course(100)
    fixed = bool(course.number("fixed", 0))
    kind = course.options["kind"]
    sys.stdin.close()
    if kind == "circles" and not fixed:
        gc.disable()
    if kind == "tasks":
        asyncio.run(run_tasks(course, fixed))
        return
    act = KINDS[kind]
    for number in course.steps():
        act(number, fixed)


if __name__ == "__main__":
    main()
