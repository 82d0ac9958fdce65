"""Holding a run until a person lets it go on, and ending it: what ``pause`` and ``stop`` of a policy do.

A run is held by stopping its processes on this machine (SIGSTOP); `veristep resume` puts an entry into the
ledger, which the supervisor heeds. Everything of it is on record. A signal that asks the supervisor to end
lets the run go on, to end. When the supervisor itself is killed, `veristep resume` wakes the processes.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from veristep.core.canonical import Json
from veristep.core.verdicts import Finding
from veristep.ledger.entries import Draft, Entry
from veristep.ledger.log import Ledger
from veristep.supervise.process.table import children

PAUSED, RESUMED, STOPPED = "run.paused", "run.resumed", "run.stopped"
ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
_PASSES = 8
_MOST_PROCESSES = 4096
_WAIT_SECONDS = 0.5


@dataclass(slots=True)
class Hold:
    """The processes of one run, and whether they are held or asked to end.

    Attributes:
        run: its id.
        project: it belongs to.
        ledger: takes the entries, and tells when a person lets the run go on.
        say: takes lines of the run's log.
        grace_seconds: between SIGTERM and SIGKILL.
        command: process id of the command; 0 before it is started.
        held: start time by process id, of those that are held.
    """

    run: str
    project: str
    ledger: Ledger
    say: Callable[[Mapping[str, Json]], None]
    grace_seconds: float
    command: int = 0
    held: dict[int, int] = field(default_factory=dict)
    _since: int | None = None
    _kill_at: float | None = None
    _killing: bool = False
    _known: frozenset[int] = frozenset()

    @property
    def paused(self) -> bool:
        """Whether the run is held."""
        return self._since is not None

    def pause(self, finding: Finding, known: Iterable[int] = ()) -> None:
        """Hold the run because of a finding; once.

        Args:
            finding: why.
            known: processes that said they belong to the run.
        """
        if self.paused or self._kill_at is not None:
            return
        self._known = frozenset(known)
        self._freeze()
        processes: list[Json] = [[pid, started] for pid, started in self.held.items()]
        body: dict[str, Json] = {"rule": finding.rule, "processes": processes}
        (receipt,) = self.ledger.append(Draft(PAUSED, body, self.run, self.project))
        self._since = receipt.index
        self.say({"type": "paused", "rule": finding.rule, "processes": len(self.held)})

    def stop(self, finding: Finding, known: Iterable[int] = ()) -> None:
        """Ask the run to end because of a finding; once."""
        if self._kill_at is not None:
            return
        self._known = frozenset(known)
        self._kill_at = time.monotonic() + self.grace_seconds
        body: dict[str, Json] = {"rule": finding.rule, "grace_seconds": round(self.grace_seconds)}
        self.ledger.append(Draft(STOPPED, body, self.run, self.project))
        self.say({"type": "stopped", "rule": finding.rule, "signal": int(signal.SIGTERM)})
        _send(self.command, signal.SIGTERM)
        self._wake("the policy stops the run")

    def look(self, known: AbstractSet[int] = frozenset()) -> None:
        """Let go what a person wants let go; end what did not end when it was asked to."""
        self._known |= known
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            if not self._killing:
                self._killing = True
                self.say({"type": "stopped", "signal": int(signal.SIGKILL)})
            for pid in self._processes():
                _send(pid, signal.SIGKILL)
        elif self._since is not None:
            for entry in self.ledger.entries(kind=RESUMED, run=self.run, since=self._since):
                self._wake(f"entry {entry.index}")
                return
            # What was forked while the others were being stopped, or woken by somebody else.
            self._freeze()

    def signalled(self, number: int) -> None:
        """Heed a signal to the supervisor: what is held could not end."""
        if number in ENDING:
            self._wake(f"signal {number}")

    def wait(self) -> None:
        """Wait, before the command is started, until a person lets it start."""
        while self.paused:
            self.look()
            time.sleep(_WAIT_SECONDS)

    def _wake(self, why: str) -> None:
        if self._since is None:
            return
        self._since = None
        held, self.held = self.held, {}
        wake(held)
        self.say({"type": "resumed", "why": why, "processes": len(held)})

    def _freeze(self) -> None:
        for _ in range(_PASSES):
            new = [pid for pid in self._processes() if _state(pid) not in "TZX"]
            for pid in new:
                started = _started(pid)
                if started and _send(pid, signal.SIGSTOP):
                    self.held[pid] = started
            if not new:
                return

    def _processes(self) -> list[int]:
        """Return the run's processes on this machine: the command, what it started, what said hello."""
        if not self.command:
            return []
        found: dict[int, None] = {}
        waiting = [self.command, *(pid for pid in self._known if _is_of(pid, self.run))]
        while waiting and len(found) < _MOST_PROCESSES:
            pid = waiting.pop(0)
            if pid not in found and pid != os.getpid():
                found[pid] = None
                waiting += children(pid)
        return list(found)


def wake(held: Mapping[int, int]) -> int:
    """Let processes go on that are the ones that were held; return how many there were.

    Args:
        held: start time by process id.
    """
    return sum(_started(pid) == started and _send(pid, signal.SIGCONT) for pid, started in held.items())


def pause_of(ledger: Ledger, run: str) -> Entry | None:
    """Return the entry that says a run is held; None when it is not."""
    paused = list(ledger.entries(kind=PAUSED, run=run))
    if not paused:
        return None
    later = (*ledger.entries(kind=RESUMED, run=run), *ledger.entries(kind="run.closed", run=run))
    return None if any(each.index > paused[-1].index for each in later) else paused[-1]


def resume(ledger: Ledger, paused: Entry, reason: str) -> None:
    """Put on record that a person lets a run go on."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    opened = next(ledger.entries(kind="run.opened", run=paused.run), None)
    named = opened.body.get("project") if opened is not None else ""
    project = named if isinstance(named, str) else ""
    body: dict[str, Json] = {"by": user, "uid": os.getuid(), "reason": reason, "paused": paused.index}
    draft = Draft(RESUMED, body, paused.run, project, frozenset({"by", "reason"}))
    ledger.append(draft)


def held_of(entry: Entry) -> dict[int, int]:
    """Return the processes that an entry says are held: start time by process id."""
    pairs = entry.body.get("processes")
    found: dict[int, int] = {}
    for each in pairs if isinstance(pairs, list) else ():
        if isinstance(each, list) and len(each) == 2:
            with contextlib.suppress(TypeError, ValueError):
                found[int(str(each[0]))] = int(str(each[1]))
    return found


def _send(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except OSError:
        return False  # gone, or another user's by now: nothing more we may do
    return True


def _fields(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the third on: state first (proc(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(") ")[2].split()


def _state(pid: int) -> str:
    return (_fields(pid) or ["X"])[0]


def _started(pid: int) -> int:
    fields = _fields(pid)
    return int(fields[19]) if len(fields) > 19 else 0


def _is_of(pid: int, run: str) -> bool:
    """Whether a process was started in a run: its number may be somebody else's by now."""
    try:
        return f"VERISTEP_RUN={run}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
