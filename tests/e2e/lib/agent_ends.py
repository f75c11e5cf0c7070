# SPDX-License-Identifier: GPL-2.0-or-later
"""How targets end under the agent: killed by the kernel for memory, or by somebody."""
import calendar
import contextlib
import hashlib
import http.server
import json
import os
import signal
import subprocess
import threading
import time

from agent_live import Agent, Skipped, copy_of, descendants, expect, running, until

MIB = 1 << 20


class Memcg:
    """A memory cgroup of one's own; version 1 or 2, as this machine has it."""

    def __init__(self):
        self.path = None

    @staticmethod
    def roots():
        """(mount point, is version 2) of hierarchies with the controller."""
        with open("/proc/self/mounts", encoding="utf-8") as file:
            for _, place, kind, options, *_ in map(str.split, file):
                if kind == "cgroup" and "memory" in options.split(","):
                    yield place, False
                if kind == "cgroup2":
                    with contextlib.suppress(OSError), open(place + "/cgroup.subtree_control", "w",
                                                            encoding="utf-8") as control:
                        control.write("+memory")
                    yield place, True

    def __enter__(self):
        for place, unified in self.roots():
            path = f"{place}/holdfast-test-{os.getpid()}"
            limit = "memory.max" if unified else "memory.limit_in_bytes"
            with contextlib.suppress(OSError):
                os.mkdir(path)
                if os.path.exists(f"{path}/{limit}"):
                    self.path, self.limit = path, limit
                    self.usage = "memory.current" if unified else "memory.usage_in_bytes"
                    return self
                os.rmdir(path)
        raise Skipped("no memory cgroup can be made here")

    def write(self, name, value):
        with open(f"{self.path}/{name}", "w", encoding="utf-8") as file:
            file.write(str(value))

    def take(self, pid):
        self.write("cgroup.procs", pid)

    def allow_more(self, count):
        """So many bytes more than it has, and no more."""
        with open(f"{self.path}/{self.usage}", encoding="utf-8") as file:
            limit = int(file.read()) + count
        self.write(self.limit, limit)
        return limit

    def __exit__(self, *_):
        deadline = time.monotonic() + 5
        while self.path:
            try:
                os.rmdir(self.path)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


