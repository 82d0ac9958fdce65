"""Whether a file that lies at a recorded path is what was recorded, and if not, what it is instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from veristep.core.verdicts import Finding, Suspect
from veristep.guard import suspects
from veristep.guard.file import changed, foreign, optimizer, swapped
from veristep.guard.rule import Rule
from veristep.ledger.log import Ledger
from veristep.supervise.artifacts import difference, store
from veristep.supervise.artifacts.difference import Difference
from veristep.supervise.artifacts.known import Known, Written
from veristep.supervise.artifacts.members import describe


@dataclass(frozen=True, slots=True)
class FileNow:
    """A file as it was just read.

    Attributes:
        path: as it was named.
        also_known_as: the same without symbolic links.
        size, sha256, mtime_ns: what it is.
    """

    path: str
    also_known_as: str
    size: int
    sha256: str
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """What the record says of a file.

    Attributes:
        last: the last recorded writing to its path; None when there is none.
        same: all recorded writings of its content.
        finding: what is wrong; None when nothing is, or nothing is known.
    """

    last: Written | None
    same: Sequence[Written]
    finding: Finding | None


def judge(ledger: Ledger, known: Known, file: FileNow) -> Judged:
    """Hold a file against the record."""
    last = known.last(file.path, file.also_known_as)
    same = known.by_content.get(file.sha256, [])
    if last is None or last.sha256 == file.sha256:
        return Judged(last, same, None)
    if same:
        return Judged(last, same, _swapped(file, last, same))
    return Judged(last, same, _changed(ledger, file, last))


def _swapped(file: FileNow, last: Written, same: Sequence[Written]) -> Finding:
    other = max(same, key=lambda each: (each.path == last.path, each.run == last.run, each.index))
    content = Suspect("content", f"{other.path} of {other.words}", "that writing has the same SHA-256")
    age = "an older one" if _is_older(other, last) else "another recorded file"
    summary = f"{file.path} is not what {_writing(last)}, but {age}: {other.path} of step {other.step}"
    return _finding(swapped.RULE, file, last, summary, (content,), detail="")


def _is_older(other: Written, last: Written) -> bool:
    return other.run == last.run and other.stream == last.stream and other.step < last.step


def _changed(ledger: Ledger, file: FileNow, last: Written) -> Finding:
    recorded = store.find(ledger, last.sha256)
    if recorded is None:
        summary = f"{file.path} is not what {_writing(last)}: it was changed since"
        return _finding(changed.RULE, file, last, summary, (), detail="")
    try:
        now = describe(Path(file.path))
    except OSError:
        now = None
    differs = difference.between(recorded, now)
    if not differs.alike:
        summary = f"{file.path} is not what {_writing(last)}, but a file of another make"
        return _finding(foreign.RULE, file, last, summary, (), detail=_detail(differs))
    told = [each for each in differs.all if not difference.is_bookkeeping(each)]
    named = difference.named(told, 2)
    if differs.optimizer_only:
        summary = f"{file.path} is not what {_writing(last)}: its optimizer's state was altered, {named}"
        return _finding(optimizer.RULE, file, last, summary, (), detail=_detail(differs))
    summary = (
        f"{file.path} is not what {_writing(last)}: it was changed since{', ' + named if named else ''}"
    )
    return _finding(changed.RULE, file, last, summary, (), detail=_detail(differs))


def _detail(differs: Difference) -> str:
    parts = [
        (what, [each for each in members if not difference.is_bookkeeping(each)])
        for what, members in (
            ("changed", differs.changed),
            ("added", differs.added),
            ("gone", differs.gone),
        )
    ]
    said = [f"{what}: {difference.named(members)}" for what, members in parts if members]
    return "; ".join(said) or "no part that is on record differs: it was changed between or behind them"


def _writing(last: Written) -> str:
    return f"run {last.run} wrote at step {last.step}"


def _finding(
    rule: Rule, file: FileNow, last: Written, summary: str, more: tuple[Suspect, ...], *, detail: str
) -> Finding:
    pointed = suspects.of_file(Path(file.path), how="its SHA-256 is not the recorded one")
    return rule.finding(
        summary,
        suspects=(*pointed, *more),
        run=last.run,
        rank=last.rank,
        step=last.step,
        path=file.path,
        writer=last.run,
        written_step=last.step,
        expected=last.sha256,
        got=file.sha256,
        mtime_ns=file.mtime_ns,
        detail=detail,
        expected_size=last.size,
        size=file.size,
        entry=last.index,
    )
