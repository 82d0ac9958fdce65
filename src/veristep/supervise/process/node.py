"""The supervisor's end of the node agent: what it is told of its own run, where an agent is there."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any

from veristep.core.verdicts import Suspect
from veristep.guard.suspects import user_name

SOCKET = "/run/veristep/agent.sock"
VARIABLE = "VERISTEP_AGENT"
ABSENT = "there is no node agent on this machine"
_PACKET_BYTES = 1 << 16
_SECONDS = 0.5
_CREDENTIALS = struct.Struct("3i")
_HOW = "told by the kernel to the node agent"


class Node:
    """A connection to the agent.

    Attributes:
        covers: what it says it can tell of, or why not.
        lost: events it had that we did not take in time.
    """

    def __init__(self, path: str = "") -> None:
        """Connect, waiting for half a second at most; without an agent nothing is covered."""
        self.covers: dict[str, str] = {}
        self.lost = 0
        self._peer: socket.socket | None = None
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            peer.settimeout(_SECONDS)
            peer.connect(path or os.environ.get(VARIABLE) or SOCKET)
            who = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            # What anybody else serves is no agent's word.
            said = json.loads(peer.recv(_PACKET_BYTES)) if _CREDENTIALS.unpack(who)[1] == 0 else {}
            self.covers = {str(name): str(how) for name, how in dict(said["covers"]).items()}
            peer.setblocking(False)
        except (OSError, ValueError, KeyError, TypeError):
            peer.close()
            return
        self._peer = peer

    @property
    def present(self) -> bool:
        """Whether there is an agent, still."""
        return self._peer is not None

    def watch(self, folder: str) -> None:
        """Ask to be told who writes in a folder."""
        if self._peer is not None:
            with contextlib.suppress(OSError):
                self._peer.send(json.dumps({"folder": folder}).encode(), socket.MSG_NOSIGNAL)

    def events(self) -> list[Mapping[str, Any]]:
        """Return what was told since the last time."""
        found: list[Mapping[str, Any]] = []
        while self._peer is not None:
            try:
                data = self._peer.recv(_PACKET_BYTES)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.close()
                break
            with contextlib.suppress(ValueError):
                event = json.loads(data)
                if isinstance(event, dict):
                    self.lost = max(self.lost, int(event.get("lost", 0)))
                    found.append(event)
        return found

    def close(self) -> None:
        """Let the agent go."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None


def words(event: Mapping[str, Any]) -> str:
    """Return who did it, in words."""
    command = str(event.get("command") or event.get("name") or "gone")
    return f"process {event.get('sender')} ({command}) of {user_name(int(event.get('uid', -1)))}"


def suspects(event: Mapping[str, Any]) -> tuple[Suspect, ...]:
    """Return what an event points to."""
    found = [Suspect("process", str(event.get("sender")), _HOW)]
    command = str(event.get("command") or event.get("name") or "")
    if command:
        found.append(Suspect("command", command, _HOW))
    found.append(Suspect("user", user_name(int(event.get("uid", -1))), _HOW))
    login = int(event.get("login", -1))
    name = str(event.get("login_name") or (user_name(login) if login >= 0 else ""))
    if name:
        found.append(Suspect("login", name, "who logged in to start it, kept by the kernel"))
    if event.get("parent"):
        parent = f"{event['parent']} {event.get('parent_command', '')}".strip()
        found.append(Suspect("parent", parent, "who started it"))
    return tuple(found)
