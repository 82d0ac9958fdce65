"""A rule: what is looked for, under an id that never changes meaning.

Each rule stands in a file of its own below the folder of its family, as a constant ``RULE`` with the
function that applies it. ``docs/rules/ID.md`` is its page.
"""

from __future__ import annotations

from dataclasses import dataclass

from veristep.core.canonical import Json
from veristep.core.verdicts import Finding, Severity, Suspect


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for.

    Attributes:
        id: family and number: ``ENV001``.
        title: what is wrong when it is found, in a few words: the title of its page.
        severity: of its findings, unless one says otherwise.
    """

    id: str
    title: str
    severity: Severity = Severity.ERROR

    def finding(
        self,
        summary: str,
        *,
        suspects: tuple[Suspect, ...] = (),
        severity: Severity | None = None,
        run: str = "",
        rank: int | None = None,
        step: int | None = None,
        **evidence: Json,
    ) -> Finding:
        """Return a finding of this rule.

        Evidence that people are shown by name: ``path`` (and ``line``), ``expected`` and ``got``,
        ``detail``, ``diff`` (lines of a readable comparison), ``hint``.
        """
        return Finding(
            rule=self.id,
            severity=severity or self.severity,
            summary=summary,
            run=run,
            rank=rank,
            step=step,
            suspects=suspects,
            evidence=evidence,
        )
