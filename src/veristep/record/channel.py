"""The way out of a training process: to the supervisor, or to a spool file when there is none.

Everything here runs on one background thread of the training process and never waits for the supervisor,
so that no disk and no peer can hold up training. Lines wait in memory while the supervisor is busy. When
it is gone, or has taken nothing for some seconds, the stream goes over to its spool file for good: first
what was sent last (a supervisor that dies takes with it what it had not read), then what waits. A reader
puts both ways together by the lines' numbers; a line that came both ways counts once.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum, auto
from pathlib import Path

from veristep.core.canonical import Json
from veristep.core.records import Chain

MAX_PACKET_BYTES = 60_000
# Linux refuses packets near the socket's send buffer (208 KiB by default): a longer line is spooled.
MAX_SOCKET_BYTES = 180_000
# All that can lie unread in a socket, and a packet being read.
SENT_BYTES = 512 << 10
WAITING_BYTES = 8 << 20
STUCK_SECONDS = 5.0
CONNECT_SECONDS = 1.0


def connect(path: str) -> socket.socket:
    """Connect to the supervisor.

    Raises:
        OSError: nobody listens there.
    """
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        peer.settimeout(CONNECT_SECONDS)
        peer.connect(path)
        peer.setblocking(False)
    except OSError:
        peer.close()
        raise
    return peer


class _Outcome(Enum):
    SENT = auto()
    FULL = auto()
    GONE = auto()


class Channel:
    """Numbers, links and sends the lines of one stream.

    Attributes:
        lost: lines that neither the supervisor nor the disk took.
    """

    def __init__(
        self,
        peer: socket.socket | None,
        spool: Path,
        stream: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._peer = peer
        self._spool = Spool(spool, stream)
        self._chain = Chain()
        self._stream = stream
        self._clock = clock
        self._lines: list[bytes] = []
        self._lines_bytes = 0
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._sent: deque[bytes] = deque()
        self._sent_bytes = 0
        self._full_since: float | None = None
        self.lost = 0

    def line(self, body: Mapping[str, Json]) -> None:
        """Add a line; it goes out with the next `flush`, or earlier when many wait."""
        data = self._chain.line({**body, "stream": self._stream})
        if self._lines and self._lines_bytes + len(data) + 1 > MAX_PACKET_BYTES:
            self.flush()
        self._lines.append(data)
        self._lines_bytes += len(data) + 1

    def flush(self) -> None:
        """Send what waits as far as the supervisor takes it; without one, write it to the spool."""
        self._pack()
        while self._waiting and self._peer is not None:
            packet = self._waiting[0]
            if len(packet) > MAX_SOCKET_BYTES:
                self._write(packet)
            else:
                outcome = self._send(self._peer, packet)
                if outcome is _Outcome.FULL and self._can_wait():
                    return
                if outcome is not _Outcome.SENT:
                    self._leave()
                    break
                self._full_since = None
            self._remember(self._next())
        while self._waiting:
            self._write(self._next())

    def close(self) -> None:
        """Send or spool what waits, and close."""
        self.flush()
        if self._waiting:
            self._leave()
            self.flush()
        self.abandon()

    def abandon(self) -> None:
        """Close without sending anything: a forked child must not hold its parent's connection open."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        self._spool.close()

    def _pack(self) -> None:
        if self._lines:
            packet = b"\n".join(self._lines)
            self._lines, self._lines_bytes = [], 0
            self._waiting.append(packet)
            self._waiting_bytes += len(packet)

    def _next(self) -> bytes:
        packet = self._waiting.popleft()
        self._waiting_bytes -= len(packet)
        return packet

    def _send(self, peer: socket.socket, packet: bytes) -> _Outcome:
        try:
            peer.send(packet, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return _Outcome.FULL
        except OSError:
            return _Outcome.GONE
        return _Outcome.SENT

    def _can_wait(self) -> bool:
        """Whether the supervisor may still come round: it is busy, or it is frozen."""
        now = self._clock()
        if self._full_since is None:
            self._full_since = now
        return now - self._full_since < STUCK_SECONDS and self._waiting_bytes < WAITING_BYTES

    def _leave(self) -> None:
        """Give the supervisor up: what it may not have read is written again."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        while self._sent:
            self._spool.write(self._sent.popleft() + b"\n")
        self._sent_bytes = 0

    def _remember(self, packet: bytes) -> None:
        self._sent.append(packet)
        self._sent_bytes += len(packet)
        while self._sent_bytes > SENT_BYTES:
            self._sent_bytes -= len(self._sent.popleft())

    def _write(self, packet: bytes) -> None:
        if self._spool.write(packet + b"\n"):
            return
        if not self.lost:
            complain(f"records of stream {self._stream} cannot be written; training goes on")
        self.lost += packet.count(b"\n") + 1


class Spool:
    """The file a stream is written to when the supervisor does not take it."""

    def __init__(self, folder: Path, stream: str) -> None:
        self._path = folder / f"{stream}.jsonl"
        self._descriptor: int | None = None
        self._size = 0

    def write(self, data: bytes) -> bool:
        """Append whole lines, all of them or none; answer whether the disk took them."""
        try:
            if self._descriptor is None:
                self._open()
            assert self._descriptor is not None
            if os.write(self._descriptor, data) == len(data):
                self._size += len(data)
                return True
            # A torn line would spoil the one that comes after it.
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            pass
        return False

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size


def complain(message: str) -> None:
    """Tell the user on stderr; a closed stderr is no reason to fail."""
    try:
        sys.stderr.write(f"veristep: {message}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return
