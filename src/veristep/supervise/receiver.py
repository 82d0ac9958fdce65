"""Hears the processes of a run and keeps what they say.

One socket, many processes; each connection is known by the kernel's word for who is at its other end
(``SO_PEERCRED``), not by what it claims.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json
from veristep.core.records import Chain, ChainReader
from veristep.errors import MalformedError
from veristep.supervise.describe import distributions

_PACKET_BYTES = 1 << 18
_CREDENTIALS = struct.Struct("3i")
SUPERVISOR = "supervisor"


@dataclass(slots=True)
class StreamState:
    """What has been heard of one stream.

    Attributes:
        pid: the process it comes from.
        steps: step records heard.
        next_step: the step after the last one heard.
        missing: lines that were lost on the way.
        said_bye: whether the process ended in good order.
    """

    pid: int = 0
    steps: int = 0
    next_step: int = 0
    missing: int = 0
    said_bye: bool = False


@dataclass(slots=True)
class Heard:
    """What has been heard of a run since it began, and since the last segment was sealed."""

    streams: dict[str, StreamState] = field(default_factory=dict)
    artifacts: list[dict[str, Json]] = field(default_factory=list)
    gaps: int = 0
    refused: int = 0
    processes: int = 0
    lines: int = 0


class Receiver:
    """Listens on the run's socket and passes every accepted line on."""

    def __init__(self, path: Path, keep: Callable[[bytes], None]) -> None:
        self.heard = Heard()
        self._keep = keep
        self._reader = ChainReader()
        self._own = Chain()
        self._environments: set[tuple[str, ...]] = set()
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self._listener.bind(str(path))
        self._listener.listen(512)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._clients: dict[socket.socket, int] = {}

    @property
    def clients(self) -> int:
        """How many processes are connected."""
        return len(self._clients)

    def poll(self, seconds: float) -> None:
        """Hear what there is, waiting at most `seconds` for the first of it."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._listener:
                self._accept()
            else:
                self._read(key.fileobj)  # type: ignore[arg-type]

    def own(self, body: Mapping[str, Json]) -> None:
        """Keep a line of the supervisor's own."""
        self._keep(self._own.line({**body, "stream": SUPERVISOR, "time_ns": time.time_ns()}))

    def accept_line(self, data: bytes, pid: int) -> None:
        """Check a line against its stream and keep it; one that contradicts it is counted, not kept."""
        try:
            line, missing = self._reader.accept(data)
        except MalformedError as error:
            self.heard.refused += 1
            self.own({"type": "gap", "what": "refused", "reason": error.message, "pid": pid})
            return
        stream = str(line["stream"])
        if stream == SUPERVISOR:
            self.heard.refused += 1
            self.own({"type": "gap", "what": "refused", "reason": "claims to be us", "pid": pid})
            return
        self._keep(data)
        self._note(stream, line, missing, pid)

    def close(self) -> None:
        """Close every connection."""
        for client in list(self._clients):
            self._drop(client)
        self._selector.close()
        self._listener.close()

    def _note(self, stream: str, line: Mapping[str, Any], missing: int, pid: int) -> None:
        heard = self.heard
        heard.lines += 1
        state = heard.streams.get(stream)
        if state is None:
            state = heard.streams[stream] = StreamState(pid)
            self.own({"type": "stream", "of": stream, "pid": pid})
        if missing:
            state.missing += missing
            heard.gaps += 1
            self.own({"type": "gap", "what": "lines", "of": stream, "reason": f"{missing} lines lost"})
        kind = line.get("type")
        if kind == "step":
            state.steps += 1
            state.next_step = int(line.get("step", -1)) + 1
        elif kind == "artifact":
            heard.artifacts.append(dict(line))
        elif kind == "gap":
            heard.gaps += 1
        elif kind == "bye":
            state.said_bye = True

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        client.setblocking(False)
        raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, _uid, _gid = _CREDENTIALS.unpack(raw)
        self._clients[client] = pid
        self._selector.register(client, selectors.EVENT_READ, None)

    def _read(self, client: socket.socket) -> None:
        try:
            packet = client.recv(_PACKET_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._drop(client)
            return
        pid = self._clients[client]
        for data in packet.split(b"\n"):
            if data.startswith(b'{"type": "hello"'):
                self._hello(data, pid, client)
            elif data:
                self.accept_line(data, pid)

    def _hello(self, data: bytes, pid: int, client: socket.socket) -> None:
        try:
            hello = json.loads(data)
            path = [str(item) for item in hello.pop("path", [])]
        except (ValueError, AttributeError, TypeError):
            self.heard.refused += 1
            return
        raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        self.heard.processes += 1
        self.own({**hello, "type": "hello", "peer_pid": pid, "peer_uid": _CREDENTIALS.unpack(raw)[1]})
        if path and tuple(path) not in self._environments:
            self._environments.add(tuple(path))
            self.own({"type": "environment", "installed": list(distributions(path)), "pid": pid})

    def _drop(self, client: socket.socket) -> None:
        self._clients.pop(client, None)
        self._selector.unregister(client)
        client.close()
