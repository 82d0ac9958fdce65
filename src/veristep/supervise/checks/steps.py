"""Steps: hears what training processes tell of their updates, and makes findings of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.guard.policy import Action, Policy
from veristep.guard.step import update
from veristep.supervise.checks.protocol import Check, Subject

_KINDS: Mapping[str, Callable[[Mapping[str, Any]], Finding]] = {
    "update": update.of,
}
_RULES = (update.RULE,)


def builder(policy: Policy) -> str:
    """Return what a run's processes look at updates with; nothing where a policy wants no finding."""
    wanted = any(policy.action(rule.id) is not Action.OFF for rule in _RULES)
    return "veristep.guard.step.session_torch:build" if wanted else ""


class Steps(Check):
    """Updates are the optimizer's, and what goes into them is what it should be."""

    name = "steps"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        # Counts of a process are told again and again, each time all of them.
        self._said: dict[tuple[object, str], Mapping[str, Any]] = {}
        self._errors = 0

    def hear(self, line: Mapping[str, Any]) -> list[Finding]:
        """Make findings of what processes tell."""
        if line.get("type") != "guard-step":
            return []
        kind = line.get("kind")
        if kind == "coverage":
            self._said[line.get("peer_pid"), str(line.get("stream"))] = line
        elif kind == "failed":
            self._errors += 1
        make = _KINDS.get(str(kind))
        return [make(line)] if make else []

    def coverage(self) -> Mapping[str, Tally]:
        """Return how many updates were computed once more, and why others were not."""
        seen: Counter[str] = Counter()
        missed: Counter[str] = Counter()
        for line in self._said.values():
            seen.update(_counts(line.get("seen")))
            missed.update(_counts(line.get("missed")))
        total, checked = seen["updates"], seen["updates checked"]
        if not total:
            return {}
        rest = total - checked - sum(missed.values())
        if rest > 0:
            missed["not told: the process ended before"] += rest
        return {"updates": Tally(total, checked, dict(missed))}


def _counts(value: object) -> dict[str, int]:
    found = value.items() if isinstance(value, Mapping) else ()
    return {str(key): count for key, count in found if isinstance(count, int)}
