"""Telling the supervisor, before anything else happens.

A notice goes out on a connection of its own, at once: what has been sent is in the supervisor's socket and
stays there however this process ends. Without a supervisor it is added to a file in the run's directory.
"""

from __future__ import annotations

import _socket
import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from veristep.guard.load.gate import Settings

TYPE = "load"
# Beside the run's log, for what no supervisor took.
FILE = "loads.jsonl"
SOCKET_FILE = "socket"
_SECONDS = 0.5
_MAX_BYTES = 60_000


def send(settings: Settings, body: dict[str, Any]) -> None:
    """Tell the supervisor; never fails, and waits for at most half a second."""
    message = {"type": TYPE, **body, "pid": os.getpid(), "rank": os.environ.get("RANK", "")}
    message["time_ns"] = time.time_ns()
    data = json.dumps(message, default=str).encode("utf-8", "replace")[:_MAX_BYTES]
    peer = None
    try:
        peer = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
        peer.settimeout(_SECONDS)
        peer.connect(f"{settings.boot}/{SOCKET_FILE}")
        peer.send(data, _socket.MSG_NOSIGNAL)
    except OSError:
        _keep(settings, data)
    finally:
        if peer is not None:
            peer.close()


def standing(settings: Settings, kind: str, *, stands: bool) -> None:
    """Say that the gate stands in this process, or that it does not."""
    send(settings, {"kind": "gate", "gate": kind, "stands": stands, "python": sys.version.split()[0]})


def _keep(settings: Settings, data: bytes) -> None:
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(f"{settings.directory}/{FILE}", flags, 0o600)
    except OSError:
        return
    try:
        os.write(descriptor, data + b"\n")
    except OSError:
        return
    finally:
        os.close(descriptor)
