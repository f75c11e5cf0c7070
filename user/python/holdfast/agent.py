# SPDX-License-Identifier: MIT
"""The HTTP API of an agent, for one target."""
from __future__ import annotations

import urllib.parse
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, TypeVar, Union

from . import procfs
from .backend import Backend
from .errors import HoldfastError
from .events import Channel, ServerSentEvents
from .model import (
    ComponentUsage,
    GarbageCollection,
    Health,
    Leak,
    MemoryEvent,
    MemoryTrends,
    MemoryUsage,
    ProfilingSession,
    SpanUsage,
    as_list,
    collection_from,
    component_from,
    health_from,
    leak_from,
    parse_time,
    session_from,
    span_from,
    trends_from,
    usage_from,
)
from .transport import Transport

SAME_START_S = 10.0

R = TypeVar("R")


def _quote(text: str) -> str:
    return urllib.parse.quote(text, safe="")


class AgentBackend(Backend):
    """An agent that answers, and knows the target."""

    def __init__(
        self, transport: Transport, target: Union[int, str], own_pid: Optional[int]
    ) -> None:
        """`target`: "pid-4312", or a target's number. `own_pid`: the target is this process, and
        the agent must mean the same one. HoldfastError if it does not answer or know it."""
        self.transport = transport
        answer = transport.call("GET", f"/api/v1/targets/{_quote(str(target))}")
        self.target_info = answer
        if own_pid is not None:
            self._check_identity(answer, own_pid)
        self.target_id: int = self._id_of(answer)
        self.pid: Optional[int] = answer.get("pid")
        # By pid, not by number: the number of a target that ended is not ours any more.
        self._path = f"/api/v1/targets/{_quote(str(target))}"

    @staticmethod
    def _id_of(answer: Mapping[str, Any]) -> int:
        target_id = answer.get("id")
        if isinstance(target_id, bool) or not isinstance(target_id, int):
            raise HoldfastError("HF-E-ANSWER", "the agent's answer has no number of the target")
        return target_id

    def _check_identity(self, answer: Mapping[str, Any], pid: int) -> None:
        theirs, ours = parse_time(answer.get("started_at")), procfs.start_time(pid)
        if theirs is None or ours is None or abs(theirs - ours) <= SAME_START_S:
            return
        raise HoldfastError(
            "HF-E-NOTME",
            f"process {pid} of the agent at {self.transport.address.text} is not this process",
            f"that one began at another time ({answer.get('started_at')}): it lives in another "
            "PID namespace, as of a container",
            "name this process as the agent sees it (pid=), or run the agent in the same namespace",
        )

    def call(
        self,
        method: str,
        path: str,
        body: Optional[Mapping[str, Any]] = None,
        timeout: Optional[float] = None,
    ) -> Dict[str, Any]:
        return self.transport.call(method, path, body, timeout)

    def status(self) -> Dict[str, Any]:
        return self.call("GET", "/api/v1/status")

    def usage(self) -> MemoryUsage:
        return usage_from(self.call("GET", f"{self._path}/usage"))

    def trends(self, window_minutes: float) -> MemoryTrends:
        query = urllib.parse.urlencode({"window_minutes": f"{window_minutes:g}"})
        return trends_from(self.call("GET", f"{self._path}/trends?{query}"))

    def components(self) -> Dict[str, ComponentUsage]:
        answer = self.call("GET", f"{self._path}/components")
        rows = [component_from(row) for row in as_list(answer.get("components"), "components")]
        return {row.name: row for row in rows}

    def component(self, name: str) -> ComponentUsage:
        return component_from(self.call("GET", f"{self._path}/components/{_quote(name)}"))

    def spans(self) -> List[SpanUsage]:
        return self._pages(f"{self._path}/spans", {}, "spans", span_from)

    def _pages(
        self, path: str, query: Dict[str, str], key: str, make: Callable[[Any], R]
    ) -> List[R]:
        """All rows of a list that comes in pages."""
        found: List[R] = []
        cursor: Optional[str] = None
        while True:
            asked = dict(query, limit="1000")
            if cursor is not None:
                asked["cursor"] = cursor
            answer = self.call("GET", f"{path}?{urllib.parse.urlencode(asked)}")
            found += [make(row) for row in as_list(answer.get(key), key)]
            before, cursor = cursor, answer.get("next_cursor")
            if not isinstance(cursor, str) or not cursor or cursor == before:
                return found

    def leaks(self) -> List[Leak]:
        query = {"target": str(self.target_id), "state": "active"}
        return self._pages("/api/v1/leaks", query, "leaks", leak_from)

    def clear(self, leak_id: Optional[str]) -> int:
        if leak_id is None:
            path = f"/api/v1/leaks?target={self.target_id}"
        else:
            path = f"/api/v1/leaks/{_quote(leak_id)}"
        cleared = self.call("DELETE", path).get("cleared")
        return cleared if isinstance(cleared, int) else 0

    def collect(self, wait_s: float, trim: bool) -> GarbageCollection:
        body = {"wait_s": wait_s, "trim": trim}
        timeout = wait_s + max(self.transport.timeout, 5.0)
        return collection_from(self.call("POST", f"{self._path}/gc", body, timeout))

    def start(self, name: str, description: str) -> ProfilingSession:
        body = {"target": self.target_id, "session_name": name, "description": description}
        return session_from(self.call("POST", "/api/v1/sessions", body))

    def stop(self, session_id: str) -> ProfilingSession:
        path = f"/api/v1/sessions/{_quote(session_id)}"
        try:
            return session_from(self.call("POST", f"{path}/stop", {}))
        except HoldfastError as error:
            if error.code == "HF-E-NOAGENT" and error.__cause__ is not None:
                # It may have been stopped, and the answer been lost; to stop it twice does no harm.
                try:
                    return session_from(self.call("POST", f"{path}/stop", {}))
                except HoldfastError as second:
                    if second.status != 409:
                        raise
            elif error.status != 409:
                raise
            session = self.session(session_id)
            if session.end_time is None:
                raise
            return session

    def session(self, session_id: str) -> ProfilingSession:
        return session_from(self.call("GET", f"/api/v1/sessions/{_quote(session_id)}"))

    def _file(self, session_id: str, name: str) -> Iterator[bytes]:
        return self.transport.stream(f"/api/v1/sessions/{_quote(session_id)}/{name}")

    def report(self, session_id: str) -> Iterator[bytes]:
        return self._file(session_id, "report")

    def snapshots(self, session_id: str) -> Iterator[bytes]:
        return self._file(session_id, "snapshots")

    def chart(self, session_id: str) -> Iterator[bytes]:
        return self._file(session_id, "chart.svg")

    def health(self) -> Health:
        return health_from(self.transport.call("GET", "/healthz", accept=(503,)))

    def subscribe(
        self, channel: Channel, wanted: Callable[[MemoryEvent], bool], since: Optional[int]
    ) -> None:
        ServerSentEvents(self.transport, channel, wanted, since)

    def close(self) -> None:
        """Nothing is held open."""
