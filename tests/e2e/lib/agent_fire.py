#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agent goes through: disks that are full, files that are damaged, clocks that jump, clients that are slow or
mad, and a real Prometheus.

usage: agent_fire.py --holdfast ./holdfast --targets DIR --scratch DIR CASE
"""
import contextlib
import ctypes
import json
import os
import random
import re
import select
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from agent_live import Agent, expect, free_port, main, python, until

MIB = 1 << 20
AGENT_MOST = 64 * MIB  # what it is to stay within, whatever is done to it
STILL = "print('ready', flush=True)\nimport time\nwhile True: time.sleep(60)"
CLONE_NEWNS = 0x20000


def ready(process):
    expect(process.stdout.readline().startswith(b"ready"), "the target did not say that it is ready")
    return process


def passes(agent):
    return int(re.search(r"^holdfast_agent_passes_total (\d+)", agent.get("/metrics"), re.M).group(1))


def times(agent, pid):
    return agent.get(f"/api/v1/targets/pid-{pid}/trends?points=10000&window_minutes=1440")["timestamps"]


def check_up(agent):
    """It lives, goes on, and is as small as ever."""
    expect(agent.process.poll() is None, f"the agent ended ({agent.process.returncode}): {agent.log()[-3000:]}")
    before = passes(agent)
    until(lambda: passes(agent) > before + 1, "it goes on with its work")
    with open(f"/proc/{agent.process.pid}/status", encoding="utf-8") as file:
        peak = int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) << 10
    expect(peak < AGENT_MOST, f"it took {peak / MIB:.1f} MiB")
    return peak


def events_of(agent, kind):
    return agent.get(f"/api/v1/events?since=0&limit=1000&kind={kind}")["events"]


# Disks and clocks

def own_mounts():
    """From now on this process and what it starts have mounts of their own, which end with them."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def failed_writes(agent):
    return agent.get("/api/v1/status")["store"]["failed_writes"]


def case_disk_full(options):
    """A small disk fills up while the agent runs, and it is ended, killed and started there; then there is room again."""
    own_mounts()
    store = os.path.join(options.scratch, "store")
    os.mkdir(store)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", store], check=True)
    ballast = os.path.join(store, "ballast")
    with python(STILL) as target:
        ready(target)
        with Agent(options, mode="basic", targets=[{"pid": target.pid}]) as agent:
            before = until(lambda: times(agent, target.pid), "samples come")
            fill(ballast)
            until(lambda: failed_writes(agent) > 0, "it is told that the disk is full", 60)
            expect(set(times(agent, target.pid)) >= set(before), "what was stored can't be read from a full disk")
            check_up(agent)
            text = json.dumps(agent.get("/api/v1/status")["store"])
            expect("full" in text or "space" in text, f"it does not say why: {text}")
            agent.kill()
            agent.start()
            check_up(agent)
            stored = times(agent, target.pid)
            expect(set(stored) >= set(before), "started on a full disk, it has forgotten what was stored")
            fill(ballast)
            os.remove(ballast)
            until(lambda: committed(agent, target.pid, stored), "with room it stores again", 60)
            expect(not events_of(agent, "StoreSetAside"), "a full disk damaged the store")
            check_up(agent)
            expect(agent.end() == 0, "it did not end well")


def fill(path):
    with contextlib.suppress(OSError), open(path, "ab", 0) as file:
        while file.write(b"x" * 4096) == 4096:
            pass


def committed(agent, pid, known):
    """More than was known, also to an agent that is killed and started again."""
    if len(times(agent, pid)) < len(known) + 30:
        return False
    shown = set(times(agent, pid))
    agent.kill()
    agent.start()
    return set(times(agent, pid)) >= shown


def flip(path, count, chance):
    """Bytes at random, in pages at random."""
    with contextlib.suppress(FileNotFoundError), open(path, "r+b", 0) as file:
        size = file.seek(0, os.SEEK_END)
        for _ in range(count if size else 0):
            place = chance.randrange(size)
            file.seek(place)
            byte = file.read(1)
            file.seek(place)
            file.write(bytes([byte[0] ^ 1 << chance.randrange(8)]))


