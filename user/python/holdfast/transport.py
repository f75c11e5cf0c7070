# SPDX-License-Identifier: MIT
"""HTTP to one agent, by TCP or a unix socket: one connection for each request, so any thread may
call, before and after a fork. No redirect is followed, no proxy of the environment used."""
from __future__ import annotations

import dataclasses
import http.client
import json
import os
import socket
import ssl
import stat
import time
import urllib.parse
from typing import IO, Any, Dict, Iterator, Mapping, Optional, Tuple, Union

from .errors import HoldfastError
from .model import as_object

DEFAULT_SOCKET = "/run/holdfast/agent.sock"
DEFAULT_TCP = "http://127.0.0.1:7654"
MOST_JSON_BYTES = 64 << 20
CHUNK = 1 << 16
PathLike = Union[str, "os.PathLike[str]"]
LONGEST_BODY_S = 30.0


@dataclasses.dataclass(frozen=True)
class Address:
    """Where an agent listens. `text` is what it was made from."""

    text: str
    path: Optional[str] = None  # of a unix socket
    host: str = ""
    port: int = 0
    tls: bool = False
    prefix: str = ""  # of all paths, behind a proxy

    @classmethod
    def parse(cls, text: str) -> "Address":
        """http://HOST[:PORT], https://HOST[:PORT][/PREFIX] or unix:/PATH."""
        try:
            return cls._parse(text)
        except ValueError as error:
            raise HoldfastError(
                "HF-E-USAGE",
                f"{text!r} is no address of an agent",
                str(error),
                "write http://127.0.0.1:7654 or unix:/run/holdfast/agent.sock",
            ) from None

    @classmethod
    def _parse(cls, text: str) -> "Address":
        if not isinstance(text, str) or any(c.isspace() or not c.isprintable() for c in text):
            raise ValueError("blanks and control characters have no place in it")
        if text.startswith("unix:"):
            path = text[len("unix:") :]
            if path.startswith("//"):
                path = path[2:]
            if not path.startswith("/"):
                raise ValueError("the path of a socket begins with /")
            if len(os.fsencode(path)) > 107:
                raise ValueError("the path of a socket has 107 bytes at most")
            return cls(text, path=path)
        parts = urllib.parse.urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it begins with neither http://, https:// nor unix:/")
        if parts.query or parts.fragment or parts.username or parts.password:
            raise ValueError("it has more than a host, a port and a path")
        tls = parts.scheme == "https"
        port = parts.port or (443 if tls else 7654)
        return cls(text, None, parts.hostname, port, tls, parts.path.rstrip("/"))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self._connect_when_there_is_room()
        except BaseException:
            self.sock.close()
            self.sock = None
            raise

    def _connect_when_there_is_room(self) -> None:
        """A socket with a timeout is not waited for by the kernel where too many others wait."""
        deadline = time.monotonic() + (self.timeout or 0)
        while True:
            try:
                self.sock.connect(self._path)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise socket.timeout("timed out") from None
                time.sleep(0.005)


def check_token(token: str, whence: str) -> str:
    """`token` without blanks around it; HoldfastError if it can't be in a header."""
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise HoldfastError(
            "HF-E-USAGE", f"the token {whence} is none", "it is empty, or has strange characters"
        )
    return token


def token_of(given: Optional[str], environ: Mapping[str, str]) -> Optional[str]:
    """The argument, HOLDFAST_TOKEN, or what the file HOLDFAST_TOKEN_FILE says; or none."""
    if given is not None:
        return check_token(given, "that was given")
    if environ.get("HOLDFAST_TOKEN"):
        return check_token(environ["HOLDFAST_TOKEN"], "in HOLDFAST_TOKEN")
    path = environ.get("HOLDFAST_TOKEN_FILE")
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return check_token(file.read(4096), f"in {path}")
    except (OSError, UnicodeDecodeError) as error:
        raise HoldfastError(
            "HF-E-NOFILE",
            f"can't read the token in {path} (HOLDFAST_TOKEN_FILE)",
            str(error),
            "make it readable for this user",
        ) from None


