"""What happens to the processes of a run from outside, and what they open."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding, Severity
from veristep.guard.policy import Action
from veristep.guard.process import fell_silent, killed, signalled, stopped, traced, unheard
from veristep.guard.process.sampler import TICK_PREFIX
from veristep.ledger.entries import Draft
from veristep.record.shared import BEAT_PREFIX, Pair
from veristep.supervise.checks.process import FAMILY
from veristep.supervise.checks.protocol import Check, Subject
from veristep.supervise.process import table, ways_in
from veristep.supervise.process.baseline import ENTRY, Baseline
from veristep.supervise.process.memory import OutOfMemory
from veristep.supervise.process.node import ABSENT, Node
from veristep.supervise.process.scanner import Scanner
from veristep.supervise.process.told import Told

# What the node agent can tell of.
FACILITIES = ("signals", "debuggers", "memory files", "writers")
# How often the files that open a way in are looked at.
FILES_SECONDS = 10.0
# From when on a sampler without a sign is silent, and how many steps the process must have taken meanwhile.
SILENT_SECONDS, SILENT_STEPS = 15.0, 5
# A signal that was sent to us this long ago explains an end.
ASKED_SECONDS = 300.0


class Around(Check):
    """Stops, debuggers, kills, doors, programs, and files that open a way in."""

    name = "processes"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._off = subject.policy.action(FAMILY) is Action.OFF
        self._scanner = Scanner(Baseline())
        self._ways: ways_in.WaysIn | None = None
        self._memory = OutOfMemory.now()
        self._files_at = 0.0
        self._asked_at = 0.0
        self._returncode: int | None = None
        self._signs: dict[str, tuple[int, int, float, int]] = {}
        self._silent: set[str] = set()
        self._told = Told(os.getpid(), table.ancestors(os.getpid()))
        self._node: Node | None = None
        self._folders: set[str] = set()
        self._covers: dict[str, str] = {}

    def before(self) -> list[Finding]:
        """Learn what earlier runs did, and how the files stand that open a way in."""
        if self._off:
            return []
        subject = self._subject
        project = self._project()
        entries = subject.ledger.entries(kind=ENTRY)
        mine = [entry.body for entry in entries if entry.project == project]
        self._scanner = Scanner(Baseline.of(mine), subject.command)
        home = subject.environment.get("HOME", "")
        self._ways = ways_in.WaysIn(ways_in.places(home))
        self._node = Node()
        return []

    def started(self, pid: int) -> None:
        """Learn which process is the command's."""
        self._scanner.root = pid

    def ended(self, returncode: int) -> None:
        """Learn how the command ended, as `subprocess` has it."""
        self._returncode = returncode

    def hear(self, line: Mapping[str, Any]) -> list[Finding]:
        """Judge a signal that was sent to the supervisor, and by it to the command."""
        if line.get("type") == "unheard" and not self._off:
            pid = int(line["pid"])
            return [
                unheard.of(pid, str(line["program"]), table.suspects(pid, "a descendant of the command"))
            ]
        self._heed(str(line.get("type")))
        if line.get("type") == "artifact" and isinstance(line.get("path"), str):
            self._wrote(str(line["path"]))
        if line.get("type") != "signal" or self._off:
            return []
        self._asked_at = time.monotonic()
        pid, uid = int(line.get("sender_pid", 0)), int(line.get("sender_uid", 0))
        sender = str(line.get("sender", ""))
        name = sender.split(" ", 1)[0].rpartition("/")[2].rstrip(":")
        if (
            not pid
            or pid in self._scanner.seen
            or pid in self._told.above
            or name in signalled.SCHEDULERS
            or not sender
        ):
            return []
        words = f"process {pid} ({sender})"
        also = table.suspects(pid, "si_pid of the signal: the kernel's word")
        own = bool(line.get("same_session"))
        foreign = uid not in (os.getuid(), 0)
        number = int(line.get("signal", 0))
        return [signalled.of(os.getpid(), number, words, also, foreign=foreign, own=own)]

    def _heed(self, kind: str) -> None:
        """Know what the policy itself does to the processes: `supervise.holding`."""
        if kind in ("paused", "resumed"):
            self._scanner.hold(held=kind == "paused")
        elif kind == "stopped":
            self._asked_at = time.monotonic()

    def look(self) -> list[Finding]:
        """Look at the processes, and now and then at the files."""
        if self._off or not self._scanner.root:
            return []
        now = time.monotonic()
        found = self._agent()
        found += self._not_told(self._scanner.look(now)) + self._silence(now)
        if self._ways is not None and now - self._files_at >= FILES_SECONDS:
            self._files_at = now
            found += self._ways.look()
        return found

    def finish(self) -> list[Finding]:
        """Look at the files a last time, judge the end, and leave on record what this run did."""
        if self._off:
            return []
        found = self._ways.look() if self._ways is not None else []
        found += self._agent() + self._end()
        if self._node is not None:
            self._node.close()
        body = self._scanner.baseline.body({})
        subject = self._subject
        subject.ledger.append(Draft(ENTRY, body, subject.run, subject.project))
        return found

    def coverage(self) -> Mapping[str, Tally]:
        """Return what was looked at."""
        if self._off or not self._scanner.root:
            return {}
        seen = len(self._scanner.seen)
        found = {"processes": Tally(seen, seen)}
        if self._ways is not None:
            found["ways in"] = Tally(self._ways.count, self._ways.count)
        reasons = Counter(self._covers.get(name, ABSENT) for name in FACILITIES)
        covered = reasons.pop("covered", 0)
        found["facilities of the node agent"] = Tally(len(FACILITIES), covered, reasons)
        return found

    def _project(self) -> str:
        opened = next(self._subject.ledger.entries(run=self._subject.run, kind="run.opened"))
        return opened.project

    def _end(self) -> list[Finding]:
        code, pid = self._returncode, self._scanner.root
        if code != -signal.SIGKILL or pid in self._told.killed:
            return []
        asked = self._asked_at and time.monotonic() - self._asked_at < ASKED_SECONDS
        memory = OutOfMemory.now().since(self._memory)
        if asked or memory:
            # A scheduler that asked first kills later; for want of memory the kernel kills.
            why = memory or "after it had been asked to end"
            return [killed.of(pid, signal.SIGKILL, "", (), detail=why, severity=Severity.INFO, memory=why)]
        return [killed.of(pid, signal.SIGKILL, "", ())]

    def _wrote(self, path: str) -> None:
        """Have it told who else writes a file that the run wrote."""
        real = os.path.realpath(path)
        folder = os.path.dirname(real)  # noqa: PTH120
        self._told.wrote.add(real)
        if self._node is not None and folder not in self._folders:
            self._folders.add(folder)
            self._node.watch(folder)

    def _agent(self) -> list[Finding]:
        """Take in what the node agent told."""
        found: list[Finding] = []
        if self._node is None:
            return found
        self._covers = self._node.covers
        for event in self._node.events():
            with contextlib.suppress(KeyError, TypeError, ValueError):
                found += self._told.hear(event)
        return found

    def _not_told(self, found: list[Finding]) -> list[Finding]:
        """Leave out what the agent has told already, with more."""
        kept = []
        for each in found:
            pid = each.evidence.get("pid")
            if each.rule == stopped.RULE.id and pid in self._told.stopped:
                continue
            if each.rule == traced.RULE.id and any(pid == target for target, _ in self._told.traced):
                continue
            kept.append(each)
        return kept

    def _silence(self, now: float) -> list[Finding]:
        found = []
        for path in Path(self._subject.boot).glob(f"{TICK_PREFIX}*"):
            stream = path.name.removeprefix(TICK_PREFIX)
            if stream in self._silent:
                continue
            samples, steps = _numbers(path), _numbers(path.with_name(f"{BEAT_PREFIX}{stream}"))
            last = self._signs.get(stream)
            if last is None or last[0] != samples:
                self._signs[stream] = (samples, steps, now, 0)
                continue
            taken, waited = steps - last[1], now - last[2]
            # Steps in this very look too: a process that has ended takes none.
            if waited >= SILENT_SECONDS and taken >= SILENT_STEPS and steps != last[3]:
                if last[3]:
                    self._silent.add(stream)
                    found.append(fell_silent.of(stream, taken, waited))
                self._signs[stream] = (last[0], last[1], last[2], steps)
        return found


def _numbers(path: Path) -> int:
    try:
        pair = Pair(path)
    except OSError:
        return 0
    first = pair.get()[0]
    pair.close()
    return first
