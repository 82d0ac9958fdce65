"""Steps: hears what training processes tell of their updates, and makes findings of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding, Severity
from veristep.guard.policy import Action, Policy
from veristep.guard.step import (
    between,
    gradient,
    known_answer,
    own_code,
    reseeded,
    samples,
    schedule,
    signals,
    update,
)
from veristep.guard.step.random_states import RandomStates
from veristep.guard.step.signals import Signals
from veristep.ledger.entries import Draft
from veristep.supervise.checks.protocol import Check, Subject

_RULES = (
    update.RULE,
    between.RULE,
    gradient.RULE,
    schedule.RULE,
    reseeded.RULE,
    samples.RULE,
    known_answer.RULE,
    signals.RULE,
)
_INSTALLED = re.compile(r"/(?:site|dist)-packages/|/lib/python3\.\d+/|^<frozen ")
_LEARNED = "learned now: nothing was known of this build and processor"
_MOST_SEEDS = 10
# Notes of one rule in one run: what a script does by habit is said, not repeated.
_MOST_NOTES = 6


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
        self._places: dict[re.Pattern[str], list[str]] = {}
        self._states: dict[str, RandomStates] = {}
        self._notes: Counter[str] = Counter()
        self._seeded: Counter[str] = Counter()
        self._signals = Signals()
        self._answered = self._learned = self._foreign = 0

    def hear(self, line: Mapping[str, Any]) -> list[Finding]:
        """Make findings of what processes tell."""
        kind = line.get("type")
        if kind == "step":
            found = [self._step(line), *self._signals.add(line)]
        elif kind == "guard-step":
            found = [self._told(line)]
        else:
            return []
        return [each for each in found if each is not None and not self._is_repeated(each)]

    def coverage(self) -> Mapping[str, Tally]:
        """Return how many updates were computed once more, and why others were not."""
        seen: Counter[str] = Counter()
        missed: Counter[str] = Counter()
        epochs: Counter[str] = Counter()
        for line in self._said.values():
            seen.update(_counts(line.get("seen")))
            missed.update(_counts(line.get("missed")))
            epochs.update(_counts(line.get("epochs")))
        between_missed = {key: missed.pop(key) for key in list(missed) if key.startswith("between: ")}
        found: dict[str, Tally] = {}
        if seen["updates"]:
            rest = seen["updates"] - seen["updates checked"] - sum(missed.values())
            if rest > 0:
                missed["not told: the process ended before"] += rest
            found["updates"] = Tally(seen["updates"], seen["updates checked"], dict(missed))
            total = seen["between"] + sum(between_missed.values())
            reasons = {key.removeprefix("between: "): count for key, count in between_missed.items()}
            found["weights between updates"] = Tally(total, seen["between"], reasons)
            found["gradients"] = Tally(seen["updates"], seen["gradients"], _rest(seen, "gradients"))
            found["hyperparameters"] = Tally(seen["updates"], seen["rates"])
        if self._answered:
            reasons = {_LEARNED: self._learned} if self._learned else {}
            found["known answers"] = Tally(self._answered, self._answered - self._learned, reasons)
        if seen["epochs"] or epochs:
            total = seen["epochs"] + sum(epochs.values())
            found["epochs"] = Tally(total, seen["epochs"], dict(epochs))
        return found

    def _told(self, line: Mapping[str, Any]) -> Finding | None:
        kind = line.get("kind")
        if kind == "coverage":
            self._said[line.get("peer_pid"), str(line.get("stream"))] = line
        elif kind == "update":
            return update.of(line)
        elif kind == "between":
            return between.of(line, self._own(own_code.WRITES_TENSORS))
        elif kind == "gradient":
            clips = self._own(own_code.CLIPS)
            # Parts that are clipped each by itself have a factor each.
            return gradient.of(
                line, self._own(own_code.WRITES_GRADIENTS) + (clips if len(clips) > 1 else [])
            )
        elif kind == "schedule":
            return schedule.of(line, self._own(own_code.SETS_HYPERPARAMETERS))
        elif kind == "samples":
            return samples.of(line)
        elif kind == "answers":
            return self._answers(line)
        elif kind == "seed":
            return self._seed(line)
        return None

    def _answers(self, line: Mapping[str, Any]) -> Finding | None:
        self._answered += 1
        if line.get("changed"):
            return known_answer.of_change(line)
        subject = self._subject
        bodies = (entry.body for entry in subject.ledger.entries(kind=known_answer.ENTRY))
        known = known_answer.known(line, bodies)
        if known is not None:
            return known_answer.of(line, known)
        self._learned += 1
        subject.ledger.append(
            Draft(known_answer.ENTRY, known_answer.body(line), subject.run, subject.project)
        )
        return None

    def _seed(self, line: Mapping[str, Any]) -> Finding | None:
        stream, file = str(line.get("stream", "")), str(line.get("file", ""))
        own = file.startswith((f"{self._subject.root}/", f"{self._subject.cwd}/"))
        if own or _INSTALLED.search(file):
            self._seeded[stream] += 1
            return None
        if line.get("put_back"):
            return None  # what comes again by it is told as such
        self._foreign += 1
        return reseeded.of_call(line) if self._foreign <= _MOST_SEEDS else None

    def _step(self, line: Mapping[str, Any]) -> Finding | None:
        stream, rng, number = str(line.get("stream")), line.get("rng"), line.get("step")
        if not isinstance(rng, str) or not rng or not isinstance(number, int):
            return None
        states = self._states.setdefault(stream, RandomStates())
        earlier = states.add(number, rng)
        if earlier is None or self._seeded[stream]:
            return None
        return reseeded.of_return(stream, number, earlier)

    def _own(self, construct: re.Pattern[str]) -> list[str]:
        if construct not in self._places:
            self._places[construct] = own_code.places(Path(self._subject.root), construct)
        return self._places[construct]

    def _is_repeated(self, found: Finding) -> bool:
        if found.severity is not Severity.INFO:
            return False
        self._notes[found.rule] += 1
        return self._notes[found.rule] > _MOST_NOTES


def _rest(seen: Mapping[str, int], key: str) -> dict[str, int]:
    rest = seen["updates"] - seen[key]
    return {"left out, or reduced by the script itself": rest} if rest > 0 else {}


def _counts(value: object) -> dict[str, int]:
    found = value.items() if isinstance(value, Mapping) else ()
    return {str(key): count for key, count in found if isinstance(count, int)}
