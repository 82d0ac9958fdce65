"""The node agent: hears what only root is told, and tells each supervisor on the machine of its own run.

A supervisor connects to the agent's socket. Who it is the kernel says (``SO_PEERCRED``): nobody can ask for
another's events. It may name folders whose writers it wants to know, as far as its user may look into them.
Messages are JSON objects, one a packet (`docs/formats/agent.md`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import socket
import stat
import struct
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json
from veristep.errors import UsageError
from veristep.supervise.node.audit import KEY, AuditLog, Event
from veristep.supervise.node.connector import Attached, Connector, Forked
from veristep.supervise.node.families import Families
from veristep.supervise.node.writers import Writers, Written
from veristep.supervise.process import table

SOCKET = "/run/veristep/agent.sock"
FORMAT = "veristep-agent/1"
_CREDENTIALS = struct.Struct("3i")
_PACKET_BYTES = 1 << 16
_MEMORY = re.compile(r"/proc/(\d+)/(?:task/\d+/)?mem")
MOST_FOLDERS = 256
_EVERYBODY_READS = stat.S_IROTH


@dataclass(slots=True)
class _Client:
    """A supervisor.

    Attributes:
        pid, uid: of it, as the kernel has them.
        folders: it wants to know the writers in.
        lost: events it had no room for.
    """

    peer: socket.socket
    pid: int
    uid: int
    folders: set[str] = field(default_factory=set)
    lost: int = 0


class Agent:
    """Serves the supervisors of this machine.

    Raises:
        UsageError: not root, or the socket cannot be made.
    """

    def __init__(self, path: str, say: Callable[[str], None]) -> None:
        self._path, self._say = path, say
        self._selector = selectors.DefaultSelector()
        self._clients: dict[int, _Client] = {}
        self._families = Families()
        self._stopping = False
        self.covers: dict[str, str] = {}
        if os.geteuid() != 0:
            raise UsageError(
                "the node agent has to be root", hint="sudo veristep agent, or its systemd unit"
            )
        key = KEY if path == SOCKET else f"{KEY}-{zlib.crc32(path.encode()):08x}"
        self._audit = self._facility("signals", lambda: AuditLog(key))
        self._connector = self._facility("debuggers", Connector)
        self._writers = self._facility("writers", Writers)
        if self._writers is not None:
            self._facility("memory files", self._writers.watch_memory_files)
        self._listener = self._listen(path)
        for reader in (self._audit and self._audit.reader, self._connector and self._connector.reader):
            if reader is not None:
                self._selector.register(reader, selectors.EVENT_READ, None)
        if self._writers is not None:
            self._selector.register(self._writers.descriptor, selectors.EVENT_READ, None)
        self._selector.register(self._listener, selectors.EVENT_READ, None)

    def run(self) -> None:
        """Serve until told to stop by SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        try:
            while not self._stopping:
                self.turn(1.0)
        finally:
            self.close()

    def stop(self) -> None:
        """End with the next turn."""
        self._stopping = True

    def turn(self, seconds: float) -> None:
        """Hear what there is, waiting for at most `seconds` for the first of it."""
        ready = [key for key, _ in self._selector.select(seconds)]
        # Forks first: what follows is about processes that may be new.
        for event in self._connector.read() if self._connector is not None else ():
            if isinstance(event, Forked):
                self._families.forked(event.pid, event.child)
            elif isinstance(event, Attached):
                self._attached(event)
        for called in self._audit.read() if self._audit is not None else ():
            self._called(called)
        for written in self._writers.read() if self._writers is not None else ():
            self._written(written)
        for key in ready:
            if key.fileobj is self._listener:
                self._accept()
            elif isinstance(key.data, _Client):
                self._hear(key.data)

    def close(self) -> None:
        """Take the rules out, and the socket away."""
        for client in list(self._clients.values()):
            self._drop(client)
        for facility in (self._audit, self._connector, self._writers):
            if facility is not None:
                facility.close()
        self._listener.close()
        self._selector.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)  # noqa: PTH108

    def _facility(self, name: str, make: Callable[[], Any]) -> Any:
        try:
            made = make()
        except OSError as error:
            self.covers[name] = f"not covered: {error.strerror or error}"
            return None
        self.covers[name] = "covered"
        return made

    def _listen(self, path: str) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108
            listener.bind(path)
            # Everybody may connect: what they are told is theirs.
            os.chmod(path, 0o666)  # noqa: PTH101, S103
            listener.listen(64)
        except OSError as error:
            listener.close()
            raise UsageError(f"cannot listen at {path}: {error.strerror}") from error
        listener.setblocking(False)
        return listener

    def _accept(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return
        peer.setblocking(False)
        pid, uid, _ = _CREDENTIALS.unpack(
            peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        client = _Client(peer, pid, uid)
        self._clients[pid] = client
        self._families.add(pid, (each.pid for each in table.tree(pid)))
        self._selector.register(peer, selectors.EVENT_READ, client)
        self._send(client, {"event": "hello", "format": FORMAT, "covers": {**self.covers}})

    def _hear(self, client: _Client) -> None:
        try:
            packet = client.peer.recv(_PACKET_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._drop(client)
            return
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            folder = json.loads(packet).get("folder")
            if isinstance(folder, str):
                self._watch(client, folder)

    def _watch(self, client: _Client, folder: str) -> None:
        if self._writers is None or len(client.folders) >= MOST_FOLDERS:
            return
        try:
            real = os.path.realpath(folder)
            status = os.stat(real)  # noqa: PTH116
            if client.uid not in (0, status.st_uid) and not status.st_mode & _EVERYBODY_READS:
                return
            self._writers.watch(real)
        except OSError:
            return
        client.folders.add(real)

    def _drop(self, client: _Client) -> None:
        self._clients.pop(client.pid, None)
        self._families.forget(client.pid)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.peer)
        client.peer.close()

    def _called(self, event: Event) -> None:
        if not event.succeeded:
            return
        for target in event.targets:
            family = self._families.of(target)
            client = self._clients.get(family)
            if client is None:
                continue
            inside = self._families.of(event.sender) == family
            # What a run's processes send each other is theirs, but for a kill.
            if inside and event.number != signal.SIGKILL:
                continue
            body: dict[str, Json] = {
                "event": event.act, "call": event.call, "signal": event.number, "sender": event.sender,
                "parent": event.parent, "parent_command": table.command(event.parent), "uid": event.uid,
                "login": event.login, "command": table.command(event.sender) or event.command,
                "name": event.command, "target": target, "inside": inside, "time_ns": int(event.time * 1e9),
            }  # fmt: skip
            self._send(client, body)

    def _attached(self, event: Attached) -> None:
        family = self._families.of(event.pid)
        client = self._clients.get(family)
        if client is None or self._families.of(event.tracer) == family:
            return
        self._send(client, {"event": "attach", "call": "ptrace", "target": event.pid, **_who(event.tracer)})

    def _written(self, event: Written) -> None:
        memory = _MEMORY.fullmatch(event.path)
        if memory:
            target = int(memory.group(1))
            family = self._families.of(target)
            client = self._clients.get(family)
            if client is not None and self._families.of(event.pid) != family:
                body: dict[str, Json] = {"event": "write", "call": event.path, "target": target}
                self._send(client, {**body, **_who(event.pid)})
            return
        folder = os.path.dirname(event.path)  # noqa: PTH120
        for client in list(self._clients.values()):
            if folder in client.folders and self._families.of(event.pid) != client.pid:
                self._send(client, {"event": "file", "path": event.path, **_who(event.pid)})

    def _send(self, client: _Client, body: Mapping[str, Json]) -> None:
        data = json.dumps({**body, "lost": client.lost}).encode()
        if body["event"] != "hello":
            self._say(data.decode())
        try:
            client.peer.send(data, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            client.lost += 1
        except OSError:
            self._drop(client)


def _who(pid: int) -> dict[str, Json]:
    process = table.look(pid)
    return {
        "sender": pid,
        "parent": process.parent if process else 0,
        "parent_command": table.command(process.parent) if process else "",
        "uid": process.uid if process else -1,
        "login": -1,
        "login_name": table.login(pid),
        "command": table.command(pid),
        "name": process.name if process else "",
        "inside": False,
        "time_ns": time.time_ns(),
    }
