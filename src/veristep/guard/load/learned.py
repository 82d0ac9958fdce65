"""LOAD008: a file wants what no file of the project's earlier runs wanted.

What a project's checkpoints need beyond the profiles is on record, run by run: a block list cannot know
that the forty-one before never needed `posix.system`, the record does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from veristep.core.canonical import Json
from veristep.core.verdicts import Finding, Severity
from veristep.guard.load.told import Notice, finding, subject
from veristep.guard.rule import Rule

RULE = Rule("LOAD008", "a load wants what none before it did", Severity.WARNING)
ENTRY = "load.profile"
# A project's first runs have nothing to be compared with.
FEWEST_RUNS = 3
# One entry holds 64 KiB.
_MOST_NAMES = 500

Pair = tuple[str, str]


@dataclass(slots=True)
class Profile:
    """What the loads of a project's runs have named beyond the lists.

    Attributes:
        runs: how many runs are on record.
        known: what their files named.
        wanted: what this run's files named, and was let pass.
    """

    runs: int = 0
    known: set[Pair] = field(default_factory=set)
    wanted: set[Pair] = field(default_factory=set)
    _told: set[Pair] = field(default_factory=set)

    @classmethod
    def of(cls, runs: int, bodies: Iterable[Mapping[str, Any]]) -> Profile:
        """Return the profile that entries of earlier runs make together."""
        known = set()
        for body in bodies:
            for each in body.get("names", []):
                if isinstance(each, (list, tuple)) and len(each) == 2:
                    known.add((str(each[0]), str(each[1])))
        return cls(runs, known)

    def hear(self, notice: Notice) -> Finding | None:
        """Take in what a load named; return a finding when no earlier run's files did."""
        pair = (str(notice.get("module")), str(notice.get("name")))
        refused = bool(notice.get("refused"))
        if not refused:
            # What was refused is not learned: an attack must not teach.
            self.wanted.add(pair)
        if pair in self.known or pair in self._told or self.runs < FEWEST_RUNS:
            return None
        self._told.add(pair)
        own = notice.get("kind") == "needs"
        said = f"{subject(notice)} wants {'.'.join(pair)}; the {self.runs} runs before it did not"
        return finding(RULE, notice, said, severity=Severity.INFO if own else None)

    def body(self) -> dict[str, Json]:
        """Return the body of this run's entry."""
        new = sorted(self.wanted)[:_MOST_NAMES]
        return {"names": [list(pair) for pair in new], "left_out": len(self.wanted) - len(new)}
