"""The process connector (``linux/cn_proc.h``): forks, debuggers, and the signal a process ended by."""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass

NETLINK_CONNECTOR = 11
_GROUP, _LISTEN = 1, 1
_DONE = 3
# Kinds of events, and the length of what stands before each.
_FORK, _PTRACE, _EXIT = 0x1, 0x100, 0x80000000
_HEAD = struct.Struct("=IHHII")
_MESSAGE = struct.Struct("=IIIIHH")
_EVENT = struct.Struct("=IIQ")
_PACKET_BYTES = 1 << 14


@dataclass(frozen=True, slots=True)
class Attached:
    """A process began to trace another."""

    pid: int
    tracer: int


@dataclass(frozen=True, slots=True)
class Forked:
    """A process started another."""

    pid: int
    child: int


@dataclass(frozen=True, slots=True)
class Exited:
    """A process ended; `signal` is 0 where none ended it."""

    pid: int
    signal: int


def parse(data: bytes) -> Attached | Exited | Forked | None:
    """Return what a packet says; None for any other kind, and for what is too short."""
    start = _HEAD.size + _MESSAGE.size
    if len(data) < start + _EVENT.size + 16:
        return None
    kind = _EVENT.unpack_from(data, start)[0]
    words = struct.unpack_from("=4I", data, start + _EVENT.size)
    if kind == _FORK:
        # A new thread is a fork as well.
        return Forked(words[1], words[3]) if words[2] == words[3] else None
    if kind == _PTRACE:
        return Attached(words[1], words[3]) if words[3] else None
    if kind == _EXIT and words[0] == words[1]:
        return Exited(words[1], words[2] & 0x7F)
    return None


class Connector:
    """Hears of the processes of the machine.

    Raises:
        OSError: not root, or this kernel has no connector.
    """

    def __init__(self) -> None:
        self.reader = socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, NETLINK_CONNECTOR
        )
        try:
            self.reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self.reader.bind((0, _GROUP))
            self._ask(_LISTEN)
            self.reader.setblocking(False)
        except OSError:
            self.reader.close()
            raise

    def read(self) -> list[Attached | Exited | Forked]:
        """Return what happened since the last time."""
        found: list[Attached | Exited | Forked] = []
        while True:
            try:
                event = parse(self.reader.recv(_PACKET_BYTES))
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return found
                continue  # more happened than there was room for
            if event is not None:
                found.append(event)

    def close(self) -> None:
        """Stop hearing."""
        self.reader.close()

    def _ask(self, what: int) -> None:
        body = _MESSAGE.pack(1, 1, 0, 0, 4, 0) + struct.pack("=I", what)
        self.reader.send(_HEAD.pack(_HEAD.size + len(body), _DONE, 0, 0, os.getpid()) + body)
