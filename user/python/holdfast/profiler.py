# SPDX-License-Identifier: MIT
"""The memory of a process, as an agent of holdfast sees it."""
from __future__ import annotations

import asyncio
import atexit
import collections
import gzip
import io
import math
import os
import threading
import time
import warnings
import weakref
from typing import (
    Any,
    Callable,
    Deque,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
    overload,
)

from . import procfs
from .aio import AsyncMethods
from .agent import AgentBackend
from .backend import Backend
from .config import MemoryProfilingConfig
from .errors import HoldfastError, HoldfastWarning
from .events import DEFAULT_KINDS, Channel, EventFilter, EventStream
from .local import LocalBackend, collect_here, of_two_readings
from .model import (
    ComponentUsage,
    GarbageCollection,
    Health,
    Leak,
    MemoryTrends,
    MemoryUsage,
    ProfilingSession,
    SpanUsage,
)
from .operation import Operation
from .private import PrivateAgent, registry
from .transport import (
    DEFAULT_SOCKET,
    DEFAULT_TCP,
    Address,
    PathLike,
    Transport,
    check_token,
    socket_exists,
    token_of,
    write_file,
)

T = TypeVar("T")

GUESS_TIMEOUT_S = 1.5  # for an agent that may be there
AGAIN_S, LONGEST_AGAIN_S = 15.0, 600.0
MOST_ENDED = 100


class _Started:
    """A session that this profiler has begun."""

    def __init__(self, name: str, description: str, owner: object) -> None:
        self.name = name
        self.description = description
        self.owner = owner
        self.operation: Optional[Operation[str]] = None
        self.backend: Optional[Backend] = None
        self.session_id = ""
        self.first: Optional[procfs.Gauges] = None


