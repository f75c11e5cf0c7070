#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Twenty services on one machine (tests/scenarios/service.c), one of which leaks: is it found, named and told of?

usage: agent_fleet.py --holdfast ./holdfast --targets DIR --scratch DIR CASE

What Alertmanager has got, if it is installed, is written to alerts.json in the scratch folder. HF_FLEET_SECONDS: how long
to look on afterwards for false alarms (5).
"""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request

from agent_live import Agent, copy_of, expect, free_port, main, running, until

# name: kind, requests per second. Most are slow, as services are; some are not.
SERVICES = {
    "login": ("plain", 20), "search": ("cache", 200), "thumbnails": ("pool", 50), "render": ("arena", 300),
    "export": ("batch", 400), "sessions": ("session", 150), "mailer": ("queue", 100), "catalog": ("warm", 400),
    "prices": ("cache", 800), "stock": ("cache", 20), "cart": ("session", 40), "payments": ("leak", 100),
    "invoices": ("batch", 100), "audit": ("queue", 300), "proxy": ("pool", 500), "feeds": ("warm", 150),
    "ranking": ("arena", 60), "metrics": ("plain", 1000), "profiles": ("cache", 80), "geo": ("session", 10)}
LEAKY = "payments"
# The mode's own budget, stops and choices; only what it waits for is shorter.
PRODUCTION = {"mode": "production", "sampling_interval": 0.2, "leak_detection_interval": 1}


def service(options, name, *words):
    """A copy under a name of its own, which serves."""
    kind, rate = SERVICES[name]
    program = os.path.join(options.targets, "..", "scenarios", "service")
    path = os.path.join(options.scratch, name)
    if not os.path.exists(path):
        copy_of(options, program, name)
    before = [] if kind != "session" else ["--before=0"]  # those end by time, not by number
    return running(path, *words, f"--kind={kind}", f"--rate={rate}", *before)  # of two the first holds


def stat(process):
    process.stdin.write(b"stat\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def start(options, stack):
    """{name: process}, and where the one leaks: (function, "FILE:LINE")"""
    services = {name: stack.enter_context(service(options, name, *(["--truth", "--every=5"] if name == LEAKY else [])))
                for name in SERVICES}
    word, function, place = services[LEAKY].stdout.readline().decode().split()
    expect(word == "leaks", word)
    for name, process in services.items():
        expect(process.stdout.readline().startswith(b"ready"), f"{name} is not ready")
    return services, (function, place)


class Alertmanager:
    """Debian's, on loopback; without it nothing is sent, and `is_there` is false."""

    def __init__(self, options):
        self.folder = os.path.join(options.scratch, "alertmanager")
        self.is_there = shutil.which("prometheus-alertmanager") is not None
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = None

    def __enter__(self):
        if not self.is_there:
            return self
        os.mkdir(self.folder)
        config = os.path.join(self.folder, "config.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("route: {receiver: none}\nreceivers: [{name: none}]\n")
        with open(os.path.join(self.folder, "log"), "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={self.folder}/data",
                 "--cluster.listen-address=", "--web.listen-address=" + self.url.removeprefix("http://")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: self.alerts() == [], "Alertmanager is ready")
        return self

    def alerts(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url + "/api/v2/alerts", None, 10) as answer:
            return json.load(answer)

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()


def found(agent, pid):
    """The leak of this process that has a stack, once it has one."""
    return next((leak for leak in agent.get("/api/v1/leaks")["leaks"] if leak["pid"] == pid and leak["stack"]), None)


def traced(agent):
    return {event["pid"] for event in agent.events("MemoryOperationStarted") if event["details"]["operation"] == "trace"}


def check_named(leak, truth):
    function, place = truth
    frame = leak["stack"][0]
    expect(frame["function"] == function, f"{function} leaks, and named is {leak['stack']}")
    expect(f"{os.path.basename(frame['file'])}:{frame['line']}" == place, f"it leaks at {place}, and named is {frame}")


def check_no_other(agent, services):
    """No false alarm on the nineteen, whatever became of it since."""
    names = {process.pid: name for name, process in services.items()}
    leaks = agent.get("/api/v1/leaks?state=all&limit=1000")["leaks"]
    wrong = [(names.get(leak["pid"]), leak["state"], leak["stack"][:2]) for leak in leaks
             if leak["pid"] != services[LEAKY].pid]
    expect(not wrong, f"false alarms: {wrong}")
    told = {names.get(event["pid"]) for event in agent.events("LeakDetected")}
    expect(told == {LEAKY}, f"events tell of leaks in {told}")


def check_lost(process, leak):
    lost = stat(process)["lost"]
    expect(leak["lost_count"] <= lost, f"{leak['lost_count']} blocks are told as lost, {lost} are")


def check_alerts(agent, alerts, leaky, truth):
    expect(len(alerts) == 1, f"one alert is due: {alerts}")
    alert, = alerts
    labels, notes = alert["labels"], alert["annotations"]
    expect(alert["status"]["state"] == "active" and labels["alertname"] == "HoldfastLeak", alert)
    expect(labels["pid"] == str(leaky.pid) and labels["target"] == LEAKY and labels["severity"] == "critical", alert)
    expect(notes["line"] == f"{truth[0]} ({truth[1]})" and LEAKY in notes["summary"], alert)
    expect(alert["generatorURL"].startswith(f"http://127.0.0.1:{agent.port}/"), f"its page is elsewhere: {alert}")


def look_on(agent, services):
    seconds = float(os.environ.get("HF_FLEET_SECONDS", "5"))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        expect(agent.process.poll() is None, "the agent ended")
        check_no_other(agent, services)
        time.sleep(1)


def case_found(options):
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        services, truth = start(options, stack)
        time.sleep(4)  # sessions have begun to end
        receiver = stack.enter_context(Alertmanager(options))
        alerts = {"alertmanager": [{"url": receiver.url}]} if receiver.is_there else {}
        rules = [{"exe": os.path.join(os.path.realpath(options.scratch), "*")}]
        agent = stack.enter_context(Agent(options, **PRODUCTION, targets=rules,
                                          alerts={"log": {"level": "info"}, **alerts}))
        until(lambda: len(agent.get("/api/v1/targets?limit=100")["targets"]) == len(SERVICES), "all are watched")
        leaky = services[LEAKY]
        leak = until(lambda: found(agent, leaky.pid), "the leak is found", 120)
        seconds = time.monotonic() - began
        check_named(leak, truth)
        check_lost(leaky, leak)
        until(lambda: traced(agent) - {leaky.pid}, "others that grow are traced, too", 60)
        look_on(agent, services)
        if receiver.is_there:
            # On a busy machine it may be told as lost first, and as leaking by the next trace.
            until(lambda: any(alert["labels"]["severity"] == "critical" for alert in receiver.alerts()), "it is critical", 120)
            alerts = receiver.alerts()
            with open(os.path.join(options.scratch, "alerts.json"), "w", encoding="utf-8") as file:
                json.dump(receiver.alerts(), file, indent=1)
            check_alerts(agent, alerts, leaky, truth)
        print(f"found and named after {seconds:.1f} s; traced were {len(traced(agent))} of {len(services)}, {leak['lost_count']} blocks lost")
        expect(agent.end() == 0, "it did not end well")


if __name__ == "__main__":
    sys.exit(main(sys.argv, globals()))
