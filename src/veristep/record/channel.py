"""The way out of a training process: to the supervisor, or to a spool file when there is none.

Everything here runs on one background thread of the training process, so that no disk and no peer can
hold up training.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from veristep.core.canonical import Json
from veristep.core.records import Chain

# Linux refuses datagrams near the socket's send buffer (208 KiB by default).
MAX_PACKET_BYTES = 60_000
SEND_TIMEOUT_SECONDS = 5.0


def connect(path: str) -> socket.socket:
    """Connect to the supervisor.

    Raises:
        OSError: nobody listens there.
    """
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        peer.settimeout(SEND_TIMEOUT_SECONDS)
        peer.connect(path)
    except OSError:
        peer.close()
        raise
    return peer


class Channel:
    """Numbers, links and sends the lines of one stream."""

    def __init__(self, peer: socket.socket | None, spool: Path, stream: str) -> None:
        self._peer = peer
        self._spool = spool
        self._spool_descriptor: int | None = None
        self._chain = Chain()
        self._stream = stream
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self.lost = 0

    def line(self, body: Mapping[str, Json]) -> None:
        """Add a line; it goes out with the next `flush`, or earlier when many wait."""
        data = self._chain.line({**body, "stream": self._stream})
        if self._waiting_bytes + len(data) + 1 > MAX_PACKET_BYTES:
            self.flush()
        self._waiting.append(data)
        self._waiting_bytes += len(data) + 1

    def flush(self) -> None:
        """Send what waits: to the supervisor, else to the spool, else count it as lost."""
        if not self._waiting:
            return
        lines, packet = len(self._waiting), b"\n".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        if self._send(packet) or self._spool_write(packet + b"\n"):
            return
        if not self.lost:
            complain(f"records of stream {self._stream} cannot be written; training goes on")
        self.lost += lines

    def close(self) -> None:
        """Send what waits and close."""
        self.flush()
        if self._peer is not None:
            self._peer.close()
        if self._spool_descriptor is not None:
            os.close(self._spool_descriptor)

    def _send(self, packet: bytes) -> bool:
        if self._peer is None or len(packet) > 3 * MAX_PACKET_BYTES:
            return False
        try:
            self._peer.send(packet, socket.MSG_NOSIGNAL)
        except OSError:
            # A supervisor that is gone or stuck does not come back: lines sent later would
            # overtake the ones that went to the spool.
            self._peer.close()
            self._peer = None
            return False
        return True

    def _spool_write(self, data: bytes) -> bool:
        try:
            if self._spool_descriptor is None:
                self._spool.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._spool_descriptor = os.open(
                    self._spool / f"{self._stream}.jsonl",
                    os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
                    0o600,
                )
            return os.write(self._spool_descriptor, data) == len(data)
        except OSError:
            return False


def complain(message: str) -> None:
    """Tell the user on stderr; a closed stderr is no reason to fail."""
    try:
        sys.stderr.write(f"veristep: {message}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return
