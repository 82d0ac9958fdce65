"""DATA005: data changed while a run was reading it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("DATA005", "data changed while a run was reading it")


def finding(place: str, name: str, of: Finding, when: str) -> Finding:
    """Return the finding for a file whose content became another one during a run.

    Args:
        place: the file.
        name: of the data it belongs to.
        of: what the comparison with the manifest says.
        when: the steps between which it happened.
    """
    detail = "; ".join(each for each in (str(of.evidence.get("detail") or ""), when) if each)
    return replace(
        of,
        rule=RULE.id,
        severity=RULE.severity,
        summary=f"{place} changed while the run was reading {name}: {when}",
        evidence={**of.evidence, "detail": detail, "hint": _HINT},
    )


def put_back(place: str, name: str, when: str, signs: Sequence[str], *, harmless: bool) -> Finding:
    """Return the finding for a file that was written or replaced during a run, and has its content again.

    Args:
        place: the file.
        name: of the data it belongs to.
        when: the steps between which it happened.
        signs: what tells.
        harmless: whether a change of owner, mode or number of names explains it.
    """
    said = suspects.of_file(Path(place), how=f"touched during the run: {', '.join(signs)}")
    what = "was touched" if harmless else "was written or replaced"
    return RULE.finding(
        f"{place} {what} while the run was reading {name}, and has its locked content now: {when}",
        suspects=said,
        severity=Severity.INFO if harmless else Severity.WARNING,
        path=place,
        data=name,
        detail=f"{', '.join(signs)} differ; {when}",
        hint="" if harmless else _HINT,
    )


def opened_otherwise(place: str, name: str, opened: tuple[int, int], locked: tuple[int, int]) -> Finding:
    """Return the finding for a file that was another one when the run opened it.

    Args:
        place: the file.
        name: of the data it belongs to.
        opened: size and modification time as the process saw them.
        locked: as they were before and after.
    """
    said = suspects.of_file(Path(place), how="the run opened it with another size or time")
    return RULE.finding(
        f"{place} was another file when the run opened it than it was before",
        suspects=(*said, Suspect("process", "of the run", "it noted size and time at the open")),
        path=place,
        data=name,
        expected=f"{locked[0]} bytes, modified at {locked[1]} ns",
        got=f"{opened[0]} bytes, modified at {opened[1]} ns",
        hint=_HINT,
    )


_HINT = (
    "what was read between these steps is not known to be the locked data: audit them; "
    "veristep data seen FILE tells which of them drew it"
)
