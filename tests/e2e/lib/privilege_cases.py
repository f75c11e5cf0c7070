#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agent's processes may do, and what they do with no more than that. As root.

usage: privilege_cases.py --holdfast ./holdfast --targets DIR --scratch DIR --unit FILE CASE

Exit 0, or 1 with what went wrong on stdout. Cases are the functions case_*.
"""
import argparse
import contextlib
import ctypes
import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from agent_live import Agent, Wrong, copy_of, descendants, expect, python, running, server, until

CAPABILITIES = ("bpf", "perfmon", "sys_ptrace", "dac_read_search", "checkpoint_restore")
# linux/capability.h
NUMBERS = {"dac_read_search": 2, "sys_ptrace": 19, "sys_nice": 23, "perfmon": 38, "bpf": 39, "checkpoint_restore": 40}
SYS_ADMIN = 21
SOMEBODY = 61234  # of whom /etc/passwd knows nothing
GARBAGE = """
import gc, time
gc.disable()
for _ in range(1000):
    loop = []
    loop.append(loop)
print('ready', flush=True)
while True:
    time.sleep(0.01)
"""


def bits(*names):
    return sum(1 << NUMBERS[name] for name in names)


def status_of(pid):
    """{field: value} of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def processes(agent):
    """{name: [status]} of the agent's own processes."""
    found = {}
    for pid in [agent.process.pid, *descendants(agent.process.pid)]:
        with contextlib.suppress(OSError):
            status = status_of(pid)
            found.setdefault(status["Name"], []).append(status)
    return found


