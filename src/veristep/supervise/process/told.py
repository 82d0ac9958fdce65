"""Makes findings of what the node agent tells of a run."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.process import foreign_write, killed, signalled, stopped, traced, written
from veristep.supervise.process import node, table

_KILLS = (signal.SIGKILL,)
_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_HARMLESS = (signal.SIGCONT, signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG)
# A signal that is sent over and over is told so often.
MOST_EACH = 20


@dataclass(slots=True)
class Told:
    """What the agent told.

    Attributes:
        supervisor: this process: what is sent to it is sent to the run.
        above: processes that it descends from: who started the run may end it.
        killed: processes whose end has been told, with the words for who ended them.
        stopped: processes whose stop has been told.
        traced: pairs of process and tracer that have been told.
        wrote: paths that the run itself has written.
    """

    supervisor: int
    above: frozenset[int]
    killed: dict[int, str] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    traced: set[tuple[int, int]] = field(default_factory=set)
    wrote: set[str] = field(default_factory=set)
    _counts: dict[tuple[str, int], int] = field(default_factory=dict)

    def hear(self, event: Mapping[str, Any]) -> list[Finding]:
        """Return what an event makes.

        Raises:
            KeyError, TypeError, ValueError: it is not what an agent tells.
        """
        kind, sender = str(event["event"]), int(event.get("sender", 0))
        who, also = node.words(event), node.suspects(event)
        key = (f"{kind} {event.get('signal')} {event.get('target')} {event.get('path')}", sender)
        self._counts[key] = self._counts.get(key, 0) + 1
        if self._counts[key] > MOST_EACH:
            return []
        if kind == "signal":
            return self._signal(event, sender, who, also)
        if kind == "attach":
            return self._attach(int(event["target"]), sender, who, also)
        if kind == "write":
            call = str(event["call"])
            return (
                [foreign_write.of(int(event["target"]), who, call, also)] if self._counts[key] == 1 else []
            )
        if kind == "file" and str(event["path"]) in self.wrote and self._counts[key] == 1:
            return [written.of(str(event["path"]), who, also)]
        return []

    def _signal(
        self, event: Mapping[str, Any], sender: int, who: str, also: tuple[Suspect, ...]
    ) -> list[Finding]:
        number, target = int(event["signal"]), int(event["target"])
        if event.get("inside"):
            if number in _KILLS:
                self.killed[target] = f"{who}, of the run itself"
            return []
        foreign = int(event["uid"]) not in (os.getuid(), 0)
        severity = Severity.ERROR if foreign else None
        if number in _HARMLESS or sender in self.above or _is_scheduler(event):
            if number in _KILLS:
                self.killed[target] = who
            return []
        if number in _KILLS:
            self.killed[target] = who
            return [killed.of(target, number, who, also, severity=severity)]
        if number in _STOPS:
            self.stopped.add(target)
            return [stopped.of(target, _name(target), 0.0, also, sender=who)]
        if target == self.supervisor:
            return []  # it tells of that itself
        own = _same_session(sender)
        return [signalled.of(target, number, who, also, foreign=foreign, own=own)]

    def _attach(self, target: int, sender: int, who: str, also: tuple[Suspect, ...]) -> list[Finding]:
        if (target, sender) in self.traced:
            return []
        self.traced.add((target, sender))
        return [traced.of(target, _name(target), who, also)]


def _is_scheduler(event: Mapping[str, Any]) -> bool:
    name = str(event.get("name", "")).partition(" (")[0]
    return int(event["uid"]) == 0 and name in signalled.SCHEDULERS


def _name(pid: int) -> str:
    process = table.look(pid)
    return process.name if process is not None else "gone"


def _same_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == os.getsid(0)
    except OSError:
        return False
