# SPDX-License-Identifier: MIT
"""An agent of one's own: started for this process alone, where none runs, and ended with it."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from typing import Dict, List, Mapping, Optional

from .config import MemoryProfilingConfig, MemoryProfilingMode
from .errors import HoldfastError
from .transport import Address, Transport

START_TIMEOUT_S = 10.0
END_TIMEOUT_S = 12.0
OURS = (
    "HOLDFAST_AGENT",
    "HOLDFAST_TOKEN",
    "HOLDFAST_TOKEN_FILE",
    "HOLDFAST_BIN",
    "HOLDFAST_CONFIG",
)


def find_binary(environ: Mapping[str, str]) -> str:
    """HOLDFAST_BIN, or `holdfast` on the PATH."""
    named = environ.get("HOLDFAST_BIN")
    if named:
        path = shutil.which(named, path=environ.get("PATH"))
        if path is not None:
            return os.path.abspath(path)
        raise _refusal(
            f"HOLDFAST_BIN names {named}, which is no program", "name the program itself"
        )
    found = shutil.which("holdfast", path=environ.get("PATH"))
    if found is None:
        raise _refusal(
            "the program `holdfast` is not installed", "install it, or name it with HOLDFAST_BIN"
        )
    return os.path.abspath(found)


def _refusal(why: str, fix: str = "") -> HoldfastError:
    return HoldfastError("HF-E-NOAGENT", "no private agent could be started", why, fix)


def _interpreter() -> str:
    """A Python to run the keeper with: in an embedding program, sys.executable is none."""
    name = os.path.basename(sys.executable or "")
    if name.startswith(("python", "pypy")):
        return sys.executable
    found = shutil.which("python3")
    if found is None:
        raise _refusal("no python3 was found to keep it with")
    return found


def _directory() -> str:
    """A new directory of mode 0700, whose name leaves room for a socket's."""
    directory = tempfile.mkdtemp(prefix="holdfast-")
    if len(os.fsencode(directory)) > 90:
        os.rmdir(directory)
        directory = tempfile.mkdtemp(prefix="holdfast-", dir="/tmp")
    return directory


def agent_config(config: MemoryProfilingConfig, pid: int, directory: str) -> MemoryProfilingConfig:
    """`config`, but for one process, on a socket in `directory`, and its store there."""
    values = config.to_dict()
    values.pop("token_file", None)
    values.update(
        targets=[{"pid": pid}],
        listen=f"unix:{directory}/agent.sock",
        store=f"{directory}/store",
    )
    return MemoryProfilingConfig(**values)