class Receiver(http.server.ThreadingHTTPServer):
    """An Alertmanager that keeps what it is told."""

    def __init__(self):
        self.alerts = []
        super().__init__(("127.0.0.1", 0), Receiver.Handler)
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self): # the name that http.server wants
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.alerts += json.loads(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    def named(self, name):
        return [alert for alert in self.alerts if alert["labels"]["alertname"] == name]

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def leak_of(agent, function, query=""):
    """The leak with this function in its stack, or None."""
    for leak in agent.get("/api/v1/leaks?" + query)["leaks"]:
        if any(frame["function"] == function for frame in leak["stack"]):
            return leak
    return None


def leaking(options):
    """Loses 400 KiB a second."""
    return running(os.path.join(options.targets, "churn"), "--rate=1000", "--size=4096", "--leak=10")


def traced_leak(agent, target):
    """Its id, when it is traced and found to leak."""
    target.stdin.write(b"go\n")
    target.stdin.flush()
    until(lambda: leak_of(agent, "leaked_block"), "the leak is found", 90)
    found = agent.target(target.pid)
    expect(found["traced"], "its leak is known, and it is not traced")
    expect(found["end"] is None and found["end_reason"] == "", found)
    return found["id"]


def ended(agent, number):
    return until(lambda: agent.get(f"/api/v1/targets/{number}")["ended_at"], "its end is seen", 90)


def last_profile(agent, number, died):
    """The report of the job that traced it, which came when it was gone."""
    path = f"/api/v1/targets/{number}/profiles"
    newest = until(lambda: [p for p in agent.get(path)["profiles"] if wall(p["time"]) >= died],
                   "a last profile comes", 60)[0]
    report = agent.get(f"{path}/{newest['id']}")
    expect("leaked_block" in json.dumps(report["findings"]), "the last profile does not show the leak")
    site, = [f for f in report["findings"] if "leaked_block" in json.dumps(f["stack"])]
    line, = [f for f in site["stack"] if f["function"] == "leaked_block"]
    expect(line["file"].endswith("churn.c") and line["line"] > 0, f"its place is not known: {line}")
    expect(agent.get(f"/api/v1/targets/{number}")["profile"] == newest["id"], "the target names another profile")
    process, = report["processes"]
    expect(process["ended"], f"the last report does not say that it ended: {process}")
    return report


def wall(text):
    """Seconds since 1970 of an RFC 3339 time, UTC."""
    whole, fraction = text.rstrip("Z").split(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + fraction)


def check_killed(agent, number, leak_id, limit):
    target = agent.get(f"/api/v1/targets/{number}")
    expect(target["end_reason"] == "oom" and target["state"] == "ended", target)
    end = target["end"]
    expect(limit / 2 < end["rss_bytes"] < limit + 64 * MIB, f"{end}, limit {limit}")
    expect(end["traced"] and leak_id in end["leaks"], end)
    expect(end["growth_known"] and end["growth_bytes_per_second"] > 0, end)
    expect(abs(wall(end["killed_at"]) - wall(target["ended_at"])) < 60, target)
    left = leak_of(agent, "leaked_block", f"target={number}&state=at_end")
    expect(left and left["leak_id"] == leak_id and not left["active"], f"leaks at its end: {left}")
    return end


def check_told(agent, receiver, number, leak_id):
    event, = agent.events("TargetKilled")
    expect(event["severity"] == "critical" and event["target"] == number, event)
    expect("killed it for memory" in event["text"] and leak_id in event["details"]["leaks"], event)
    expect(len(agent.events("TargetEnded")) == 1, "its end is not told")
    alert, = until(lambda: receiver.named("HoldfastOomKill"), "the alert comes")
    expect(alert["labels"]["severity"] == "critical", alert)
    expect("killed it for memory" in alert["annotations"]["summary"], alert)
    expect(alert["generatorURL"] == f"http://127.0.0.1:{agent.port}/#/targets/{number}",
           f"the alert leads to {alert['generatorURL']}")
    expect(wall(alert["endsAt"]) > time.time(), f"it is over when it comes: {alert}")
    shown = ctl(agent, "targets")
    expect("Killed by the kernel for memory" in shown and "doomed" in shown.split("Killed by")[1], shown)
    expect("\nholdfast_oom_kills_total 1\n" in agent.get("/metrics"), "the metrics do not count it")


def sees_kills(agent):
    check, = [c for c in agent.ask("GET", "/healthz")[1]["checks"] if c["name"] == "oom_kills"]
    expect(check["status"] == "ok", check)


def look(agent, pid):
    """Has the trace that runs report now."""
    session = agent.do("POST", "/api/v1/sessions", {"target": f"pid-{pid}", "session_name": "a look"}, 201)
    agent.do("POST", f"/api/v1/sessions/{session['session_id']}/stop")


def active(agent):
    return {leak["leak_id"]: leak["lost_count"] for leak in agent.get("/api/v1/leaks")["leaks"]}


def case_cleared_restart(options):
    with leaking(options) as target:
        with Agent(options, mode="debug", targets=[{"pid": target.pid}]) as agent:
            traced_leak(agent, target)
            target.send_signal(signal.SIGSTOP)
            counts = []
            while len(counts) < 3 or counts[-1] != counts[-3]:
                look(agent, target.pid)
                counts.append(active(agent))
                expect(len(counts) < 20, f"the target stands still, and the losses go on: {counts}")
            agent.do("DELETE", "/api/v1/leaks")
            for how in (agent.end, agent.kill):
                how()
                agent.start()
                until(lambda: agent.target(target.pid)["traced"], "it is traced again")
                for _ in range(4):
                    look(agent, target.pid)
                expect(not active(agent), f"cleared, and back after a restart without new evidence: {active(agent)}")
            target.send_signal(signal.SIGCONT)
            until(lambda: leak_of(agent, "leaked_block"), "with new evidence it is back", 90)


def write_token(options, word):
    path = os.path.join(options.scratch, "token")
    with open(path, "w", encoding="utf-8") as file:
        file.write(hashlib.sha256(word.encode()).hexdigest() + "\n")
    return path


def case_failed_reload(options):
    """Its last steps fail: of the new configuration nothing is in force, not in the broker either."""
    old, new = ({"X-Holdfast": "1", "Authorization": f"Bearer {word}"} for word in ("old", "new"))
    sleeper = copy_of(options, "/bin/sleep", "sleeper")
    with Agent(options, mode="basic", token_file=write_token(options, "old"),
               targets=[{"exe": sleeper}]) as agent:
        agent.headers = old
        with open(os.path.join(agent.store, "spool"), "w", encoding="utf-8"):
            pass # where the folder should be
        write_token(options, "new")
        agent.configure(fleet={"clickhouse": "http://127.0.0.1:1"}, targets=[{"comm": "nobody"}])
        status, answer = agent.ask("POST", "/-/reload")
        expect(status != 200, f"it was reloaded: {answer}")
        expect(agent.ask("GET", "/api/v1/status", headers=new)[0] == 401, "the new token is in force")
        expect(agent.ask("GET", "/api/v1/status")[0] == 200, "the old token is not in force any more")
        with running(sleeper, "60") as target:
            until(lambda: target.pid in {t["pid"] for t in agent.get("/api/v1/targets")["targets"]},
                  "the old rules hold", 15)
        os.unlink(os.path.join(agent.store, "spool"))
        expect(agent.ask("POST", "/-/reload")[0] == 200, "what was mended is refused")
        agent.headers = new
        expect(agent.ask("GET", "/api/v1/status", headers=old)[0] == 401, "the old token is still in force")
        expect(agent.get("/api/v1/targets")["targets"] == [], "the new rules do not hold")


def of_time(agent, query):
    """Ids of all pages."""
    ids, cursor = [], ""
    while cursor is not None:
        page = agent.get(f"/api/v1/events?limit=7{query}" + (f"&cursor={cursor}" if cursor else ""))
        ids += [event["id"] for event in page["events"]]
        cursor = page["next_cursor"]
    return ids


def case_event_times(options):
    with Agent(options, mode="basic", targets=[{"pid": os.getpid()}]) as agent:
        marks = []
        for _ in range(3):
            for _ in range(9):
                agent.do("POST", "/-/reload")
            marks.append(time.time())
            time.sleep(0.05)
        all_events = agent.events()
        for first, last in ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2)):
            low, high = marks[first], marks[last]
            truth = [event for event in all_events if low <= wall(event["time"]) <= high]
            for kind in "", "&kind=ConfigurationReloaded", "&kind=TargetAppeared":
                kept = [event["id"] for event in truth if not kind or kind.endswith(event["event"])]
                time_words = f"&from={low:.6f}&to={high:.6f}{kind}"
                expect(of_time(agent, time_words) == kept[::-1], f"backwards {time_words}: not {kept}")
                expect(of_time(agent, "&since=0" + time_words) == kept, f"onwards {time_words}: not {kept}")
        expect(len(of_time(agent, f"&from={marks[0]:.6f}&kind=ConfigurationReloaded")) == 18, "from alone")
        expect(of_time(agent, f"&to={marks[0] - 3600:.3f}") == [], "before anything")
        status, _ = agent.ask("GET", "/api/v1/events?from=yesterday")
        expect(status == 400, f"a time that is none: {status}")
        lines = ctl(agent, "events", "--window", "5m").splitlines()
        expect(len([line for line in lines if "ConfigurationReloaded" in line]) == 27, lines)