def ask_all(agent, pid):
    """Each answer is JSON, and no more than an error tells of the store."""
    for path in ("targets?state=all", f"targets/pid-{pid}/trends?points=10000&window_minutes=1440", "events?since=0",
                 "leaks?state=all", "sessions", f"targets/pid-{pid}/profiles", "status"):
        status, answer = agent.ask("GET", "/api/v1/" + path)
        expect(isinstance(answer, dict), f"{path}: {status}: {answer}")


def case_flipped(options):
    """Bytes of the database, of its journal and of its index are flipped while the agent uses them, and between two starts."""
    chance = random.Random(11)
    with python(STILL) as target:
        ready(target)
        with Agent(options, mode="basic", targets=[{"pid": target.pid}]) as agent:
            database = os.path.join(agent.store, "holdfast.db")
            for round_ in range(int(os.environ.get("HF_SURVIVE_FLIPS", "4"))):
                known = len(times(agent, target.pid))
                until(lambda: len(times(agent, target.pid)) != known, "a sample comes")
                for name, count in (("", 300), ("-wal", 300)):
                    flip(database + name, count, chance)
                for _ in range(4):
                    ask_all(agent, target.pid)
                    time.sleep(0.3)
                check_up(agent)
                if round_ % 2:
                    agent.kill()
                    flip(database, 300, chance)
                    agent.start()
            until(lambda: len(events_of(agent, "StoreSetAside")) > 0, "a damaged file is told")
            known = times(agent, target.pid)
            until(lambda: committed(agent, target.pid, known), "it stores again", 60)
            expect(target.poll() is None, "the target ended")
            expect(agent.end() == 0, "it did not end well")


def case_clock(options):
    """The wall clock jumps by days, there and back: nothing that was stored is lost, and no sample is of another time."""
    shift = os.path.join(options.scratch, "offset")
    day = 86400

    def jump(seconds):
        with open(shift + ".new", "w", encoding="utf-8") as file:
            file.write(str(seconds))
        os.rename(shift + ".new", shift)

    jump(0)
    os.environ.update(CLOCK_OFFSET=shift, LD_PRELOAD=os.path.abspath(os.path.join(options.targets, "clock_preload.so")))
    stack = contextlib.ExitStack()
    try:
        agent = stack.enter_context(Agent(options, mode="basic", targets=[{"pid": os.getpid()}]))
    finally:
        del os.environ["LD_PRELOAD"]
    with stack:
        first = until(lambda: times(agent, os.getpid()), "samples come")
        for seconds in (3 * day, -2 * day, 40 * day, 0):
            jump(seconds)
            before = passes(agent)
            until(lambda: passes(agent) > before + 15, "it goes on")
            check_up(agent)
            ask_all(agent, os.getpid())
            if seconds > 0:
                expect(times(agent, os.getpid())[-1] > first[0] + seconds - 60, "the clock did not jump")
            told = events_of(agent, "TargetEnded")
            expect(not told, f"the clock jumped by {seconds} s, and targets ended: {told}")
        until(lambda: times(agent, os.getpid())[-1] > first[-1], "with the clock as it was samples are shown")
        expect(set(times(agent, os.getpid())) >= set(first), "what was stored before the jumps is gone")
        expect(agent.end() == 0, "it did not end well")


# Clients

def connect(agent):
    return socket.create_connection(("127.0.0.1", agent.port), 30)


def say(connection, data):
    """False: the other side is gone."""
    try:
        connection.sendall(data)
        return True
    except OSError:
        return False


def is_closed(connection):
    """Reads what there is."""
    while select.select([connection], [], [], 0)[0]:
        try:
            if not connection.recv(65536):
                return True
        except OSError:
            return True
    return False