def _owner() -> object:
    """The asyncio task that runs, or else the thread: whose session it is."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.get_ident() if task is None else weakref.ref(task)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise HoldfastError("HF-E-USAGE", f"{name} is {value!r}", "it must be a text")
    return value


def _positive(name: str, value: float) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value <= 0:
        raise HoldfastError("HF-E-USAGE", f"{name} is {value!r}", "it must be a number above 0")
    return float(value)


class AdvancedMemoryProfiler:
    """The memory of this process, or of another one.

    With `await`: start_profiling(), stop_profiling(), force_garbage_collection() and connect();
    outside of a coroutine, `.result()` does instead. All others are plain methods, which block for
    as long as an agent next door takes to answer, milliseconds; `profiler.aio` has the same
    methods for `await`. Any thread may call, and after a fork the child is a target of its own.

    The agent is the first of these that answers and knows the target:
      url= or HOLDFAST_AGENT (http://HOST:PORT, unix:/PATH, or "none"): then only that one;
      the socket /run/holdfast/agent.sock; http://127.0.0.1:7654; a private one that is started for
      the process alone and ends with it, where `holdfast` is installed and may run.
    It is looked for at the first call; `await profiler.connect()` does so at a time of your choice
    (a private one takes a moment to start).

    If there is none, or it goes away: with degrade=True (the default) the gauges of /proc remain.
    Then `degraded_reason` says why, it is warned of once, and `notes` says what is missing: usage,
    trends and peaks are there, leaks are []. An agent that comes (back) is taken. With
    degrade=False, HoldfastError is raised.

    container  anything; it is kept as .container, as programs with an injector of dependencies want
    config     settings of a private agent; of any other, see `notes` for what differs
    pid, target  another process by pid, or a target by the agent's number for it or "pid-4312"
    token      for agents that want one; else HOLDFAST_TOKEN, or the file HOLDFAST_TOKEN_FILE
    timeout    seconds to wait for an answer
    private_agent  may one be started?
    """

    def __init__(
        self,
        container: object = None,
        config: Optional[MemoryProfilingConfig] = None,
        *,
        url: Optional[str] = None,
        token: Optional[str] = None,
        pid: Optional[int] = None,
        target: Union[int, str, None] = None,
        private_agent: bool = True,
        degrade: bool = True,
        timeout: float = 5.0,
    ) -> None:
        if isinstance(container, MemoryProfilingConfig) and config is None:
            container, config = None, container
        if config is not None and not isinstance(config, MemoryProfilingConfig):
            raise HoldfastError(
                "HF-E-USAGE", "config is no MemoryProfilingConfig", repr(type(config))
            )
        self.container = container
        self.config = config if config is not None else MemoryProfilingConfig()
        self.config.validate()
        self._config_given = config is not None
        self._url = url
        if url is not None:
            self._no_agent_or_address(url)
        self._token = None if token is None else check_token(token, "that was given")
        self._pid, self._target = self._target_of(pid, target)
        self._may_start = private_agent
        self._degrade = degrade
        self._timeout = _positive("timeout", timeout)
        self._warned = False
        self._closed = False
        self._reset()
        _live.add(self)

    def _reset(self) -> None:
        """The state of a profiler that has not looked for an agent yet; also in a fork's child."""
        self._lock = threading.RLock()  # of the state below; held for moments only
        self._looking_lock = threading.Lock()  # who holds it looks for an agent; taken before _lock
        self._backend: Optional[Backend] = None
        self._local: Optional[LocalBackend] = None
        self._private: Optional[Tuple[int, PrivateAgent]] = None
        self._reason: Optional[str] = None
        self._notes: List[str] = []
        self._again_at = 0.0
        self._again_s = AGAIN_S
        self._looking = False
        self._started: List[_Started] = []
        self._ended: Deque[ProfilingSession] = collections.deque(maxlen=MOST_ENDED)
        self._subscriptions: List[Tuple[Channel, EventFilter]] = []
        self._pending: "weakref.WeakSet[Operation[Any]]" = weakref.WeakSet()

    @staticmethod
    def _target_of(
        pid: Optional[int], target: Union[int, str, None]
    ) -> Tuple[Optional[int], Optional[int]]:
        """(pid or None for this process, number of a target or None)"""
        if pid is not None and target is not None:
            raise HoldfastError("HF-E-USAGE", "pid and target are both given", "", "give one")
        if isinstance(target, str):
            word = target[4:] if target.startswith("pid-") else target
            if not (word.isascii() and word.isdigit()) or int(word) == 0:
                raise HoldfastError(
                    "HF-E-USAGE", f"{target!r} is no target", "", "give its number, or pid-4312"
                )
            if target.startswith("pid-"):
                pid, target = int(word), None
            else:
                target = int(word)
        for name, value in (("pid", pid), ("target", target)):
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
                raise HoldfastError("HF-E-USAGE", f"{name} is {value!r}", "it must be above 0")
        return pid, target

    # Finding whom to ask

    @property
    def pid(self) -> Optional[int]:
        """The process that is looked at; None if only the agent knows it."""
        if self._pid is None and self._target is not None:
            backend = self._backend
            return backend.pid if isinstance(backend, AgentBackend) else None
        return os.getpid() if self._pid is None else self._pid

    @property
    def degraded_reason(self) -> Optional[str]:
        """Why there are only the gauges of /proc; None while an agent answers."""
        return self._reason

    @property
    def degraded(self) -> bool:
        return self._reason is not None

    @property
    def notes(self) -> List[str]:
        """What the answers can't tell, and what is other than the configuration asked for."""
        with self._lock:
            notes = list(self._notes)
        if self._reason is not None:
            notes.insert(
                0, "no leaks, components and stacks, only the gauges of /proc: " + self._reason
            )
        return notes

    @property
    def agent(self) -> Optional[str]:
        """The address of the agent that answers; None if none does."""
        backend = self._backend
        return backend.transport.address.text if isinstance(backend, AgentBackend) else None

    @staticmethod
    def _no_agent_or_address(text: str) -> Optional[Address]:
        return None if text == "none" else Address.parse(text)

    def _candidates(self) -> Tuple[List[Address], bool]:
        """Addresses to try, and whether the user has named them."""
        named = self._url or os.environ.get("HOLDFAST_AGENT")
        if named:
            address = self._no_agent_or_address(named)
            return ([] if address is None else [address]), True
        found = [Address.parse(DEFAULT_TCP)]
        if socket_exists(DEFAULT_SOCKET):
            found.insert(0, Address.parse("unix:" + DEFAULT_SOCKET))
        return found, False

    def _ask(self, transport: Transport) -> AgentBackend:
        if self._target is not None:
            return AgentBackend(transport, self._target, None)
        own = os.getpid() if self._pid is None else None
        return AgentBackend(transport, f"pid-{self._pid or os.getpid()}", own)

    def _look(self, may_start: bool) -> AgentBackend:
        """An agent that answers and knows the target; HoldfastError says why there is none."""
        addresses, named = self._candidates()
        token = self._token or token_of(None, os.environ)
        reasons: List[HoldfastError] = []
        for address in addresses:
            timeout = self._timeout if named else min(GUESS_TIMEOUT_S, self._timeout)
            try:
                backend = self._ask(Transport(address, token, timeout))
            except HoldfastError as error:
                if named:
                    raise
                # That nobody listens where one could is no news beside the reasons of the others.
                if error.code != "HF-E-NOAGENT":
                    reasons.append(error)
                continue
            backend.transport = backend.transport.with_timeout(self._timeout)
            return backend
        if named:
            raise HoldfastError("HF-E-NOAGENT", "no agent is asked", "its address is given as none")
        if may_start:
            try:
                return self._start_private()
            except HoldfastError as error:
                reasons.append(error)
        elif not reasons:
            reasons.append(HoldfastError("HF-E-NOAGENT", "no agent runs"))
        first = reasons[0]
        why = "; ".join([first.why or ""] + [error.one_line for error in reasons[1:]])
        raise HoldfastError(first.code, first.what, why.strip("; "), first.fix, first.status)

    def _start_private(self) -> AgentBackend:
        if not self._may_start:
            raise HoldfastError("HF-E-NOAGENT", "no agent runs", "none may be started", "start one")
        if self._target is not None:
            raise HoldfastError("HF-E-NOAGENT", "no agent runs", "the target is a number of one")
        pid = self._pid or os.getpid()
        agent = registry.acquire(pid, self.config, os.environ)
        try:
            backend = self._ask(agent.transport.with_timeout(self._timeout))
        except BaseException:
            registry.release(pid, agent, 0)
            raise
        self._private = (pid, agent)
        return backend

    def _differences(self, backend: AgentBackend) -> List[str]:
        """Notes on what the agent does otherwise than the configuration given here."""
        if not self._config_given or self._private is not None:
            return []
        try:
            status = backend.status()
        except HoldfastError as error:
            return [f"how the agent is configured is not known: {error.one_line}"]
        wanted = self.config.to_dict()
        pairs = (("mode", "mode"), ("level", "level"), ("sampling_interval", "sampling_interval_s"))
        address = backend.transport.address.text
        return [
            f"{ours} is {status[theirs]} as the agent at {address} is configured, "
            f"not {wanted[ours]} as asked for here"
            for ours, theirs in pairs
            if ours in wanted and status.get(theirs) not in (None, wanted[ours])
        ]

    def _use(self, backend: AgentBackend) -> None:
        """From now on this agent answers. Not with a lock held: it is asked something."""
        notes = self._differences(backend)
        with self._lock:
            self._backend = backend
            self._reason = None
            self._again_s = AGAIN_S
            self._notes = notes
            subscriptions = list(self._subscriptions)
        for channel, wanted in subscriptions:
            self._subscribe(backend, channel, wanted, None)

    def _check_open(self) -> None:
        if self._closed:
            raise HoldfastError("HF-E-CLOSED", "this profiler was closed", "", "make another one")

    def _current(self) -> Backend:
        """Whom to ask. Looks for an agent if there is none yet."""
        with self._lock:
            self._check_open()
            backend = self._backend
            if backend is not None:
                if self._reason is not None and time.monotonic() >= self._again_at:
                    self._look_again()
                return backend
        with self._looking_lock:
            if self._backend is None:
                try:
                    self._use(self._look(may_start=True))
                except HoldfastError as error:
                    self._fall_back(error)
            with self._lock:
                self._check_open()
                assert self._backend is not None
                return self._backend

    def _look_again(self) -> None:
        """With the lock held: see in a thread whether an agent has come (back)."""
        if self._looking:
            return
        self._looking = True
        pid = os.getpid()

        def look() -> None:
            try:
                found: Optional[AgentBackend] = self._look(may_start=False)
            except HoldfastError:
                found = None
            with self._lock:
                self._again_s = min(self._again_s * 2, LONGEST_AGAIN_S)
                self._again_at = time.monotonic() + self._again_s
                self._looking = False
                wanted = found is not None and not self._closed and os.getpid() == pid
            if wanted and found is not None:
                self._use(found)

        Operation(look, "look-for-agent")

    def _fall_back(self, error: HoldfastError, instead_of: Optional[Backend] = None) -> Backend:
        """The gauges of /proc from now on; raises `error` if they are not wanted. If somebody else
        has found another backend than `instead_of` already, that one."""
        pid = self.pid
        if not self._degrade or pid is None:
            raise error
        with self._lock:
            if self._backend is not instead_of and self._backend is not None:
                return self._backend
            reason = error.one_line
            if self._local is None:
                self._local = LocalBackend(pid, self.config, reason)
            self._local.reason = reason
            self._backend = self._local
            self._reason = reason
            self._again_at = time.monotonic() + self._again_s
            warn, self._warned = not self._warned, True
            local = self._local
            for channel, wanted in self._subscriptions:
                self._subscribe(local, channel, wanted, None)
        if warn:
            text = f"holdfast sees only the gauges of /proc: {reason}"
            warnings.warn(text, HoldfastWarning, stacklevel=5)
        return local

    def _gone(self, backend: Backend, error: HoldfastError) -> bool:
        """Does the failure mean that the agent can't be asked any more (about this target)?"""
        if not isinstance(backend, AgentBackend):
            return False
        if error.code == "HF-E-TIMEOUT":
            return True
        if error.code != "HF-E-NOAGENT" and error.status != 404:
            return False
        try:  # one connection that broke is no end of the agent, one component that is not there neither
            self._ask(backend.transport)
        except HoldfastError as second:
            return second.code in ("HF-E-NOAGENT", "HF-E-TIMEOUT") or second.status == 404
        return False

    def _call(self, ask: Callable[[Backend], T]) -> T:
        backend = self._current()
        try:
            return ask(backend)
        except HoldfastError as error:
            if not self._gone(backend, error):
                raise
            return ask(self._fall_back(error, backend))

    def connect(self) -> "Operation[bool]":
        """Look for an agent now. Awaitable; True if one answers, False if /proc has to do."""

        def work() -> bool:
            return isinstance(self._current(), AgentBackend)

        return self._operation(work, "connect")

    def _operation(self, work: Callable[[], T], name: str) -> "Operation[T]":
        operation = Operation(work, name)
        with self._lock:
            self._pending.add(operation)
        return operation

    # Gauges

    def get_current_memory_usage(self) -> MemoryUsage:
        """rss_mb, vms_mb, uss_mb, pss_mb, heap_objects, timestamp (seconds since 1970), read now."""
        return self._call(lambda backend: backend.usage())

    @overload
    def get_component_memory_usage(self, name: None = None) -> Dict[str, ComponentUsage]:
        ...

    @overload
    def get_component_memory_usage(self, name: str) -> ComponentUsage:
        ...

    def get_component_memory_usage(
        self, name: Optional[str] = None
    ) -> Union[Dict[str, ComponentUsage], ComponentUsage]:
        """Of one component current_memory_mb, peak_memory_mb and growth_rate_mb_per_min; without a
        name those of all, by name. `other` is what belongs to none; the sum is the whole."""
        if name is None:
            return self._call(lambda backend: backend.components())
        component = _text("name", name)
        return self._call(lambda backend: backend.component(component))

    def get_span_memory_usage(self, span: Optional[str] = None) -> List[SpanUsage]:
        """Memory by span (as the agent's configuration names them: a user's session, a plugin, a
        step ...) and key: what was allocated within it and is held. All, or those of one name."""
        if span is not None:
            _text("span", span)
        rows = self._call(lambda backend: backend.spans())
        return [row for row in rows if span is None or row.span == span]

    def get_memory_trends(self, window_minutes: float = 60) -> MemoryTrends:
        """timestamps, rss_mb, vms_mb, heap_mb: lists of one length, oldest first; and
        growth_rate_mb_per_min over the window."""
        window = _positive("window_minutes", window_minutes)
        return self._call(lambda backend: backend.trends(window))

    def health(self) -> Health:
        """status (ok, warning, critical) of memory against its thresholds, leaks, profiler, checks.
        An agent tells that of all its targets."""
        return self._call(lambda backend: backend.health())

    # Leaks

    def get_active_leaks(self) -> List[Leak]:
        """Active leaks of the target: component, growth_rate_mb_per_min, recommendation, ..."""
        return self._call(lambda backend: backend.leaks())

    def clear_leak_alerts(self, leak_id: Optional[str] = None) -> int:
        """Clear one leak, or all of the target; how many. It comes back with new evidence only."""
        if leak_id is not None and not _text("leak_id", leak_id):
            raise HoldfastError("HF-E-USAGE", "leak_id is empty", "", "leave it out to clear all")
        return self._call(lambda backend: backend.clear(leak_id))

    def force_garbage_collection(
        self, *, trim: bool = False, wait_s: float = 10.0
    ) -> "Operation[GarbageCollection]":
        """Collect in the target: awaitable; collected_objects, objects_freed. `trim`: also give
        free memory back to the system. `wait_s`: for a moment at which it is safe."""
        wait = _positive("wait_s", wait_s)
        return self._operation(lambda: self._collect(wait, bool(trim)), "force_garbage_collection")

    def _collect(self, wait_s: float, trim: bool) -> GarbageCollection:
        try:
            return self._call(lambda backend: backend.collect(wait_s, trim))
        except HoldfastError as error:
            refused = error.code in ("HF-E-PERM", "HF-E-UNSUPPORTED", "HF-E-NOKERNEL")
            if not (refused and self._degrade and self.pid == os.getpid()):
                raise
            result = collect_here()
            result["notes"] = [f"done by the process itself, the agent could not: {error.one_line}"]
            return result

    # Sessions

    def start_profiling(self, session_name: str = "", description: str = "") -> "Operation[str]":
        """Begin a session, also beside others: awaitable; the session's id."""
        return self._begin(session_name, description)[1]

    def _begin(self, session_name: str, description: str) -> Tuple[_Started, "Operation[str]"]:
        started = _Started(
            _text("session_name", session_name), _text("description", description), _owner()
        )
        with self._lock:
            self._check_open()
            self._started.append(started)
            operation = self._operation(lambda: self._really_begin(started), "start_profiling")
            started.operation = operation
        return started, operation

    def _really_begin(self, started: _Started) -> str:
        def begin(backend: Backend) -> str:
            session = backend.start(started.name, started.description)
            started.backend, started.session_id = backend, session.session_id
            return session.session_id

        try:
            if self.pid is not None:
                started.first = procfs.read_gauges(self.pid)
        except HoldfastError:
            pass  # of another user's; the agent may see it all the same
        try:
            return self._call(begin)
        except BaseException:
            with self._lock:
                if started in self._started:
                    self._started.remove(started)
            raise

    def stop_profiling(self, session_id: Optional[str] = None) -> "Operation[ProfilingSession]":
        """End a session: awaitable; what it found. Without an id, the newest that this task or
        thread has begun, or else the newest of this profiler."""
        started = self._choose(session_id)
        if started is not None:
            return self._stop(started)
        named = session_id or ""
        return self._operation(
            lambda: self._keep(self._of_session(named, lambda backend: backend.stop(named))),
            "stop_profiling",
        )

    def _stop(self, started: _Started) -> "Operation[ProfilingSession]":
        """End a session of ours, now or as soon as it has begun."""
        with self._lock:
            if started in self._started:
                self._started.remove(started)
        return self._operation(lambda: self._end(started), "stop_profiling")

    def _choose(self, session_id: Optional[str]) -> Optional[_Started]:
        """The session to stop, taken out so that nobody else stops it; None: not one of ours."""
        if session_id is not None and not _text("session_id", session_id):
            raise HoldfastError("HF-E-USAGE", "session_id is empty")
        me = _owner()
        with self._lock:
            mine = [s for s in self._started if s.owner == me] or self._started
            if session_id is not None:
                mine = [s for s in self._started if s.session_id == session_id]
            if mine:
                self._started.remove(mine[-1])
                return mine[-1]
        if session_id is None:
            raise HoldfastError(
                "HF-E-NOTFOUND", "no session runs", "", "begin one with start_profiling()"
            )
        return None

    def _end(self, started: _Started) -> ProfilingSession:
        assert started.operation is not None
        started.operation.result()
        backend = started.backend
        assert backend is not None
        try:
            return self._keep(backend.stop(started.session_id))
        except HoldfastError as error:
            if not self._degrade or not self._gone(backend, error):
                raise
            self._fall_back(error, backend)
            return self._keep(self._of_two_readings(started, error))

    def _of_two_readings(self, started: _Started, error: HoldfastError) -> ProfilingSession:
        """A session whose agent has gone: what can still be told of it."""
        pid, first = self.pid, started.first
        if pid is None or first is None:
            raise error
        session = of_two_readings(pid, first)
        session["session_id"] = started.session_id
        session["session_name"] = started.name
        session["description"] = started.description
        session["notes"].append(f"the agent went away: {error.one_line}")
        return session

    def _keep(self, session: ProfilingSession) -> ProfilingSession:
        with self._lock:
            self._ended.append(session)
        return session

    @property
    def last_session(self) -> Optional[ProfilingSession]:
        """The session that was stopped last by this profiler."""
        with self._lock:
            return self._ended[-1] if self._ended else None

    def get_session(self, session_id: str) -> ProfilingSession:
        """A session, running or ended."""
        return self._of_session(session_id, lambda backend: backend.session(session_id))

    def _of_session(self, session_id: str, ask: Callable[[Backend], T]) -> T:
        """Ask whoever has the session: it may have begun before an agent came or went."""
        if not _text("session_id", session_id):
            raise HoldfastError("HF-E-USAGE", "session_id is empty")
        current, local = self._current(), self._local
        if local is not None and local.has(session_id):
            return ask(local)
        return ask(current)

    def save_report(self, session_id: str, path: PathLike) -> str:
        """Write the session's report (holdfast.report/1, JSON) to `path`, compressed if that ends in
        .gz; `holdfast report` and holdfast.report.load() read it. Returns the path."""
        return self._save(session_id, path, lambda backend: backend.report(session_id))

    def export_raw(self, session_id: str, path: PathLike) -> str:
        """Write the session's raw snapshots (JSON) to `path`, likewise."""
        return self._save(session_id, path, lambda backend: backend.snapshots(session_id))

    def save_chart(self, session_id: str, path: PathLike) -> str:
        """Write the chart of the session's memory (SVG) to `path`, likewise."""
        return self._save(session_id, path, lambda backend: backend.chart(session_id))

    def _save(
        self, session_id: str, path: PathLike, ask: Callable[[Backend], Iterator[bytes]]
    ) -> str:
        target = os.fspath(path)

        def save(backend: Backend) -> str:
            pieces = ask(backend)
            write_file(target, _gzip(pieces) if target.endswith(".gz") else pieces)
            return target

        return self._of_session(session_id, save)

    # Events

    def events(
        self,
        kinds: Optional[Sequence[str]] = DEFAULT_KINDS,
        *,
        all_targets: bool = False,
        since: Optional[int] = None,
        timeout: Optional[float] = None,
    ) -> EventStream:
        """MemoryOperationStarted, MemoryOperationCompleted and PerformanceThresholdExceeded, for `for`
        and `async for`, from now on or from those after the id `since`; of the target, and what
        concerns none. kinds=None: also the agent's other kinds. timeout: end the iteration after
        that many seconds without any."""
        if isinstance(kinds, str):
            kinds = (kinds,)
        wanted = EventFilter(None if kinds is None else tuple(kinds), None)
        if timeout is not None:
            timeout = _positive("timeout", timeout)
        channel = Channel()

        def subscribe(backend: Backend) -> None:
            wanted.pid = None if all_targets else self.pid
            self._subscribe(backend, channel, wanted, since)

        self._call(subscribe)
        stream = EventStream(channel, timeout)
        with self._lock:
            self._subscriptions = [pair for pair in self._subscriptions if not pair[0].closed]
            self._subscriptions.append((channel, wanted))
        return stream

    @staticmethod
    def _subscribe(
        backend: Backend, channel: Channel, wanted: EventFilter, since: Optional[int]
    ) -> None:
        """Have a channel get the events of a backend, once: it reconnects to an agent by itself."""
        name = backend.transport.address.text if isinstance(backend, AgentBackend) else "/proc"
        if channel.closed or name in channel.sources:
            return
        backend.subscribe(channel, wanted, since)
        channel.sources.add(name)

    # The end

    @property
    def aio(self) -> AsyncMethods:
        """The plain methods for `await`: none of them blocks the event loop."""
        return AsyncMethods(self)

    def close(self) -> None:
        """End the sessions that run, the subscriptions, and a private agent. May be called twice;
        it is called at the end of the program."""
        self._close(2.0)

    def _close(self, timeout: float) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            started, self._started = self._started, []
            pending = list(self._pending)
            channels = [channel for channel, _ in self._subscriptions]
        deadline = time.monotonic() + timeout
        for operation in pending:
            try:
                operation._future.exception(max(0.0, deadline - time.monotonic()))
            except Exception:
                pass  # whoever awaits it is told
        for session in started:
            try:
                assert session.operation is not None
                session.operation.result(max(0.0, deadline - time.monotonic()))
                if session.backend is not None:
                    session.backend.stop(session.session_id)
            except Exception:
                pass  # there is nobody left to tell, and the agent sees us end
        for channel in channels:
            channel.close()
        with self._lock:
            private, self._private = self._private, None
            local = self._local
        if local is not None:
            local.close()
        if private is not None:
            registry.release(private[0], private[1], timeout)

    def __enter__(self) -> "AdvancedMemoryProfiler":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> "AdvancedMemoryProfiler":
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await Operation(self.close, "close")


def _gzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:
        for piece in pieces:
            file.write(piece)
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


_live: "weakref.WeakSet[AdvancedMemoryProfiler]" = weakref.WeakSet()


def _close_all() -> None:
    for profiler in list(_live):
        profiler._close(1.0)


def _after_fork() -> None:
    for profiler in list(_live):
        if not profiler._closed:
            profiler._reset()
        else:
            profiler._lock = threading.RLock()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork)
