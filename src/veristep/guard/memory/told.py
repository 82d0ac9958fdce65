"""What processes noted of their memory, made into findings: what stands where, and whose it is.

For the supervisor: nothing here is imported in a training process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from veristep.core.canonical import Json
from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard import suspects
from veristep.guard.memory.owners import RECORDED, Whose
from veristep.guard.rule import Rule


@dataclass(frozen=True, slots=True)
class Code:
    """One code object behind what was found.

    Attributes:
        file: it says it comes from.
        line: of its definition.
        name: its qualified name.
        digest: see `guard.env.code_digest`; empty when not taken.
        whose: the file is.
    """

    file: str
    line: int
    name: str
    digest: str
    whose: Whose

    @property
    def where(self) -> str:
        """File and line, as people are shown it."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Found:
    """Something that was found in the memory of a process.

    Attributes:
        place: where, in words: ``torch.optim.SGD.step``.
        codes: the code behind it, the outermost first.
        pid: of the process.
        rank: of the process; None when it has none.
        time_ns: when it was told, nanoseconds since the epoch.
        loads: files that were loaded in the process before, and ran something.
    """

    place: str
    codes: tuple[Code, ...]
    pid: int
    rank: int | None = None
    time_ns: int = 0
    loads: tuple[str, ...] = ()

    @property
    def worst(self) -> Code | None:
        """The least trusted code of it; the outermost of several."""
        order = list(Whose)
        return max(self.codes, key=lambda each: order.index(each.whose), default=None)


# How bad it is that code of somebody stands where a library's own should: nothing of anybody else has
# business there.
IN_PLACE_OF = {
    Whose.OWN: Severity.INFO,
    Whose.VERSIONED: Severity.WARNING,
    Whose.OUTSIDE: Severity.ERROR,
    Whose.START: Severity.ERROR,
    Whose.UNLISTED: Severity.ERROR,
    Whose.EXPOSED: Severity.ERROR,
    Whose.GENERATED: Severity.ERROR,
    Whose.GONE: Severity.ERROR,
}
# The same, where a library that is somebody's own, in a folder of theirs, may well have put it.
BESIDE = {
    **IN_PLACE_OF,
    Whose.VERSIONED: Severity.INFO,
    Whose.OUTSIDE: Severity.WARNING,
    Whose.GENERATED: Severity.WARNING,
}


def judged(
    rule: Rule,
    found: Found,
    said: str,
    scale: dict[Whose, Severity] = BESIDE,
    *,
    own_is_fine: bool = False,
) -> Finding | None:
    """Return the finding that something makes under a rule; None where nothing is to be said of it.

    Args:
        rule: it falls under.
        found: the thing.
        said: what is the matter with it, a sentence without its subject.
        scale: how bad it is, by whose it is.
        own_is_fine: whether the run's own code is not even worth a note.
    """
    code = found.worst
    if code is None or code.whose in RECORDED or (own_is_fine and code.whose in (Whose.OWN,)):
        return None
    return finding(rule, found, f"{found.place} {said} {code.name} of {code.where}", scale[code.whose])


def finding(rule: Rule, found: Found, summary: str, severity: Severity) -> Finding:
    """Return the finding of something that was found."""
    code = found.worst
    whose = f", which is {code.whose.value}" if code else ""
    pointed = _suspects(code) if code else ()
    evidence: dict[str, Json] = {"place": found.place, "pid": found.pid, "time_ns": found.time_ns}
    evidence["code"] = [f"{each.name} ({each.where}, {each.whose.value})" for each in found.codes]
    if code:
        evidence |= {"path": code.file, "line": code.line, "got": code.name}
    made = rule.finding(
        f"{summary}{whose}",
        severity=severity,
        suspects=(*pointed, *_loads(found.loads), _process(found)),
        rank=found.rank,
    )
    return replace(made, evidence=evidence)


def _suspects(code: Code) -> Sequence[Suspect]:
    if code.whose in (Whose.GENERATED,):
        return (Suspect("code", code.where, "the code says that it was made there"),)
    found = list(suspects.of_file(Path(code.file), how=f"{code.name} is defined at its line {code.line}"))
    if code.whose in (Whose.OWN, Whose.VERSIONED):
        commit = suspects.last_commit(Path(code.file))
        found += [commit] if commit else []
    return found


def _loads(paths: Sequence[str]) -> tuple[Suspect, ...]:
    return tuple(
        Suspect("load", path, "loaded in the same process before, and let run what it named")
        for path in paths
    )


def _process(found: Found) -> Suspect:
    rank = "" if found.rank is None else f", rank {found.rank}"
    return Suspect("process", f"{found.pid}{rank}", "it wrote the note")