LINES = {
    "head": b"GET /api/v1/targets HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"x" * 600,
    "body": b"POST /api/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 600\r\n\r\n",
    "idle": b""}


def serves_meanwhile(agent):
    """Somebody with a right request gets an answer, if he waits long enough: at the latest when slow ones are shut out."""
    return until(lambda: agent.ask("GET", "/-/healthy", seconds=60)[0] == 200, "a right request is answered", 60)


def case_slow_clients(options):
    """Each sort of slow client in number: a byte at a time, silent ones, such as read nothing."""
    with Agent(options, mode="basic", targets=[{"pid": os.getpid()}]) as agent:
        slow = []
        for kind, text in LINES.items():
            slow += [(kind, text, connect(agent)) for _ in range(40)]
        for kind, text, connection in slow:
            if kind == "body":
                say(connection, text)
        at, open_ = 0, list(slow)
        deadline = time.monotonic() + 120
        while open_ and time.monotonic() < deadline:
            for kind, text, connection in open_:
                say(connection, text[at:at + 1] if kind == "head" else b" " if kind == "body" else b"")
            open_ = [one for one in open_ if not is_closed(one[2])]
            at += 1
            if at == 3:
                serves_meanwhile(agent)
            time.sleep(0.5)
        expect(not open_, f"{len(open_)} slow clients are still there after {at / 2:.0f} s")
        check_up(agent)
        rejected = re.search(r"^holdfast_http_rejected_total (\d+)", agent.get("/metrics"), re.M)
        expect(rejected and int(rejected.group(1)) >= 80, f"slow ones are not counted: {rejected}")


