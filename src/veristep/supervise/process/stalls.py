"""Makes findings of what the samplers of a run noted, and keeps the causes of all other waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json
from veristep.core.verdicts import Finding, Suspect
from veristep.guard import suspects
from veristep.guard.process import foreign_act, short_waits, stall, waited
from veristep.guard.process.waited import OTHERS, Culprit, Frame, Wait, Whose
from veristep.supervise.process.whose import Owners

MOST_STALLS = 1000


@dataclass(slots=True)
class Watched:
    """A process whose training thread is sampled.

    Attributes:
        stream: it trains under.
        native: the thread, as the kernel names it.
        told: whether the kernel tells what the thread waits for.
        samples: taken of it.
        ended: whether it said that it ends.
    """

    stream: str
    native: int = 0
    told: bool = True
    samples: int = 0
    ended: bool = False


@dataclass(slots=True)
class Stalls:
    """What was noted so far.

    Attributes:
        owners: whose a file is.
        typed: processes whose program was typed in (``-c``, standard input): no file has it.
        watched: processes by pid.
        causes: of stalls that are nobody's fault, with the seconds they took.
        failed: why a sampler failed, by pid.
    """

    owners: Owners
    typed: set[int] = field(default_factory=set)
    watched: dict[int, Watched] = field(default_factory=dict)
    causes: dict[str, float] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    _told: set[tuple[str, str, int]] = field(default_factory=set)

    def hear(self, note: Mapping[str, Any]) -> list[Finding]:
        """Take in a note; return what it makes.

        Raises:
            KeyError, TypeError, ValueError: it is not what a sampler writes.
        """
        pid, kind = int(note["by"]), note.get("kind")
        if kind == "act":
            return self._act(pid, note)
        seen = self.watched.setdefault(pid, Watched(str(note.get("stream", ""))))
        if kind == "begins":
            seen.native, seen.told = int(note["native"]), bool(note["told"])
            self.owners.add_standard(str(each) for each in note["standard"])
        elif kind == "wait":
            seen.samples = int(note["samples"])
            return self._short(pid, seen, note)
        elif kind == "stall":
            return self._stall(pid, seen, note)
        elif kind == "failed":
            self.failed[pid] = str(note.get("reason"))
        elif kind == "ends":
            seen.samples, seen.ended = int(note["samples"]), True
        return []

    def summary(self) -> dict[str, Json]:
        """Return the causes of stalls that are no finding, with how long they took."""
        top = sorted(self.causes.items(), key=lambda each: -each[1])[:50]
        return {cause: f"{seconds:.1f} s" for cause, seconds in top}

    def _short(self, pid: int, seen: Watched, note: Mapping[str, Any]) -> list[Finding]:
        wait = Wait.from_json(note)
        found = self._culprit(pid, wait)
        if found is None:
            return []
        made = short_waits.of(
            found,
            wait,
            seconds=float(note["seconds"]),
            samples=int(note["samples"]),
            pid=pid,
            rank=_rank(seen.stream),
            step=int(note["step"]),
            also=_suspects(found, pid),
        )
        return self._once(made, found)

    def _stall(self, pid: int, seen: Watched, note: Mapping[str, Any]) -> list[Finding]:
        waits = [Wait.from_json(each) for each in note["waits"]]
        seconds = float(note["seconds"])
        for wait in waits:
            found = self._culprit(pid, wait)
            if found is None:
                continue
            made = stall.of(
                found,
                wait,
                seconds=seconds,
                usual=float(note["usual"]),
                samples=int(note["samples"]),
                pid=pid,
                rank=_rank(seen.stream),
                step=int(note["step"]),
                also=_suspects(found, pid),
            )
            if made is not None:
                return self._once(made, found)
        if note.get("over") and len(self.causes) < MOST_STALLS:
            doing = [Frame(str(file), int(line), str(name)) for file, line, name in note["doing"]]
            ran, starved = float(note["ran"]), float(note["starved"])
            cause = waited.cause(waits, doing, ran, starved, seconds)
            self.causes[cause] = self.causes.get(cause, 0.0) + seconds
        return []

    def _act(self, pid: int, note: Mapping[str, Any]) -> list[Finding]:
        act, what = str(note["act"]), str(note["what"])
        as_wait = Wait.from_json(
            {"call": act, "sleeps": True, "count": 1, "steps": 1, "stack": note["stack"]}
        )
        found = self._culprit(pid, as_wait)
        if found is None and act in foreign_act.ALWAYS:
            found = Culprit(as_wait.stack[0], self.owners(as_wait.stack[0].file), inside=False)
        if found is None:
            return []
        also = _suspects(found, pid, "it did this")
        return self._once(foreign_act.of(act, what, found, as_wait.stack, pid, also), found)

    def _culprit(self, pid: int, wait: Wait) -> Culprit | None:
        if pid not in self.typed:
            return waited.culprit(wait, self.owners)
        return waited.culprit(wait, lambda file: _typed(self.owners(file), file))

    def _once(self, made: Finding | None, found: Culprit) -> list[Finding]:
        if made is None:
            return []
        key = (made.rule, found.frame.file, found.frame.line)
        if key in self._told:
            return []
        self._told.add(key)
        return [made]


def _typed(whose: Whose, file: str) -> Whose:
    return Whose.OWN if whose is Whose.GENERATED and file in ("<string>", "<stdin>") else whose


def _suspects(found: Culprit, pid: int, did: str = "") -> tuple[Suspect, ...]:
    path = Path(found.frame.file)
    where = waited.suspects(found) if not did else (Suspect("line", waited.words(found.frame), did),)
    files: tuple[Suspect, ...] = ()
    if found.whose in OTHERS and path.is_absolute():
        files = suspects.of_file(path, how="the code claims to come from it")
    return (*where, *files, Suspect("process", str(pid), "the process it happened in"))


def _rank(stream: str) -> int | None:
    number = stream.partition(".")[0]
    return int(number) if number.isdecimal() else None