def holds(status, **sets):
    """Its sets of capabilities are these, and it is confined."""
    for name in ("CapInh", "CapAmb", "CapBnd", "CapPrm", "CapEff"):
        wanted = sets.get(name[3:].lower(), 0)
        expect(int(status[name], 16) == wanted, f"{status['Name']}: {name} is {status[name]}, not {wanted:x}")
    expect(status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", f"{status['Name']} is not confined: {status}")


def ready(process):
    expect(process.stdout.readline().startswith(b"ready"), "the target did not say that it is ready")
    return process


def leak(agent, pid):
    """The frame that leaks, or None. A session that stops has the trace report at once."""
    session = agent.do("POST", "/api/v1/sessions", {"target": f"pid-{pid}", "session_name": "a look"}, 201)
    time.sleep(2)
    agent.do("POST", f"/api/v1/sessions/{session['session_id']}/stop")
    for found in agent.get("/api/v1/leaks")["leaks"]:
        for frame in found["stack"]:
            if frame["function"] == "parse_header_copy":
                return frame
    return None


def finds_the_leak(agent, target):
    """Traced, and symbolised."""
    frame = until(lambda: leak(agent, target.pid), "the leak is found", 90)
    expect(frame["file"].endswith("leaky_server.c") and frame["line"] > 0, frame)
    said = json.dumps(agent.target(target.pid))
    for name in ("rss_bytes", "pss_bytes", "uss_bytes"):
        expect(re.search(rf'"{name}": [1-9]', said), f"no {name}: {said}")


def collects(agent, target):
    answer = agent.do("POST", f"/api/v1/targets/pid-{target.pid}/gc")
    expect(answer["done"] and answer["collected_objects"] >= 999, answer)


class Confined(Agent):
    """In a folder that everybody may pass through, started by way of other programs."""

    def __init__(self, options, through=(), before=None, **settings):
        options.scratch = tempfile.mkdtemp(prefix="hf-privilege-", dir="/var/tmp")
        os.chmod(options.scratch, 0o711)
        self.through, self.before = list(through), before
        super().__init__(options, **settings)

    def start(self):
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([*self.through, self.holdfast, "agent", "--config", self.config],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=self.before)
        try:
            until(self.serves, "the agent says where it serves")
            until(lambda: self.ask("GET", "/-/ready")[0] == 200, "the agent is ready")
        except Wrong as wrong:
            self.__exit__(Wrong, wrong, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        super().__exit__(kind, value, trace)
        shutil.rmtree(self.folder, ignore_errors=True)


def case_root(options):
    """Started by root: nobody holds what it does not need, and all goes on."""
    jobs = ("bpf", "perfmon", "sys_nice", "sys_ptrace", "dac_read_search", "checkpoint_restore")
    with server(options, "--rate=1000") as target, python(GARBAGE) as program:
        ready(target)
        ready(program)
        rules = [{"pid": target.pid, "mode": "debug"}, {"pid": program.pid, "mode": "basic"}]
        with Confined(options, targets=rules, alerts={"log": {"level": "debug"}}) as agent:
            until(lambda: agent.target(target.pid)["traced"], "it is traced")
            until(lambda: "holdfast-job" in processes(agent), "there is a job")
            found = processes(agent)
            for status in found["holdfast"]:
                holds(status)
            for name in ("holdfast-broker", "holdfast-job"):
                for status in found[name]:
                    holds(status, prm=bits(*jobs), eff=bits(*jobs))
                    expect(status["Uid"].split() != ["0"] * 4, f"{name} is still root")
            for status in found["holdfast-count"]:
                holds(status, prm=1 << SYS_ADMIN, eff=1 << SYS_ADMIN)
            finds_the_leak(agent, target)
            collects(agent, program)
            said = agent.log()
            expect("can't be counted" not in said, "runs are not counted")
            agent.process.send_signal(signal.SIGHUP)
            until(lambda: agent.events("ConfigurationReloaded"), "SIGHUP is heeded")
            expect(agent.end() == 0, "it did not end well")


def case_rules(options):
    """Of two rules that ask for the program it is the right one, though the agent may not know programs any more."""
    sleeper = None
    with contextlib.ExitStack() as stack:
        agent = Confined(options)
        sleeper, other = (copy_of(options, "/bin/sleep", name) for name in ("sleeper", "other"))
        processes_ = [stack.enter_context(running(program, "600")) for program in (sleeper, other)]
        agent.configure(targets=[{"name": "first", "exe": other, "mode": "basic"},
                                 {"name": "second", "exe": sleeper, "mode": "basic"}])
        stack.enter_context(agent)
        names = [agent.target(process.pid)["name"] for process in processes_]
        expect(names == ["second", "first"], names)
        agent.configure(targets=[{"exe": sleeper, "mode": "off"}, {"exe": other, "mode": "basic"}])
        agent.do("POST", "/-/reload")
        modes = [agent.target(process.pid)["mode"] for process in processes_]
        expect(modes == ["off", "basic"], modes)


def owner(path):
    return pwd.getpwuid(os.stat(path).st_uid).pw_name


def write_token(path, token):
    with open(path, "w", encoding="ascii") as file:
        file.write(hashlib.sha256(token.encode()).hexdigest())
    os.chmod(path, 0o600)


def case_user(options):
    """As another user: the store becomes that user's, what only root may read is still read anew."""
    with server(options, "--rate=1000") as target:
        ready(target)
        agent = Confined(options, targets=[{"pid": target.pid, "mode": "debug"}])
        token = os.path.join(agent.folder, "token")
        with agent:  # root's store, from before there was such a user
            until(lambda: agent.target(target.pid), "it is watched")
            expect(agent.end() == 0, "it did not end well")
            expect(owner(agent.store) == "root", owner(agent.store))
            write_token(token, "one")
            agent.headers["Authorization"] = "Bearer one"
            agent.configure(user="daemon", token_file=token)
            os.chmod(agent.config, 0o600)
            agent.start()
            for status in processes(agent)["holdfast"] + processes(agent)["holdfast-broker"]:
                expect(status["Uid"].split() == [str(pwd.getpwnam("daemon").pw_uid)] * 4, status["Uid"])
                expect(status["Groups"].strip() == "", f"it has groups: {status['Groups']}")
            for path in [agent.store, *(os.path.join(agent.store, name) for name in os.listdir(agent.store))]:
                expect(owner(path) == "daemon", f"{path} belongs to {owner(path)}")
            finds_the_leak(agent, target)
            write_token(token, "two")
            agent.configure(targets=[{"pid": target.pid, "mode": "basic"}])
            os.chmod(agent.config, 0o600)
            agent.process.send_signal(signal.SIGHUP)
            until(lambda: agent.ask("GET", "/-/ready", headers={"Authorization": "Bearer two"})[0] == 200
                  and agent.ask("GET", "/api/v1/targets", headers={"Authorization": "Bearer two"})[0] == 200,
                  "the new token holds")
            agent.headers["Authorization"] = "Bearer two"
            until(lambda: agent.target(target.pid)["mode"] == "basic", "the new rules hold")
            expect(agent.end() == 0, "it did not end well")


def case_no_such_user(options):
    agent = Confined(options, user="nobody-of-that-name")
    done = subprocess.run([agent.holdfast, "agent", "--config", agent.config], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)
    shutil.rmtree(agent.folder)
    expect(done.returncode == 78 and "nobody-of-that-name" in done.stderr, done)


def as_somebody(*capabilities):
    plus = ",".join(f"+{name}" for name in capabilities)
    sets = [f"--inh-caps={plus}", f"--ambient-caps={plus}"] if capabilities else []
    return ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups", *sets,
            f"--bounding-set=-all{',' + plus if plus else ''}"]


def belongs_to_somebody(agent):
    os.mkdir(agent.store)
    os.chown(agent.store, SOMEBODY, SOMEBODY)
    os.chmod(agent.store, 0o700)
    os.chown(agent.folder, SOMEBODY, SOMEBODY)


def works_as_somebody(options, through, before=None):
    with server(options, "--rate=1000") as target, python(GARBAGE) as program:
        ready(target)
        ready(program)
        rules = [{"pid": target.pid, "mode": "debug"}, {"pid": program.pid, "mode": "basic"}]
        agent = Confined(options, through, before, targets=rules)
        belongs_to_somebody(agent)
        with agent:
            until(lambda: "holdfast-job" in processes(agent), "there is a job")
            for name, them in processes(agent).items():
                own = 0 if name == "holdfast" else bits(*CAPABILITIES)
                for status in them:
                    expect(int(status["CapEff"], 16) == own, f"{name}: CapEff is {status['CapEff']}")
                    expect(status["Uid"].split() == [str(SOMEBODY)] * 4, status["Uid"])
            finds_the_leak(agent, target)
            collects(agent, program)
            expect(agent.end() == 0, "it did not end well")


def case_ambient(options):
    works_as_somebody(options, as_somebody(*CAPABILITIES))


def case_file_capabilities(options):
    folder = tempfile.mkdtemp(prefix="hf-privilege-", dir="/var/tmp")
    try:
        os.chmod(folder, 0o711)
        program = os.path.join(folder, "holdfast")
        shutil.copy(options.holdfast, program)
        names = ",".join(f"cap_{name}" for name in CAPABILITIES)
        subprocess.run(["setcap", f"{names}=ep", program], check=True)
        options.holdfast = program
        works_as_somebody(options, ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups"])
    finally:
        shutil.rmtree(folder)


def case_plain_user(options):
    """Without a capability it watches its own user's processes, and says of others that it may not trace them."""
    with server(options, "--rate=1000") as target:
        ready(target)
        agent = Confined(options, as_somebody(), targets=[{"pid": target.pid, "mode": "debug"}])
        belongs_to_somebody(agent)
        with agent:
            failed = until(lambda: agent.events("TraceFailed"), "it is told that it can't be traced")
            expect("BPF" in failed[0]["text"], failed)
            expect(re.search(r'"rss_bytes": [1-9]', json.dumps(agent.target(target.pid))), "no RSS")
            for them in processes(agent).values():
                for status in them:
                    holds(status)
            expect(agent.end() == 0, "it did not end well")


def unit_settings(path):
    """{key: [values]}, in the file's order."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith(("#", "[")):
                found.setdefault(key, []).append(value)
    return found


def calls_of(words):
    """What a SystemCallFilter= names, sets and all."""
    found = set()
    for word in words:
        if not word.startswith("@"):
            found.add(word)
            continue
        said = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True)
        found |= calls_of(re.findall(r"^    ([@\w-]+)$", said.stdout, re.M))
    return found


def allowed_calls(settings):
    """As systemd.exec(5) has it: the first line is a list of what is allowed, together with @default."""
    allowed = calls_of(["@default"])
    for line in settings["SystemCallFilter"]:
        allowed = allowed - calls_of(line[1:].split()) if line[0] == "~" else allowed | calls_of(line.split())
    return allowed


def filter_of(names):
    """A function that installs it in the calling process: EPERM for all else. As systemd's, in its child."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    pointer = ctypes.c_void_p(library.seccomp_init(0x00050000 | 1))
    for name in names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            library.seccomp_rule_add(pointer, ctypes.c_uint(0x7fff0000), number, 0)

    def install():
        if library.seccomp_load(pointer):
            raise OSError("the filter can't be loaded")
    return install


def case_unit(options):
    """With the unit's capabilities and system calls, in a mount namespace where all but its own folders is read-only."""
    settings = unit_settings(options.unit)
    wanted = " ".join(f"CAP_{name.upper()}" for name in CAPABILITIES)
    for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
        expect(settings[key] == [wanted], f"{key} is {settings[key]}")
    folders = ("for d in /var/tmp/hf-privilege-*; do mount --bind $d $d; done; mount -o remount,bind,ro /; "
               "mount -t tmpfs none /home; mount -t tmpfs none /root; exec \"$@\"")
    # The namespace and the user need what the filter refuses: they come first, and the filter last.
    inner = [sys.executable, os.path.abspath(__file__), "--unit", options.unit, "--scratch", "-", "filtered"]
    works_as_somebody(options, ["unshare", "--mount", "sh", "-ec", folders, "sh", *as_somebody(*CAPABILITIES), *inner])


def filtered(options, command):
    """Becomes the command, under the unit's filter."""
    install = filter_of(allowed_calls(unit_settings(options.unit)))
    install()
    os.execv(command[0], command)


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--holdfast", default="./holdfast")
    parser.add_argument("--targets", default=".output/targets")
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--unit", default="scripts/holdfast.service")
    parser.add_argument("case")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv[1:])
    try:
        if options.case == "filtered":
            filtered(options, options.command)
        globals()["case_" + options.case](options)
    except Wrong as wrong:
        print(wrong)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
