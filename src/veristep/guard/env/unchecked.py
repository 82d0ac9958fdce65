"""ENV005: byte code that asks not to be checked against its source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard import suspects
from veristep.guard.env.byte_code import Judged, Outcome, source_of
from veristep.guard.rule import Rule

RULE = Rule("ENV005", "Byte code that is never checked against its source")


def look(judged: Iterable[Judged]) -> Iterator[Finding]:
    """Yield a finding for each unchecked hash-based file (PEP 552)."""
    for each in judged:
        if each.outcome is Outcome.UNCHECKED:
            yield RULE.finding(
                f"{each.path} runs whatever its source says",
                suspects=suspects.of_file(Path(each.path), how="its header says: do not check the source"),
                path=each.path,
                expected="a header with time and size of the source, as installers write it",
                got=f"a header by which {source_of(each.path)} is not looked at",
                hint="installers write such files only when told to; `veristep run` does not use them",
            )