def ctl(agent, *words):
    done = subprocess.run([agent.holdfast, "ctl", "--agent", f"127.0.0.1:{agent.port}", *words], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    expect(done.returncode == 0, f"ctl {words}: {done.returncode}: {done.stderr}")
    return done.stdout


def jobs_of(agent):
    found = set()
    for pid in descendants(agent.process.pid):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            if file.read() == "holdfast-job\n":
                found.add(pid)
    return found


def case_oom(options):
    with Memcg() as group, Receiver() as receiver, leaking(options) as target:
        group.take(target.pid)
        with Agent(options, mode="debug", targets=[{"pid": target.pid, "name": "doomed"}],
                   alerts={"alertmanager": [{"url": f"http://127.0.0.1:{receiver.server_address[1]}"}]}) as agent:
            sees_kills(agent)
            number = traced_leak(agent, target)
            leak_id = leak_of(agent, "leaked_block")["leak_id"]
            until(lambda: agent.get(f"/api/v1/targets/{number}")["growth_known"], "its growth is known")
            limit = group.allow_more(4 * MIB)
            expect(target.wait(300) == -signal.SIGKILL, f"it was not killed: {target.returncode}")
            ended(agent, number)
            check_told(agent, receiver, number, leak_id)
            end = check_killed(agent, number, leak_id, limit)
            last_profile(agent, number, wall(end["killed_at"]))
            check_killed(agent, number, leak_id, limit) # the last report takes nothing away
            # The kernel takes its time with the job's programs where it has much else to do.
            until(lambda: not jobs_of(agent), "the job has ended", 120)
            agent.end()
            agent.start()
            expect(check_killed(agent, number, leak_id, limit) == end, "a restart changed what is known of its end")


def case_killed_target(options):
    """By somebody, not for memory; what was known up to the last moment is kept all the same."""
    with leaking(options) as target:
        # Its job sees the end long before the agent's next pass.
        with Agent(options, mode="debug", sampling_interval=4, targets=[{"pid": target.pid}]) as agent:
            number = traced_leak(agent, target)
            found = leak_of(agent, "leaked_block")
            died = time.time()
            target.kill()
            target.wait()
            ended(agent, number)
            last_profile(agent, number, died)
            row = agent.get(f"/api/v1/targets/{number}")
            expect(row["end_reason"] == "ended" and row["end"] is None, row)
            left = leak_of(agent, "leaked_block", f"target={number}&state=at_end")
            expect(left and left["leak_id"] == found["leak_id"], f"leaks at its end: {left}")
            expect(not agent.events("TargetKilled"), "somebody killed it, and the kernel is blamed")
