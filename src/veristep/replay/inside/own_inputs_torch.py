"""What a conditioned replay takes as recorded, compared with what the script makes by itself.

The script stands elsewhere in its own course than the run did, so only some of it can be compared: what a
scheduler sets from the snapshot on, what a sampler gives from where an epoch began, what is drawn from
random states that were imposed a step before. A difference here accuses nobody: it is settled by
`replay.settle`. What cannot be compared is counted by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from veristep.core.records import StepRecord
from veristep.record import randomness_torch as randomness
from veristep.record.assemble_torch import hyper_json
from veristep.record.sources_torch import restore_schedulers
from veristep.record.state_torch import Roster, Tree, hyperparameters
from veristep.replay import order as words
from veristep.replay.inside.answering import Answering
from veristep.replay.inside.compare_torch import differing_random_states, same_tensor, shown
from veristep.replay.inside.order_check_torch import OrderCheck
from veristep.replay.inside.own_hyper import Groups, OwnHyperparameters, follows
from veristep.replay.inside.schedule_torch import Walk, governs, set_by, walk
from veristep.replay.order import Order, StreamOrder

EPOCH_BETWEEN = "an epoch or an evaluation began in between, here or in the run"
FIRST_STEP = "drawn before the interval's state was put in place"
ELSEWHERE = "the script sets it by itself, by where it stands in its own course"


class OwnInputs:
    """Compares, step by step, and counts."""

    def __init__(self, order: Order, mine: StreamOrder, objects: Path, answer: Answering) -> None:
        self._order = order
        self._mine = mine
        self._objects = objects
        self._answer = answer
        self._hyper: dict[int, OwnHyperparameters] = {}
        self._walks: dict[int, list[Walk]] = {}
        self._off: dict[int, set[int]] = {}
        self._loaders: dict[int, OrderCheck] = {}
        self._epochs = {int(each["step"]) for each in mine.epochs}
        self._epoch_since = False
        self._first = True
        # Why what was drawn since cannot be compared; empty when it can.
        self._drawn = FIRST_STEP if order.start else ""
        self._outcomes: dict[str, str] = {}
        # Whether a step had no states to compare with: the first one of an interval has none before it.
        self._owed = False

    # -- hyperparameters ----------------------------------------------------------------------------

    def before_placing(self, roster: Roster) -> None:
        """Keep the values the script has set, before the snapshot's are put in place."""
        for number, optimizer in enumerate(roster.optimizers()):
            if optimizer is not None:
                own = hyper_json(hyperparameters(optimizer))
                self._hyper[number] = OwnHyperparameters(own, own)

    def placed(self, roster: Roster, snapshot: Tree) -> None:
        """Go on from the snapshot with the script's own schedulers, and ask them for the interval."""
        restored = restore_schedulers(roster, snapshot.get("schedulers", []))
        steps = self._order.stop - self._order.start
        for number, optimizer in enumerate(roster.optimizers()):
            if optimizer is None or number not in self._hyper:
                continue
            now = hyper_json(hyperparameters(optimizer))
            scheduled = [scheduler for scheduler in restored if governs(scheduler, optimizer)]
            if scheduled:
                self._hyper[number] = OwnHyperparameters(now, now)
                self._walks[number] = [walk(scheduler, steps) for scheduler in scheduled]
            else:
                self._hyper[number].imposed(now)
        self._find_off_schedule()

    def hyperparameters(self, record: StepRecord, optimizer: Optimizer) -> None:
        """Compare the recorded values of a step with the script's own."""
        live = hyper_json(hyperparameters(optimizer))
        known = self._hyper.setdefault(record.optimizer, OwnHyperparameters(live, live))
        own = known.seen(live)
        known.imposed(record.hyper)
        differing = [
            (number, key)
            for number, (theirs, mine) in enumerate(zip(record.hyper, own, strict=False))
            for key, value in mine.items()
            if theirs.get(key) != value
        ]
        if not differing or self._on_schedule(record, differing):
            self._note(words.HYPERPARAMETERS, words.CHECKED)
            return
        number, key = differing[0]
        where = f"{key} of group {number}"
        expected, got = record.hyper[number].get(key), own[number][key]
        off = self._off_schedule(record, own, differing)
        detail = words.OFF_SCHEDULE if off else words.OWN_OUTCOME
        self._answer.make_own(
            record.step, "hyperparameter", f"{where}: {expected}", f"{where}: {got}", where, detail
        )
        self._note(
            words.HYPERPARAMETERS, words.OWN_OUTCOME if record.optimizer in self._walks else ELSEWHERE
        )

    def updated(self, number: int, optimizer: Optimizer) -> None:
        """Take note of what the optimizer changed by itself."""
        if number in self._hyper:
            self._hyper[number].updated(hyper_json(hyperparameters(optimizer)))

    def _find_off_schedule(self) -> None:
        records = [StepRecord.from_json(each) for each in self._mine.records]
        for number, walks in self._walks.items():
            mine = [
                r
                for r in records
                if r.optimizer == number and self._order.start <= r.step < self._order.stop
            ]
            best: set[int] | None = None
            for each in walks:
                off = follows([r.hyper for r in mine], each, set_by(each))
                found = {mine[place].step for place in off}
                best = found if best is None or len(found) < len(best) else best
            self._off[number] = best or set()

    def _on_schedule(self, record: StepRecord, differing: list[tuple[int, str]]) -> bool:
        walks = self._walks.get(record.optimizer)
        if not walks or record.step in self._off[record.optimizer]:
            return False
        scheduled = {key for each in walks for key in set_by(each)}
        return all(key in scheduled for key in differing)

    def _off_schedule(self, record: StepRecord, own: Groups, differing: list[tuple[int, str]]) -> bool:
        """Whether only the record leaves a schedule here: the script, asked by itself, stays on it.

        A walk that ended early, of a scheduler that wants to be told a loss, says nothing of later steps.
        """
        steps = self._order.stop - self._order.start
        whole = [each for each in self._walks.get(record.optimizer, []) if len(each) >= steps]
        return record.step in self._off.get(record.optimizer, ()) and any(
            set(differing) <= set(set_by(each)) and not follows([own], each, set_by(each)) for each in whole
        )

    # -- random states ------------------------------------------------------------------------------

    def random(self, step: int, recorded: randomness.State) -> None:
        """Compare the states the script has come to with the recorded ones that are to be imposed now."""
        first, self._first = self._first, False
        between, self._epoch_since = self._epoch_since or step in self._epochs, False
        if first and self._order.start:
            return  # it was the warm-up that came here: the interval before has this link at its end
        differing = differing_random_states(recorded, randomness.capture())
        if first:
            # Generators the script does not seed stand elsewhere each time it starts.
            differing = [each for each in differing if each[0] in ("torch", "cuda")]
        self._drawn = ""
        if not differing:
            self._note(words.RANDOM_STATES, words.CHECKED)
        elif between:
            self._drawn = EPOCH_BETWEEN
            self._note(words.RANDOM_STATES, EPOCH_BETWEEN)
        else:
            name, expected, got = differing[0]
            self._answer.make_own(step, "rng", expected, got, name)
            self._note(words.RANDOM_STATES, words.OWN_OUTCOME)

    # -- batches ------------------------------------------------------------------------------------

    def between(self) -> None:
        """An evaluation of the replay: what it draws, the run drew elsewhere."""
        self._epoch_since = True

    def epoch(self, slot: int, loader: Any) -> None:
        """A loader of the replay begins an epoch."""
        self.between()
        if slot >= 0 and slot not in self._loaders:
            epochs = [each for each in self._mine.epochs if each["slot"] == slot]
            self._loaders[slot] = OrderCheck(self._objects, loader, epochs)

    def batch(self, step: int, slot: int, index: int, taped: list[Any]) -> None:
        """Compare the run's batch `index` with what the loader's sampler gives."""
        check = self._loaders.get(slot)
        if check is None:
            self._note(words.BATCHES, "its loader was not seen to begin")
            return
        outcome, differing = check.check(index, taped)
        if differing is not None:
            self._answer.make_own(step, "batch", *differing, words.OFF_ORDER)
        self._note(words.BATCHES, outcome or words.OWN_OUTCOME)

    def inputs(self, step: int, call: int, taped: list[Any], own: list[Any]) -> None:
        """Compare what a forward is called with, where it did not come from a loader as it is."""
        for place, (one, other) in enumerate(zip(taped, own, strict=True)):
            if not isinstance(other, torch.Tensor) or same_tensor(one, other):
                continue
            if self._drawn:
                self._note(words.BATCHES, self._drawn)
            else:
                where = f"input {place} of call {call}"
                self._answer.make_own(step, "batch", shown(one), shown(other), where)
                self._note(words.BATCHES, words.OWN_OUTCOME)
            return
        self._note(words.BATCHES, words.CHECKED)

    def last_link(self, stop: int, recorded: randomness.State) -> None:
        """Compare the random states the last step ends with: the next interval begins with them."""
        self.random(stop, recorded)
        if self._owed or self._outcomes[words.RANDOM_STATES] != words.CHECKED:
            self.over()

    # -- counting -----------------------------------------------------------------------------------

    def over(self) -> None:
        """Count the step that is over."""
        self._owed = self._owed or words.RANDOM_STATES not in self._outcomes
        for condition, outcome in self._outcomes.items():
            self._answer.count(condition, outcome)
        self._outcomes, self._drawn = {}, ""

    def _note(self, condition: str, outcome: str) -> None:
        """Note an outcome of the step under way; one part that is not checked makes it not checked."""
        if self._outcomes.get(condition, words.CHECKED) == words.CHECKED:
            self._outcomes[condition] = outcome