class PrivateAgent:
    """A running private agent. It ends with end(), or when this process does, however it does."""

    def __init__(self, pid: int, config: MemoryProfilingConfig, environ: Mapping[str, str]) -> None:
        """Start one that watches `pid` and wait until it is ready. HoldfastError says why not."""
        if config.mode is MemoryProfilingMode.OFF:
            raise _refusal("the configuration's mode is off")
        keeper = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keeper.py")
        if not os.path.isfile(keeper):
            raise _refusal("this package lies in an archive", "unpack it")
        binary, python = find_binary(environ), _interpreter()
        self.owner = os.getpid()
        try:
            self.directory = _directory()
        except OSError as error:
            raise _refusal(f"no directory for it: {error}", "set TMPDIR") from None
        try:
            self._start(keeper, python, binary, agent_config(config, pid, self.directory), environ)
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        try:
            self._wait_until_ready()
        except BaseException:
            self.end(1.0)
            raise

    def _start(
        self,
        keeper: str,
        python: str,
        binary: str,
        config: MemoryProfilingConfig,
        environ: Mapping[str, str],
    ) -> None:
        path = os.path.join(self.directory, "agent.yaml")
        with open(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(config.to_yaml())
        self._socket = os.path.join(self.directory, "agent.sock")
        command = [python, "-I", "-S", "-B", keeper, str(self.owner), self.directory]
        command += [binary, "agent", "--config", path]
        inherited = {name: value for name, value in environ.items() if name not in OURS}
        reader, self._pipe = os.pipe()
        try:
            process = subprocess.Popen(
                command,
                stdin=reader,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=inherited,
                cwd="/",
                start_new_session=True,
            )
            if process.wait(START_TIMEOUT_S) != 0:
                raise _refusal(f"{python} can't run {keeper}")
        except (OSError, subprocess.TimeoutExpired) as error:
            os.close(self._pipe)
            raise _refusal(f"{python}: {error}") from None
        except HoldfastError:
            os.close(self._pipe)
            raise
        finally:
            os.close(reader)
        self._ended = False

    def _wait_until_ready(self) -> None:
        transport = Transport(Address(f"unix:{self._socket}", path=self._socket), None, 2.0)
        deadline = time.monotonic() + START_TIMEOUT_S
        pause = 0.01
        while True:
            try:
                exchange = transport.open("GET", "/-/ready")
                try:
                    if exchange.response.status == 200:
                        break
                finally:
                    exchange.close()
            except HoldfastError:
                pass
            status = self.exit_status()
            if status is not None:
                raise _refusal(f"`holdfast agent` ended with status {status}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise _refusal(
                    f"it was not ready within {START_TIMEOUT_S:g} s: {self._last_words()}"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)
        self.transport = transport.with_timeout(5.0)

    def exit_status(self) -> Optional[int]:
        """The status with which the agent has ended by itself; None while it runs."""
        try:
            with open(os.path.join(self.directory, "ended"), encoding="ascii") as file:
                text = file.read()
        except OSError:
            return None if os.path.isdir(self.directory) else -1
        return int(text) if text.isdigit() else None

    def _last_words(self) -> str:
        try:
            with open(os.path.join(self.directory, "agent.log"), "rb") as file:
                lines = file.read(1 << 16).decode("utf-8", "replace").split("\n")
        except OSError:
            return "it said nothing"
        texts: List[str] = [line.strip() for line in lines if line.strip()]
        return " · ".join(texts[-6:])[:600] or "it said nothing"

    def end(self, timeout: float = END_TIMEOUT_S) -> None:
        """End it, and wait so long until it is gone. In a fork's child: only forget it."""
        if self._ended:
            return
        self._ended = True
        try:
            if os.getpid() == self.owner:
                os.write(self._pipe, b"q")
        except OSError:  # the keeper was killed, and the agent with it
            shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self._pipe)
        if os.getpid() != self.owner:
            return
        deadline = time.monotonic() + timeout
        while os.path.isdir(self.directory) and time.monotonic() < deadline:
            time.sleep(0.01)


class _Registry:
    """The private agents of this process, one for each target, shared by its profilers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._agents: Dict[int, PrivateAgent] = {}
        self._users: Dict[int, int] = {}

    def acquire(
        self, pid: int, config: MemoryProfilingConfig, environ: Mapping[str, str]
    ) -> PrivateAgent:
        with self._lock:
            agent = self._agents.get(pid)
            if agent is not None and agent.exit_status() is not None:
                agent.end(0)
                agent = None
                self._users[pid] = 0
            if agent is None:
                agent = self._agents[pid] = PrivateAgent(pid, config, environ)
            self._users[pid] = self._users.get(pid, 0) + 1
            return agent

    def release(self, pid: int, agent: PrivateAgent, timeout: float) -> None:
        with self._lock:
            if self._agents.get(pid) is not agent:
                return
            self._users[pid] -= 1
            if self._users[pid] > 0:
                return
            del self._agents[pid]
            agent.end(timeout)

    def forget(self) -> None:
        """In a fork's child: they are the parent's."""
        self._lock = threading.Lock()
        for agent in self._agents.values():
            agent.end(0)
        self._agents, self._users = {}, {}


registry = _Registry()
os.register_at_fork(after_in_child=registry.forget)