def case_deaf_clients(options):
    """Some ask for much and never read, some want the events and never read."""
    with Agent(options, mode="basic", targets=[{"pid": os.getpid()}]) as agent:
        deaf = []
        for path in (b"/api/v1/events/stream?since=0", b"/assets/dygraph.min.js", b"/metrics", b"/api/v1/openapi.json"):
            for _ in range(12):
                connection = socket.socket()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                connection.connect(("127.0.0.1", agent.port))
                say(connection, (b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") * 30)
                deaf.append(connection)
        for _ in range(600):  # events that they do not read
            status, _answer = agent.ask("POST", "/-/reload")
            if status == 429:
                time.sleep(0.5)
            expect(status in (200, 429), f"reload: {status}")
        peak = check_up(agent)
        ask_all(agent, os.getpid())
        for connection in deaf:
            connection.close()
        check_up(agent)
        print(f"at most {peak / MIB:.1f} MiB")


WHOLE = [b"GET /api/v1/targets?limit=3&sort=rss HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n",
         b"POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\r\n"
         b'{"target":"1","session_name":"a"}',
         b"POST /-/reload HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Holdfast: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
         b"GET /api/v1/events/stream?since=0 HTTP/1.1\r\nHost: [::1]\r\nLast-Event-ID: 5\r\n\r\n",
         b"DELETE /api/v1/leaks/0123456789abcdef HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Holdfast: 1\r\n\r\n",
         b"GET /debug/pprof/heap?target=pid-1&seconds=1 HTTP/1.0\r\n\r\n",
         b"GET /api/v1/targets/pid-1/trends?points=1e9&window_minutes=-5 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"]


def mutated(chance):
    """Random bytes, or a request with some damage."""
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(1, 3000))
    request = bytearray(chance.choice(WHOLE))
    for _ in range(chance.randrange(1, 8)):
        place = chance.randrange(len(request))
        kind = chance.randrange(4)
        if kind == 0:
            request[place] = chance.randrange(256)
        elif kind == 1:
            request[place:place] = chance.choice([b"\r\n", b"%00", b"\x00", b"A" * 9000, b"%", b"&a=b", b":", b"-1", b"[" * 500])
        elif kind == 2:
            del request[place:place + chance.randrange(1, 30)]
        else:
            request += chance.choice(WHOLE)
        if not request:
            return b"\n"
    return bytes(request)


def case_mad_clients(options):
    """Random bytes and damaged requests at the port that is served."""
    chance = random.Random(int(os.environ.get("HF_SURVIVE_SEED", "5")))
    count = int(os.environ.get("HF_SURVIVE_REQUESTS", "1500"))
    with Agent(options, mode="basic", targets=[{"pid": os.getpid()}]) as agent:
        answers = 0
        for _ in range(count):
            with connect(agent) as connection:
                said = say(connection, mutated(chance))
                if said and chance.random() < 0.5:
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(0.02)
                    with contextlib.suppress(OSError):
                        answers += connection.recv(65536).startswith(b"HTTP/1.")
        serves_meanwhile(agent)
        until(lambda: agent.ask("GET", "/api/v1/status")[0] == 200, "the rate is not over for good")
        check_up(agent)
        ask_all(agent, os.getpid())
        print(f"{count} requests, {answers} answers read")
        expect(answers > count / 20, f"only {answers} of {count} were answered")
        expect(agent.end() == 0, "it did not end well")


# Prometheus

FIXED = ("rss_bytes", "vms_bytes", "heap_objects", "leaks_detected", "gc_collections")
COUNTED = """
import gc, time
gc.disable()
kept = [[] for _ in range(5000)]
for _ in range(20):
    gc.collect()
print('ready', flush=True)
while True:
    time.sleep(60)
"""


@contextlib.contextmanager
def prometheus(options, port):
    """Its URL, while it scrapes this port."""
    folder = os.path.join(options.scratch, "prometheus")
    os.mkdir(folder)
    config, own = os.path.join(folder, "config.yml"), free_port()
    with open(config, "w", encoding="utf-8") as file:
        json.dump({"global": {"scrape_interval": "1s"},
                   "scrape_configs": [{"job_name": "holdfast", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]}, file)
    with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
        process = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                                    f"--web.listen-address=127.0.0.1:{own}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{own}"
    finally:
        process.kill()
        process.wait()


def query(url, text):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url + "/api/v1/query?" + urllib.parse.urlencode({"query": text}), None, 10) as answer:
        return json.load(answer)["data"]["result"]


def compare(agent, url, pid):
    """{metric: value} where Prometheus has what the agent says, else None."""
    same = {}
    for name in FIXED:
        name = "memory_profiler_" + name
        rows = query(url, f'{name}{{pid="{pid}"}}')
        if len(rows) != 1:
            return None
        if float(rows[0]["value"][1]) != agent.metric(name, pid):
            return None
        same[name] = float(rows[0]["value"][1])
    return same


def case_prometheus(options):
    """The target holds still, so what was scraped a second ago is what the agent says now."""
    with python(COUNTED) as target:
        ready(target)
        with Agent(options, mode="advanced", targets=[{"name": 'a "b" \\c', "pid": target.pid}]) as agent:
            session = agent.do("POST", "/api/v1/sessions", {"target": f"pid-{target.pid}", "session_name": "a look"}, 201)
            time.sleep(1)  # what a session is about
            agent.do("POST", f"/api/v1/sessions/{session['session_id']}/stop")
            with prometheus(options, agent.port) as url:
                until(lambda: all(agent.metric("memory_profiler_" + name, target.pid) is not None for name in FIXED),
                      "the agent has all five", 60)
                same = until(lambda: compare(agent, url, target.pid), "Prometheus has the five, and their values", 60)
                expect(same["memory_profiler_rss_bytes"] > MIB and same["memory_profiler_heap_objects"] > 5000, same)
                expect(same["memory_profiler_gc_collections"] >= 20, same)
                row, = query(url, f'memory_profiler_rss_bytes{{pid="{target.pid}"}}')
                expect(row["metric"].get("target") == 'a "b" \\c', row)
                up, = query(url, "up")
                expect(up["value"][1] == "1", up)
                print(same)


if __name__ == "__main__":
    sys.exit(main(sys.argv, globals()))
