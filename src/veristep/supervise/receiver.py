"""Hears the processes of a run and keeps what they say.

One socket, many processes; each connection is known by the kernel's word for who is at its other end
(``SO_PEERCRED``), not by what it claims. What a process wrote to its spool instead, because we were
frozen or its line too long for a packet, is taken from there and put in its place.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json
from veristep.core.records import Chain, ChainReader
from veristep.errors import MalformedError
from veristep.supervise.describe import printable, redact_arguments
from veristep.supervise.installed import environment
from veristep.supervise.spool import SpoolReader

_PACKET_BYTES = 1 << 18
# How much is heard from one process before the others, and sealing, get their turn.
_PACKETS_AT_ONCE = 64
_CREDENTIALS = struct.Struct("3i")
_HELLO = b'{"type": "hello"'
# What a guard in a training process says at once, on a connection of its own (`guard.load.notice`).
_NOTICE = b'{"type": "load"'
SUPERVISOR = "supervisor"


@dataclass(slots=True)
class StreamState:
    """What has been heard of one stream.

    Attributes:
        pid: the process it comes from; 0 when it was only ever read from its spool.
        steps: step records heard.
        next_step: the step after the last one heard.
        next_line: the number its next line has.
        missing: lines that were lost on the way.
        spooled: lines taken from its spool.
        said_bye: whether the process ended in good order.
    """

    pid: int = 0
    steps: int = 0
    next_step: int = 0
    next_line: int = 0
    missing: int = 0
    spooled: int = 0
    said_bye: bool = False


@dataclass(slots=True)
class Heard:
    """What has been heard of a run since it began, and since the last segment was sealed."""

    streams: dict[str, StreamState] = field(default_factory=dict)
    artifacts: list[dict[str, Json]] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)
    gaps: int = 0
    refused: int = 0
    processes: int = 0
    lines: int = 0


class Receiver:
    """Listens on the run's socket and passes every accepted line on."""

    def __init__(
        self,
        path: Path,
        keep: Callable[[bytes], None],
        spool: Path,
        secrets: tuple[str, ...] = (),
        observers: Sequence[Callable[[Mapping[str, Any]], None]] = (),
    ) -> None:
        self.heard = Heard()
        self.spool = SpoolReader(spool)
        self._secrets = secrets
        self._keep = keep
        self._observers = observers
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
    def _spools(self) -> bool:
        """Whether any stream spools, or ever did: its lines may come twice, or before others."""
        return bool(self.spool.offsets or self.spool.streams())

    @property
    def clients(self) -> int:
        """How many processes are connected."""
        return len(self._clients)

    def poll(self, seconds: float) -> None:
        """Hear what there is, waiting at most `seconds` for the first of it."""
        ready = {key.fileobj for key, _ in self._selector.select(seconds)}
        for client in list(self._clients):
            if client in ready:
                self._read(client)
        if self._listener in ready:
            self._accept()

    def own(self, body: Mapping[str, Json]) -> None:
        """Keep a line of the supervisor's own."""
        self._keep(self._own.line({**body, "stream": SUPERVISOR, "time_ns": time.time_ns()}))

    def gap(self, what: str, reason: str, **more: Json) -> None:
        """Keep a line that says that something is missing."""
        self.heard.gaps += 1
        self.own({"type": "gap", "what": what, "reason": reason, **more})

    def accept_line(self, data: bytes, pid: int) -> None:
        """Check a line against its stream and keep it; one that contradicts it is counted, not kept."""
        try:
            line, missing = self._reader.accept(data)
        except MalformedError as error:
            self._refuse(error.message, pid)
            return
        stream = str(line["stream"])
        if stream == SUPERVISOR:
            self._refuse("claims to be us", pid)
            return
        self._keep(data)
        self._note(stream, line, missing, pid)
        self._observed(line, pid)

    def notice(self, data: bytes, pid: int) -> None:
        """Keep what a guard in a process says, under the process's number as the kernel has it."""
        said = json.loads(data)
        body: dict[str, Json] = {str(key): printable(value) for key, value in said.items()}
        body["peer_pid"] = pid
        self.own(body)
        self._observed(body, pid)

    def _observed(self, line: Mapping[str, Any], pid: int) -> None:
        for observer in self._observers:
            try:
                observer(line)
            except Exception as error:  # noqa: BLE001 - boundary: a line can hold anything
                self._refuse(f"not understood: {type(error).__name__}: {error}"[:300], pid)

    def take_spooled(self, *, final: bool = False) -> None:
        """Take the lines that follow from the spool; when `final`, also those after a hole."""
        self.spool.read()
        for stream in self.spool.streams():
            self._take_spooled(stream, skip=final)

    def close(self) -> None:
        """Close every connection."""
        for client in list(self._clients):
            self._drop(client)
        self._selector.close()
        self._listener.close()

    def _take_spooled(self, stream: str, *, skip: bool = False) -> None:
        state = self.heard.streams.get(stream)
        taken, expected = 0, state.next_line if state else 0
        while (data := self.spool.take(stream, expected, skip=skip)) is not None:
            self.accept_line(data, state.pid if state else 0)
            state = self.heard.streams.get(stream)
            expected = state.next_line if state else expected + 1
            taken += 1
        if taken:
            if state is not None:
                state.spooled += taken
            self.own({"type": "spooled", "of": stream, "lines": taken})

    def _note(self, stream: str, line: Mapping[str, Any], missing: int, pid: int) -> None:
        heard = self.heard
        heard.lines += 1
        state = heard.streams.get(stream)
        if state is None:
            state = heard.streams[stream] = StreamState(pid)
            self.own({"type": "stream", "of": stream, "pid": pid})
        state.next_line = line["seq"] + 1
        if missing:
            state.missing += missing
            self.gap("lines", f"{missing} lines lost", of=stream)
        kind = line.get("type")
        if kind == "step":
            state.steps += 1
            step = line.get("step")
            state.next_step = step + 1 if isinstance(step, int) else state.next_step
        elif kind in ("artifact", "removed"):
            heard.artifacts.append(dict(line))
        elif kind == "gap":
            heard.gaps += 1
        elif kind == "bye":
            state.said_bye = True

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            # No descriptor free, for example: what stays ready must not become a busy loop.
            time.sleep(0.01)
            return
        client.setblocking(False)
        raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, _uid, _gid = _CREDENTIALS.unpack(raw)
        self._clients[client] = pid
        self._selector.register(client, selectors.EVENT_READ, None)

    def _read(self, client: socket.socket) -> None:
        for _ in range(_PACKETS_AT_ONCE):
            try:
                packet = client.recv(_PACKET_BYTES)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._drop(client)
                return
            self.spool.read()
            for data in packet.split(b"\n"):
                if data:
                    self._hear(data, client)

    def _hear(self, data: bytes, client: socket.socket) -> None:
        pid = self._clients[client]
        try:
            if data.startswith(_HELLO):
                self._hello(data, pid, client)
            elif data.startswith(_NOTICE):
                self.notice(data, pid)
            elif not self._spools or not self._came_spooled(data):
                self.accept_line(data, pid)
        except Exception as error:  # noqa: BLE001 - boundary: whatever a process says, we go on
            self._refuse(f"{type(error).__name__}: {error}"[:300], pid)

    def _came_spooled(self, data: bytes) -> bool:
        """Take from the spool what comes before a line; answer whether the line was there as well."""
        line = json.loads(data)
        stream, number = str(line["stream"]), int(line["seq"])
        self._take_spooled(stream)
        state = self.heard.streams.get(stream)
        return state is not None and number < state.next_line and state.spooled > 0

    def _refuse(self, reason: str, pid: int) -> None:
        self.heard.refused += 1
        self.own({"type": "gap", "what": "refused", "reason": printable(reason), "pid": pid})

    def _hello(self, data: bytes, pid: int, client: socket.socket) -> None:
        hello = json.loads(data)
        path = [str(item) for item in hello.pop("path", [])]
        argv = [str(item) for item in hello.pop("argv", [])]
        raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        self.heard.processes += 1
        self.heard.pids.add(pid)
        body: dict[str, Json] = {str(key): printable(value) for key, value in hello.items()}
        body["argv"] = printable(redact_arguments(argv, self._secrets))
        uid = _CREDENTIALS.unpack(raw)[1]
        body |= {"type": "hello", "peer_pid": pid, "peer_uid": uid}
        self.own(body)
        self._observed(body, pid)
        if path and tuple(path) not in self._environments:
            self._environments.add(tuple(path))
            line = environment(path, str(hello.get("executable")), str(hello.get("build")))
            known: dict[str, Json] = {key: printable(value) for key, value in line.items()}
            self.own({**known, "pid": pid})

    def _drop(self, client: socket.socket) -> None:
        self._clients.pop(client, None)
        self._selector.unregister(client)
        client.close()