class Exchange:
    """A request whose answer's head was read; close() it."""

    def __init__(self, connection: http.client.HTTPConnection, sock: socket.socket) -> None:
        self._connection = connection
        self._sock = sock
        self.response = connection.getresponse()

    def close(self) -> None:
        self.response.close()
        self._connection.close()

    def abort(self) -> None:
        """From another thread: who reads the answer is woken, as if it had ended."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already


class Transport:
    """Requests to the agent at one address. Immutable."""

    def __init__(self, address: Address, token: Optional[str] = None, timeout: float = 5.0) -> None:
        self.address = address
        self.token = token
        self.timeout = timeout

    def with_timeout(self, timeout: float) -> "Transport":
        return Transport(self.address, self.token, timeout)

    def connection(self, timeout: Optional[float] = None) -> http.client.HTTPConnection:
        """A connection that is not open yet."""
        seconds = self.timeout if timeout is None else timeout
        address = self.address
        if address.path is not None:
            return _UnixConnection(address.path, seconds)
        if address.tls:
            return http.client.HTTPSConnection(
                address.host, address.port, timeout=seconds, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(address.host, address.port, timeout=seconds)

    def open(
        self,
        method: str,
        path: str,
        body: Optional[Mapping[str, Any]] = None,
        headers: Optional[Mapping[str, str]] = None,
        timeout: Optional[float] = None,
    ) -> Exchange:
        """Send a request and read the answer's head."""
        connection = self.connection(timeout)
        sent: Dict[str, str] = {"Accept": "application/json", "Connection": "close"}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        if method != "GET":
            sent["X-Holdfast"] = "1"  # no page can make a browser send this
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        try:
            connection.connect()
            sock = connection.sock
            connection.request(method, self.address.prefix + path, data, sent)
            return Exchange(connection, sock)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self.failure(error) from error
        except BaseException:
            connection.close()
            raise

    def failure(self, error: BaseException) -> HoldfastError:
        """What an error of the connection means."""
        where = self.address.text
        if isinstance(error, socket.timeout):  # TimeoutError from Python 3.10 on
            return HoldfastError(
                "HF-E-TIMEOUT",
                f"the agent at {where} did not answer in time",
                "it is busy or stopped, or something else listens there",
                "try again, or give a longer timeout",
            )
        if isinstance(error, http.client.IncompleteRead):
            return HoldfastError(
                "HF-E-NOAGENT",
                f"the agent at {where} broke off in its answer",
                "it was ended or restarted",
                "try again",
            )
        if isinstance(error, http.client.RemoteDisconnected) or not isinstance(
            error, http.client.HTTPException
        ):
            return HoldfastError(
                "HF-E-NOAGENT",
                f"no agent answers at {where}",
                str(error) or type(error).__name__,
                "start one with `holdfast agent`, or name another with HOLDFAST_AGENT",
            )
        return HoldfastError(
            "HF-E-ANSWER",
            f"what answers at {where} does not speak as an agent does",
            f"{type(error).__name__}: {error}",
            "name the address of an agent",
        )

    def call(
        self,
        method: str,
        path: str,
        body: Optional[Mapping[str, Any]] = None,
        timeout: Optional[float] = None,
        accept: Tuple[int, ...] = (),
    ) -> Dict[str, Any]:
        """A request whose answer is a JSON object; `accept`: statuses that are no errors here.

        A GET that was cut off is tried once more: an agent that is restarted, say."""
        for again in (method == "GET", False):
            try:
                return self._call_once(method, path, body, timeout, accept)
            except HoldfastError as error:
                cut_off = isinstance(
                    error.__cause__, (ConnectionResetError, BrokenPipeError)
                ) or isinstance(error.__cause__, http.client.IncompleteRead)
                if not (again and cut_off):
                    raise
        raise AssertionError("unreachable")

    def _call_once(
        self,
        method: str,
        path: str,
        body: Optional[Mapping[str, Any]],
        timeout: Optional[float],
        accept: Tuple[int, ...],
    ) -> Dict[str, Any]:
        exchange = self.open(method, path, body, timeout=timeout)
        response = exchange.response
        try:
            data = self._read(response)
        finally:
            exchange.close()
        if response.status not in accept:
            self.check(response, data)
        try:
            return as_object(json.loads(data), "it")
        except (ValueError, RecursionError) as error:
            raise HoldfastError(
                "HF-E-ANSWER",
                f"the answer of {self.address.text} to {method} {path} is no JSON",
                str(error),
                "name the address of an agent",
                response.status,
            ) from None

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        deadline = time.monotonic() + max(LONGEST_BODY_S, self.timeout)
        data = b""
        try:
            while len(data) <= MOST_JSON_BYTES:
                piece = response.read1(CHUNK)
                if not piece and response.length:  # read1() does not tell that it was cut off
                    raise http.client.IncompleteRead(data, response.length)
                if not piece:
                    break
                data += piece
                if time.monotonic() > deadline:
                    raise socket.timeout("the answer comes too slowly")
        except (OSError, http.client.HTTPException) as error:
            raise self.failure(error) from error
        if len(data) > MOST_JSON_BYTES:
            raise HoldfastError(
                "HF-E-ANSWER", f"the answer of {self.address.text} is longer than 64 MiB"
            )
        return data

    def check(self, response: http.client.HTTPResponse, data: bytes) -> None:
        """Raise what an answer that is no success says."""
        if 200 <= response.status < 300:
            return
        try:
            error = json.loads(data)["error"]
            code, what = error["code"], error["what"]
            if not isinstance(code, str) or not isinstance(what, str):
                raise ValueError
            raise HoldfastError(
                code,
                what,
                str(error.get("why") or ""),
                str(error.get("fix") or ""),
                response.status,
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
        raise HoldfastError(
            "HF-E-ANSWER",
            f"{self.address.text} answers {response.status} {response.reason}",
            data[:200].decode("utf-8", "replace").strip(),
            "give the right token (HOLDFAST_TOKEN)" if response.status == 401 else "",
            response.status,
        )

    def stream(self, path: str, timeout: Optional[float] = None) -> Iterator[bytes]:
        """The body of a GET, piece by piece: reports may be long."""
        exchange = self.open("GET", path, headers={"Accept": "*/*"}, timeout=timeout)
        response = exchange.response
        try:
            if response.status != 200:
                self.check(response, self._read(response))
                raise HoldfastError("HF-E-ANSWER", f"{self.address.text} answers {response.status}")
            while True:
                try:
                    data = response.read(CHUNK)
                    if not data and response.length:
                        raise http.client.IncompleteRead(b"", response.length)
                except (OSError, http.client.HTTPException) as error:
                    raise self.failure(error) from error
                if not data:
                    return
                yield data
        finally:
            exchange.close()


def socket_exists(path: str) -> bool:
    """Is there a socket at `path`? (Whether anybody answers is another question.)"""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def write_file(path: PathLike, pieces: Iterator[bytes]) -> None:
    """Write a file of mode 0600, all or nothing. A link in its place is replaced, not followed."""
    target = os.fspath(path)
    temporary = f"{target}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    made = False
    try:
        file: IO[bytes]
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            made = True
            for piece in pieces:
                file.write(piece)
        os.replace(temporary, target)
        made = False
    except OSError as error:
        raise HoldfastError(
            "HF-E-CANTWRITE", f"can't write {target}", error.strerror or str(error)
        ) from error
    finally:
        if made:
            os.unlink(temporary)
