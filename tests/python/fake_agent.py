# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent that is none: the HTTP API with its state in memory, for tests of the client.

What a target's memory is, it reads from /proc; what components, leaks and profiles there are, a
test says. It keeps to the API in what the client can see: paths, methods, statuses, fields, error
answers, Host and token, SSE with Last-Event-ID. It misbehaves where a test says so (`Trouble`).

As a program it stands in for `holdfast agent --config FILE` (FILE as the client writes it).
"""
import contextlib
import datetime
import http.server
import json
import os
import re
import signal
import socket
import socketserver
import sys
import threading
import time
import urllib.parse

MIB = 1048576
TICKS = os.sysconf("SC_CLK_TCK")


def rfc3339(seconds):
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def gauges(pid):
    """rss, vms, pss, uss of a process, in bytes; None if there is none."""
    found = {}
    try:
        for name in ("status", "smaps_rollup"):
            with open(f"/proc/{pid}/{name}", encoding="utf-8") as file:
                for line in file:
                    words = line.split()
                    if words[-1] == "kB":
                        found.setdefault(words[0], int(words[1]) * 1024)
    except OSError:
        return None
    uss = found["Private_Clean:"] + found["Private_Dirty:"]
    return found["VmRSS:"], found["VmSize:"], found["Pss:"], uss


def started_at(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / TICKS


class Failure(Exception):
    """An error answer."""

    def __init__(self, status, code, what, why="", fix="", headers=()):
        super().__init__(what)
        self.status = status
        self.body = {"error": {"code": code, "what": what, "why": why, "fix": fix}}
        self.headers = dict(headers)


class Trouble:
    """What goes wrong with requests that match; `times` of them."""

    def __init__(self, method, path, *, times=1, status=None, code="HF-E-INTERNAL", raw=None,
                 delay=0.0, cut=None, drip=0.0):
        self.method, self.path, self.times = method, re.compile(path), times
        self.status, self.code, self.raw = status, code, raw
        self.delay, self.cut, self.drip = delay, cut, drip

    def matches(self, method, path):
        return self.times > 0 and method == self.method and self.path.search(path)


class State:
    """All that the agent knows. Any thread, with the lock."""

    def __init__(self):
        self.lock = threading.Condition()
        self.pids = None  # those that it watches; None: every one
        self.token = None
        self.ready = True
        self.start_shift = 0.0  # as another PID namespace would have it
        self.components = {}  # name: [current, peak, rate]
        self.spans = []  # (span, key, bytes)
        self.leaks = {}
        self.sessions = {}
        self.events = []
        self.first_event = 1
        self.targets = {}  # pid: id
        self.health = "ok"
        self.gc = None  # called for a forced collection: (collected, freed)
        self.mode, self.level, self.interval = "standard", "medium", 1.0
        self.troubles = []
        self.requests = []  # (method, path, headers)
        self.streams = 0
        self.stop_streams = 0  # counted up: all streams end
        self.page = 1000

    # Targets

    def target(self, word):
        with self.lock:
            if word.startswith("pid-"):
                pid = int(word[4:]) if word[4:].isdigit() else 0
            else:
                pid = {str(i): p for p, i in self.targets.items()}.get(word, 0)
            known = pid and (self.pids is None or pid in self.pids) and gauges(pid)
            if not known:
                raise Failure(
                    404, "HF-E-NOPID", f"no target {word}", "no rule matches it", "add one to targets"
                )
            return pid, self.targets.setdefault(pid, len(self.targets) + 1)

    def target_json(self, word):
        pid, number = self.target(word)
        rss, vms, pss, uss = gauges(pid)
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            comm = file.read().strip()
        return {
            "id": number, "pid": pid, "name": comm, "comm": comm, "exe": "", "unit": "",
            "started_at": rfc3339(started_at(pid) + self.start_shift), "state": "ok",
            "rss_bytes": rss, "vms_bytes": vms, "pss_bytes": pss, "uss_bytes": uss,
            "active_leaks": len(self.leaks), "thresholds": {}, "sessions": list(self.sessions),
        }

    def usage(self, word):
        pid, number = self.target(word)
        rss, vms, pss, uss = gauges(pid)
        return {
            "target": number, "timestamp": rfc3339(time.time()), "rss_bytes": rss,
            "vms_bytes": vms, "uss_bytes": uss, "pss_bytes": pss, "swap_bytes": 0,
            "heap_live_bytes": None, "heap_free_bytes": None, "fragmentation_percent": None,
            "heap_objects": 12345, "gc_collections": 3, "limit_bytes": None,
        }

    def trends(self, word, query):
        pid, number = self.target(word)
        rss, vms, pss, uss = gauges(pid)
        minutes = float(query.get("window_minutes", ["60"])[0])
        now = time.time()
        times = [now - minutes * 60 * (9 - i) / 9 for i in range(10)]
        return {
            "target": number, "from": times[0], "to": now, "resolution_s": 1.0,
            "timestamps": times, "rss_bytes": [rss] * 10, "vms_bytes": [vms] * 10,
            "uss_bytes": [uss] * 10, "pss_bytes": [pss] * 10,
            "heap_live_bytes": [None] * 5 + [MIB * 7] * 5,
            "growth_rate_mb_per_min": 0.25, "growth_interval": [0.2, 0.3], "thresholds": {},
        }

    def component(self, name, row):
        return {
            "name": name, "current_memory_mb": row[0], "peak_memory_mb": row[1],
            "outstanding_bytes": int(row[0] * MIB), "growth_rate_mb_per_min": row[2],
        }

    # Events

    def emit(self, event, pid=None, severity="info", text="", **details):
        with self.lock:
            number = self.first_event + len(self.events)
            self.events.append({
                "id": number, "time": rfc3339(time.time()), "event": event, "severity": severity,
                "target": self.targets.get(pid), "pid": pid, "target_name": "", "text": text,
                "details": details,
            })
            self.lock.notify_all()

    # Leaks and sessions

    def add_leak(self, pid, component="core_engine", rate=1.5):
        leak_id = os.urandom(8).hex()
        _, number = self.target(f"pid-{pid}")
        with self.lock:
            self.leaks[leak_id] = {
                "leak_id": leak_id, "target": number, "pid": pid, "target_name": "",
                "component": component, "state": "leaking", "active": True,
                "growth_rate_mb_per_min": rate, "growth_interval": [rate - 0.1, rate + 0.1],
                "current_memory_mb": 12.0, "outstanding_bytes": 12 * MIB, "lost_count": 17,
                "confidence": 0.99, "first_seen": rfc3339(time.time() - 60),
                "last_seen": rfc3339(time.time()), "cleared_at": None,
                "recommendation": "free what load_model() keeps", "evidence": [], "stack": [],
                "type": "", "held_by": "", "profile": None,
            }
        return leak_id

    def clear(self, leak_id=None, target=None):
        with self.lock:
            chosen = [
                leak for leak in self.leaks.values()
                if leak["active"] and (leak_id is None or leak["leak_id"] == leak_id)
                and (target is None or str(leak["target"]) == target)
            ]
            if leak_id is not None and leak_id not in self.leaks:
                raise Failure(404, "HF-E-NOLEAK", f"no leak {leak_id}")
            for leak in chosen:
                leak.update(active=False, cleared_at=rfc3339(time.time()))
            return {"cleared": len(chosen)}

    def start_session(self, body):
        unknown = set(body) - {"target", "session_name", "description"}
        if unknown or not isinstance(body.get("target"), str):
            raise Failure(400, "HF-E-USAGE", "a session needs a target")
        pid, number = self.target(str(body["target"]))
        session_id = os.urandom(8).hex()
        now = time.time()
        rss = gauges(pid)[0]
        with self.lock:
            self.sessions[session_id] = {
                "session_id": session_id, "target": number, "pid": pid,
                "session_name": body.get("session_name") or "unnamed",
                "description": body.get("description", ""), "state": "running",
                "start_time": rfc3339(now), "end_time": None, "peak_memory_mb": rss / MIB,
                "detected_leaks": [], "recommendations": [],
                "statistics": {
                    "duration_s": 0.0, "samples": 1, "start_rss_bytes": rss,
                    "end_rss_bytes": None, "peak_rss_bytes": rss,
                    "growth_rate_mb_per_min": None, "growth_interval": None, "allocs": None,
                },
            }
        self.emit("MemoryOperationStarted", pid, operation="session", session_id=session_id)
        return self.session(session_id)

    def session(self, session_id):
        with self.lock:
            if session_id not in self.sessions:
                raise Failure(404, "HF-E-NOSESSION", f"no session {session_id}")
            return dict(self.sessions[session_id])

    def stop_session(self, session_id):
        session = self.session(session_id)
        if session["state"] != "running":
            raise Failure(409, "HF-E-STATE", f"session {session_id} has ended")
        rss = gauges(session["pid"])[0]
        with self.lock:
            leaks = [dict(leak) for leak in self.leaks.values() if leak["active"]]
            statistics = dict(session["statistics"], end_rss_bytes=rss, samples=2)
            statistics["peak_rss_bytes"] = max(rss, statistics["start_rss_bytes"])
            self.sessions[session_id].update(
                state="ended", end_time=rfc3339(time.time()), statistics=statistics,
                peak_memory_mb=statistics["peak_rss_bytes"] / MIB, detected_leaks=leaks,
                recommendations=[leak["recommendation"] for leak in leaks],
            )
        self.emit("MemoryOperationCompleted", session["pid"], operation="session",
                  session_id=session_id)
        return self.session(session_id)

    def collect(self, word):
        pid, _ = self.target(word)
        self.emit("MemoryOperationStarted", pid, operation="gc")
        collected, freed = self.gc() if self.gc else (0, 0)
        self.emit("MemoryOperationCompleted", pid, operation="gc")
        empty = {"objects": 0, "rss_bytes": 0}
        return {"collected_objects": collected, "objects_freed": freed, "duration_ms": 1.5,
                "trimmed_bytes": 0, "before": empty, "after": empty}


TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPORT = os.path.join(TESTS, "fuzz", "corpus", "report_json", "hunt.json")


def get_usage(state, query, body, target):
    return state.usage(target)


def get_components(state, query, body, target, name=None):
    state.target(target)
    rows = [state.component(n, row) for n, row in state.components.items()]
    if name is None:
        return {"components": rows, "total_bytes": sum(r["outstanding_bytes"] for r in rows)}
    name = urllib.parse.unquote(name)
    if name not in state.components:
        raise Failure(404, "HF-E-NOCOMPONENT", f"no component {name}", "no rule has that name")
    return state.component(name, state.components[name])


def get_spans(state, query, body, target):
    state.target(target)
    rows = [
        {"span": span, "key": key, "outstanding_bytes": size, "outstanding_count": 1,
         "peak_bytes": size, "allocs": 1, "first_seen": "", "last_seen": ""}
        for span, key, size in state.spans
    ]
    return page_of(state, rows, "spans", query)


def page_of(state, rows, key, query):
    limit = min(int(query.get("limit", ["100"])[0]), state.page)
    start = int(query.get("cursor", ["0"])[0])
    following = start + limit
    return {key: rows[start:following],
            "next_cursor": str(following) if following < len(rows) else None}


def get_leaks(state, query, body):
    target, wanted = query.get("target", [None])[0], query.get("state", ["active"])[0]
    with state.lock:
        rows = [
            leak for leak in state.leaks.values()
            if (target is None or str(leak["target"]) == target)
            and (wanted == "all" or leak["active"] == (wanted == "active"))
        ]
    return page_of(state, rows, "leaks", query)


def get_health(state, query, body):
    answer = {
        "status": state.health, "memory": {"status": state.health, "targets_over_warning": 0},
        "leaks": {"active": len(state.leaks)}, "profiler": {"status": "ok", "notes": []},
        "checks": [{"name": "memory", "status": state.health, "text": ""}],
    }
    return (503 if state.health == "critical" else 200), answer


def get_status(state, query, body):
    return {"version": "0.1", "mode": state.mode, "level": state.level,
            "sampling_interval_s": state.interval, "notes": []}


def get_metrics(state, query, body):
    names = ("rss_bytes", "vms_bytes", "heap_objects", "leaks_detected", "gc_collections")
    text = "".join(
        f"# TYPE memory_profiler_{name} gauge\nmemory_profiler_{name} 1\n" for name in names
    )
    return text.encode(), "text/plain; version=0.0.4"


def get_report(state, query, body, session):
    state.session(session)
    with open(REPORT, "rb") as file:
        return file.read(), "application/json"


def get_snapshots(state, query, body, session):
    row = state.session(session)
    return {"snapshots": [{"time": row["start_time"], "rss_bytes": 1}]}


def get_chart(state, query, body, session):
    state.session(session)
    return b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"


def get_ready(state, query, body):
    text = b"holdfast is ready.\n" if state.ready else b"holdfast is not ready.\n"
    return (200 if state.ready else 503), (text, "text/plain")


T = "/api/v1/targets/([^/]+)"
S = "/api/v1/sessions/([^/]+)"
ROUTES = [
    ("GET", "/-/ready", get_ready),
    ("GET", "/healthz", get_health),
    ("GET", "/metrics", get_metrics),
    ("GET", "/api/v1/status", get_status),
    ("GET", T, lambda s, q, b, target: s.target_json(target)),
    ("GET", T + "/usage", get_usage),
    ("GET", T + "/trends", lambda s, q, b, target: s.trends(target, q)),
    ("GET", T + "/components", get_components),
    ("GET", T + "/components/([^/]+)", get_components),
    ("GET", T + "/spans", get_spans),
    ("POST", T + "/gc", lambda s, q, b, target: s.collect(target)),
    ("GET", "/api/v1/leaks", get_leaks),
    ("DELETE", "/api/v1/leaks", lambda s, q, b: s.clear(target=q.get("target", [None])[0])),
    ("DELETE", "/api/v1/leaks/([^/]+)", lambda s, q, b, leak: s.clear(leak_id=leak)),
    ("POST", "/api/v1/sessions", lambda s, q, b: (201, s.start_session(b))),
    ("GET", S, lambda s, q, b, session: s.session(session)),
    ("POST", S + "/stop", lambda s, q, b, session: s.stop_session(session)),
    ("GET", S + "/report", get_report),
    ("GET", S + "/snapshots", get_snapshots),
    ("GET", S + "/chart.svg", get_chart),
]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "holdfast/0.1"

    def log_message(self, format, *args):
        pass

    def address_string(self):
        return "local"

    def handle(self):
        with contextlib.suppress(ConnectionError, socket.timeout):
            super().handle()

    def do_GET(self):
        self.answer("GET")

    def do_POST(self):
        self.answer("POST")

    def do_DELETE(self):
        self.answer("DELETE")

    @property
    def state(self):
        return self.server.state

    def trouble(self, method):
        with self.state.lock:
            for trouble in self.state.troubles:
                if trouble.matches(method, self.path):
                    trouble.times -= 1
                    return trouble
        return None

    def answer(self, method):
        with self.state.lock:
            self.state.requests.append((method, self.path, dict(self.headers)))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.misbehaviour = trouble = self.trouble(method)
        try:
            if trouble is not None:
                time.sleep(trouble.delay)
                if trouble.raw is not None:
                    self.wfile.write(trouble.raw)
                    self.close_connection = True
                    return
                if trouble.status is not None:
                    raise Failure(trouble.status, trouble.code, "trouble", "a test wants it", "none")
            self.check()
            self.route(method, body)
        except Failure as failure:
            self.send(failure.status, json.dumps(failure.body).encode(), headers=failure.headers)

    def check(self):
        hosts = ("localhost", f"127.0.0.1:{self.server.port}", f"localhost:{self.server.port}")
        if self.headers.get("Host") not in hosts or self.headers.get("Origin"):
            raise Failure(403, "HF-E-FORBIDDEN", "another host is meant")
        token = self.state.token
        if token is not None and self.headers.get("Authorization") != f"Bearer {token}":
            raise Failure(401, "HF-E-TOKEN", "a token is needed", "", "give it")

    def route(self, method, data):
        path, _, query = self.path.partition("?")
        if (method, path) == ("GET", "/api/v1/events/stream"):
            return self.stream(urllib.parse.parse_qs(query))
        allowed = []
        for verb, pattern, handler in ROUTES:
            match = re.fullmatch(pattern, path)
            if not match:
                continue
            allowed.append(verb)
            if verb != method:
                continue
            if method != "GET" and not self.headers.get("X-Holdfast"):
                raise Failure(403, "HF-E-PERM", "it does not say that it means it")
            body = self.parse(method, data)
            result = handler(self.state, urllib.parse.parse_qs(query), body, *match.groups())
            status = 200
            if isinstance(result, tuple) and isinstance(result[0], int):
                status, result = result
            if isinstance(result, dict):
                result = json.dumps(result).encode(), "application/json"
            return self.send(status, *result)
        if allowed:
            raise Failure(405, "HF-E-METHOD", "not so", headers={"Allow": ", ".join(allowed)})
        raise Failure(404, "HF-E-NOPATH", f"no {path}")

    def parse(self, method, data):
        if method != "POST":
            return {}
        if self.headers.get("Content-Type") != "application/json":
            raise Failure(415, "HF-E-TYPE", "a body of JSON is wanted")
        try:
            body = json.loads(data)
        except ValueError:
            raise Failure(400, "HF-E-JSON", "no JSON") from None
        if not isinstance(body, dict):
            raise Failure(400, "HF-E-JSON", "no object")
        return body

    def send(self, status, data, kind="application/json", headers=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        trouble = self.misbehaviour
        if trouble is not None and trouble.cut is not None:
            self.wfile.write(data[: trouble.cut])
            self.close_connection = True
            return
        if trouble is not None and trouble.drip:
            for index in range(len(data)):
                self.wfile.write(data[index : index + 1])
                time.sleep(trouble.drip)
            return
        self.wfile.write(data)

    def stream(self, query):
        since = self.headers.get("Last-Event-ID") or query.get("since", [None])[0]
        state = self.state
        with state.lock:
            last = int(since) if since else state.first_event + len(state.events) - 1
            generation = state.stop_streams
            state.streams += 1  # before the head: who has read it misses nothing
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            self.wfile.write(b": welcome\n\n")
            while True:
                with state.lock:
                    fresh = [event for event in state.events if event["id"] > last]
                    if not fresh:
                        state.lock.wait(0.1)
                    if state.stop_streams != generation:
                        return
                for event in fresh:
                    text = json.dumps(event)
                    message = f"id: {event['id']}\nevent: {event['event']}\ndata: {text}\n\n"
                    self.wfile.write(message.encode())
                    last = event["id"]
                if not fresh:
                    self.wfile.write(b":\n")
        finally:
            with state.lock:
                state.streams -= 1


class TcpServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 1  # where it is full, clients must wait

    def get_request(self):
        request, _ = super().get_request()
        return request, ("local", 0)


class FakeAgent:
    """Runs in threads of this process until stop(). url: what the client is to be given."""

    def __init__(self, unix=None, port=0):
        self.state = State()
        if unix is not None:
            self.server = UnixServer(unix, Handler)
            self.server.port = 0
            self.url = f"unix:{unix}"
        else:
            self.server = TcpServer(("127.0.0.1", port), Handler)
            self.server.port = self.server.server_address[1]
            self.url = f"http://127.0.0.1:{self.server.port}"
        self.server.state = self.state
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(0.02,), name="fake-agent", daemon=True
        )
        self.thread.start()

    def stop(self):
        with self.state.lock:
            self.state.stop_streams += 1
            self.state.lock.notify_all()
        self.server.shutdown()
        self.server.server_close()
        if isinstance(self.server, UnixServer):
            with contextlib.suppress(OSError):
                os.unlink(self.server.server_address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def main(arguments):
    """holdfast agent --config FILE. FAKE_AGENT=refuse, hang, deaf (to SIGTERM), slow (to be ready)."""
    if len(arguments) != 3 or arguments[:2] != ["agent", "--config"]:
        print(f"holdfast: [HF-E-USAGE] not so: {arguments}", file=sys.stderr)
        return 64
    with open(arguments[2], encoding="utf-8") as file:
        text = file.read()
    behaviour = os.environ.get("FAKE_AGENT", "")
    if behaviour == "refuse":
        print("holdfast: [HF-E-PERM] may not\n  why: a test\n  do: nothing", file=sys.stderr)
        return 77
    if behaviour == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pid = int(re.search(r"^    - pid: (\d+)$", text, re.M).group(1))
    listen = re.search(r'^  listen: "?unix:([^"\n]+)"?$', text, re.M).group(1)
    if behaviour == "hang":
        time.sleep(600)
    agent = FakeAgent(unix=listen)
    agent.state.pids = [pid]
    if behaviour == "slow":
        agent.state.ready = False
        time.sleep(0.5)
        agent.state.ready = True
    with open(listen + ".pid", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    if behaviour != "deaf":
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
