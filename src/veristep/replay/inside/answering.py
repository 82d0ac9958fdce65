"""What a replaying process says in the end, gathered step by step."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from veristep.core.canonical import Json
from veristep.core.records import StepRecord
from veristep.core.units import MOST_WITHOUT
from veristep.replay import order as words
from veristep.replay.order import Answer, Difference, Sampled

# More than this many differences between the script's own inputs and the recorded ones are not told.
MAX_OWN = 5000


class Answering:
    """The answer of one replaying process: it grows with each step, and saying it ends the process."""

    def __init__(self, results: Path, stream: str, start: int, platform: Mapping[str, Json]) -> None:
        self._path = results / f"{stream}.json"
        self._answer = Answer(words.MATCHED, platform=platform)
        # The last step whose every block was compared and equal, or the start.
        self._certain = start
        self._states = 0
        self._without = 0

    @property
    def open(self) -> bool:
        """Whether nothing has contradicted the record so far."""
        return self._answer.status in (words.MATCHED, words.OBSERVED)

    def count(self, condition: str, outcome: str) -> None:
        """Count a step for one of the conditions: `order.CHECKED`, or why it was not."""
        outcomes = self._answer.conditions.setdefault(condition, {})
        outcomes[outcome] = outcomes.get(outcome, 0) + 1

    def matched(self, record: StepRecord) -> None:
        """Count a step whose digests were all equal."""
        digests = [each for each in (record.entry, record.grads, record.params) if each is not None]
        self._without = 0 if any(each.units for each in digests) else self._without + 1
        if self._without > MOST_WITHOUT:
            # The recorder never leaves out so many: a record that shows nothing proves nothing.
            self.fail(
                f"the records of {self._without} steps to {record.step} hold no digest to compare with"
            )
        if all(each.complete for each in digests):
            self._certain = record.step + 1
        self._answer = replace(
            self._answer,
            steps=self._answer.steps + 1,
            blocks=self._answer.blocks + sum(each.total for each in digests),
            blocks_checked=self._answer.blocks_checked + sum(each.units for each in digests),
        )

    def matched_state(self) -> None:
        """Note that the whole state was equal to a snapshot of the run."""
        self._states += 1

    def make_own(
        self,
        step: int,
        what: str,
        expected: str,
        got: str,
        name: str = "",
        detail: str = words.OWN_OUTCOME,
    ) -> None:
        """Note that the script by itself makes another batch, random state or hyperparameter."""
        if len(self._answer.own) < MAX_OWN:
            names = [name] if name else []
            self._answer.own.append(Difference(step, what, names, expected, got, step, detail))

    def note(self, note: str) -> None:
        """Note what weakens the comparison without contradicting it."""
        if note not in self._answer.notes:
            self._answer = replace(self._answer, notes=[*self._answer.notes, note])

    def differ(
        self, step: int, what: str, tensors: list[str], expected: str, got: str, detail: str = ""
    ) -> NoReturn:
        """Say where the replay differs from the record, and end."""
        self.hold(step, what, tensors, expected, got, detail)
        self.done()

    def hold(
        self, step: int, what: str, tensors: list[str], expected: str, got: str, detail: str = ""
    ) -> None:
        """Note where the replay differs from the record, and go on: how far is still to be measured."""
        difference = Difference(step, what, tensors, expected, got, self._certain, detail)
        self._answer = replace(self._answer, status=words.DIFFERED, difference=difference)

    def measured(self, samples: Sequence[Sampled]) -> None:
        """Add to a difference how far it goes."""
        if self._answer.difference is not None:
            difference = replace(self._answer.difference, samples=list(samples))
            self._answer = replace(self._answer, difference=difference)

    def observed(self, samples: Sequence[Sampled]) -> None:
        """Say what was computed, in a replay that compares nothing."""
        both = [*self._answer.observed, *samples]
        self._answer = replace(self._answer, status=words.OBSERVED, observed=both)

    def fail(self, reason: str) -> NoReturn:
        """Say why the replay cannot be judged, and end."""
        self._answer = replace(self._answer, status=words.FAILED, reason=reason)
        self.done()

    def refuse(self, path: str) -> NoReturn:
        """Say that the script would write outside its scratch, and end."""
        self._answer = replace(self._answer, status=words.REFUSED, reason=f"would write {path}")
        self.done()

    def ended(self, steps: int) -> None:
        """Say that the script was over before the interval was."""
        reason = f"the script ended after step {steps} of the replay"
        if self.open:
            self._answer = replace(self._answer, status=words.ENDED, reason=reason)
        self._answer.save(self._path)

    def done(self) -> NoReturn:
        """Save the answer and end the process."""
        if self.open and self._answer.steps and not self._answer.blocks_checked and not self._states:
            # Short steps show a digest now and then, and a snapshot stands at most ends.
            reason = "the records of these steps hold no digest to compare with"
            self._answer = replace(self._answer, status=words.FAILED, reason=reason)
        self._answer.save(self._path)
        sys.stdout.flush()
        sys.stderr.flush()
        # The script must not go on: it would train, save and clean up for nothing.
        os._exit(0)
