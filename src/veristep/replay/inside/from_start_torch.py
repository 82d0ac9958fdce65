"""Replaying a run from its start: nothing is put in place, and every step is compared.

The script is started as the run was and goes its own way: its data order, its seeds, its schedules. Nothing
comes from the tape; it only tells, where it is there, which input of a step was the first to differ.

In the second mode, `order.CONDITIONS`, each input is compared and then replaced by the recorded one, and
results are not compared. The script stays on the run's path however the run was tampered with, and
shows for every step what it would have done there by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from veristep.core.records import StepRecord, UnitsDigest
from veristep.record import platform_torch
from veristep.record import randomness_torch as randomness
from veristep.record import snapshots_torch as snapshots
from veristep.record.config import RecordConfig
from veristep.record.handed_torch import Handed, describe
from veristep.record.recorder_torch import rank
from veristep.record.shared import claim_stream
from veristep.record.state_torch import Roster, capture, parameters_of, restore
from veristep.record.state_torch import impose_hyperparameters as impose
from veristep.record.steps_torch import Underway
from veristep.record.tree_torch import leaves, rebuild
from veristep.replay import order as words
from veristep.replay.inside.answering import Answering
from veristep.replay.inside.compare_torch import (
    MAX_NAMED,
    differing_hyperparameter,
    differing_random_states,
    differing_state,
    differing_tensors,
    digest_like,
    same_tensor,
    shown,
)
from veristep.replay.inside.tape_feed_torch import TapeFeed
from veristep.replay.order import Order, StreamOrder

# Where a step's tape keeps the digests of the units behind each digest of its record.
_PREFIXES = {"entry": "entry", "gradient": "grads", "update": "params"}


class FromStart:
    """The sink that follows a run from its start."""

    def __init__(self, config: RecordConfig, order: Order, roster: Roster) -> None:
        self.order = order
        self.roster = roster
        self.steps = 0
        stream = claim_stream(Path(config.boot), rank())
        self._objects = Path(config.objects)
        self._answer = Answering(Path(order.results), stream, 0, platform_torch.describe())
        self._active = stream in order.streams
        self._compares = order.mode == words.FROM_START
        if not self._active:
            return
        self._mine: StreamOrder = order.streams[stream]
        self._tape = TapeFeed(order, self._mine, self._answer.fail)
        self._handed = Handed()
        # Outcomes of the step under way, per condition.
        self._outcomes: dict[str, str] = {}
        self._unseeded: set[str] | None = None
        # Generators that went another way already: where they did so first is what counts.
        self._apart: set[str] = set()

    # -- the points of a step -----------------------------------------------------------------------

    def boundary(self, step: Underway, *, clean: bool) -> None:
        """Compare what the step begins with; stop at the end."""
        del clean
        if not self._active:
            return
        number = step.number
        self._compare_snapshot(number)
        if number >= self.order.stop:
            self._answer.done()
        record = self._tape.records[number]
        if record.boundary != step.boundary:
            self._answer.fail(
                f"step {number} begins at its {step.boundary} when the script runs from its start, "
                f"and at its {record.boundary} in the run"
            )
        chunk = self._chunk(number)
        if record.entry is not None and self._compares:
            names = list(self._tape.description(number).get("entry", []))
            self._compare(record, "entry", record.entry, self.roster.parameters(), names)
        self._compare_random(number, chunk, "rng")

    def batch(self, step: Underway, slot: int, index: int, value: Any, _samples: Any) -> Any:
        """Compare the batch a loader made."""
        self._handed.add(slot, index, leaves(value))
        if not self._active or step.number >= self.order.stop:
            return value
        chunk = self._chunk(step.number)
        if chunk is None:
            self._count(words.BATCHES, "its tape is missing")
            return value
        fetch = next((f for f in chunk["fetches"] if (f["slot"], f["index"]) == (slot, index)), None)
        live = leaves(value)
        if fetch is None or len(fetch["tensors"]) not in (0, len(live)):
            self._own(step.number, "batch", f"no batch {index} of loader {slot}", "one", f"loader {slot}")
            return value
        self._compare_tensors(step.number, fetch["tensors"], live)
        replaced = self._replace(value, fetch["tensors"], live)
        if replaced is not value:
            self._handed.add(slot, index, leaves(replaced))
        if fetch["rng"] >= 0:
            self._compare_state(step.number, chunk["states"][fetch["rng"]])
        return replaced

    def epoch(self, step: Underway, slot: int, first: int, loader: Any) -> None:
        """Take no note of where epochs begin: the script's own are compared batch by batch."""

    def inputs(self, step: Underway, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Compare what a forward is called with."""
        if not self._active or step.number >= self.order.stop:
            return args, kwargs
        chunk = self._chunk(step.number)
        if chunk is None:
            self._count(words.BATCHES, "its tape is missing")
            return args, kwargs
        call, recorded = step.calls - 1, chunk["inputs"]
        live = leaves([args, kwargs])
        own = [describe(step, self._handed, leaf, torch.Tensor.detach) for leaf in live]
        if call >= len(recorded) or len(recorded[call]) != len(own):
            shape = f"{len(recorded[call]) if call < len(recorded) else 0} inputs"
            self._own(step.number, "batch", shape, f"{len(own)} inputs", f"call {call}")
            return args, kwargs
        self._compare_tensors(step.number, recorded[call], own)
        kept = [
            taped if isinstance(taped, torch.Tensor) and isinstance(mine, torch.Tensor) else None
            for taped, mine in zip(recorded[call], own, strict=True)
        ]
        args, kwargs = self._replace([args, dict(kwargs)], kept, live)
        return args, kwargs

    def evaluated(self, step: Underway, args: Any, kwargs: Any) -> None:
        """Let an evaluation have what it has: it decides nothing in a step."""

    def closure_ahead(self, step: Underway, optimizer: Optimizer) -> None:
        """Wait: hyperparameters and gradients are compared once the closure has returned."""

    def before_update(self, step: Underway, optimizer: Optimizer, number: int) -> None:
        """Compare hyperparameters and gradients."""
        if not self._active or step.number >= self.order.stop:
            return
        record = self._tape.records[step.number]
        if record.optimizer != number:
            self._answer.fail(
                f"step {step.number} is taken by optimizer {number} when the script runs from its start, "
                f"and by optimizer {record.optimizer} in the run"
            )
        found = differing_hyperparameter(record.hyper, optimizer)
        if found is None:
            self._count(words.HYPERPARAMETERS, words.CHECKED)
        else:
            self._own(step.number, "hyperparameter", *found)
        if self._compares:
            self._compare(record, "gradient", record.grads, parameters_of(optimizer), self._names(record))
        else:
            impose(optimizer, [dict(group) for group in record.hyper])

    def after_update(self, step: Underway, optimizer: Optimizer, number: int) -> None:
        """Compare the parameters and count the step."""
        del number
        if not self._active or step.number >= self.order.stop:
            return
        record = self._tape.records[step.number]
        if self._compares:
            self._compare(record, "update", record.params, parameters_of(optimizer), self._names(record))
            self._answer.matched(record)
        for condition, outcome in self._outcomes.items():
            self._answer.count(condition, outcome)
        self._outcomes = {}
        self.steps = step.number + 1
        self._tape.drop(step.number)
        if self.steps >= self.order.stop and not self._mine.end_snapshot:
            self._answer.done()

    # -- the end ------------------------------------------------------------------------------------

    def gap(self, what: str, reason: str) -> None:
        """An error of our own inside a hook: the replay cannot be judged."""
        self._answer.fail(f"{what}: {reason}")

    def refused(self, path: str) -> None:
        """The script wanted to write outside its scratch."""
        self._answer.refuse(path)

    def finish(self) -> None:
        """The script is over before the record is."""
        if self._active and self._answer.open:
            self._answer.ended(self.steps)

    # -- comparing ----------------------------------------------------------------------------------

    def _chunk(self, step: int) -> dict[str, Any] | None:
        record = self._tape.records.get(step)
        # Without its tape a step can still be compared, only less is told of its inputs.
        return None if record is None or record.tape is None else self._tape.chunk(step)

    def _compare_random(self, step: int, chunk: dict[str, Any] | None, name: str) -> None:
        if chunk is None:
            self._count(words.RANDOM_STATES, "its tape is missing")
        elif chunk[name] >= 0:
            self._compare_state(step, chunk["states"][chunk[name]])

    def _compare_state(self, step: int, recorded: randomness.State) -> None:
        differing = differing_random_states(recorded, randomness.capture())
        for name, expected, got in differing:
            if name not in self._apart:
                self._answer.make_own(step, "rng", expected, got, name)
        names = {name for name, _, _ in differing}
        if self._unseeded is None:
            # A generator the script does not seed is another one from the very first step on.
            self._unseeded = names - {"torch"}
        spoiled = names - self._unseeded
        self._count(words.RANDOM_STATES, words.OWN_OUTCOME if spoiled else words.CHECKED)
        if self._compares:
            self._apart |= names
        elif names:
            self._unseeded = set()
            randomness.restore(recorded)

    def _compare_tensors(self, step: int, recorded: list[Any], own: list[Any]) -> None:
        for place, (taped, mine) in enumerate(zip(recorded, own, strict=False)):
            if not same_tensor(taped, mine):
                self._own(step, "batch", shown(taped), shown(mine), f"tensor {place}")
                return
        self._count(words.BATCHES, words.CHECKED)

    def _replace(self, value: Any, taped: list[Any], live: list[torch.Tensor]) -> Any:
        """Return `value` with the recorded tensors in it, unless results are compared too."""
        if self._compares or len(taped) != len(live):
            return value
        kept = [
            one if isinstance(one, torch.Tensor) and not same_tensor(one, other) else None
            for one, other in zip(taped, live, strict=True)
        ]
        return rebuild(value, iter(kept)) if any(each is not None for each in kept) else value

    def _compare(
        self,
        record: StepRecord,
        what: str,
        recorded: UnitsDigest,
        parameters: list[torch.Tensor],
        names: list[str],
    ) -> None:
        got = digest_like(parameters, what, recorded)
        if got.digest == recorded:
            return
        chunk = self._chunk(record.step)
        prefixes = chunk[_PREFIXES[what]] if chunk is not None else b""
        differing = differing_tensors(recorded, prefixes, got, parameters, names) if prefixes else []
        self._answer.differ(record.step, what, differing, recorded.root, got.digest.root)

    def _compare_snapshot(self, step: int) -> None:
        """Compare the whole state with a snapshot of the run, or put it in place."""
        name = self._mine.end_snapshot if step == self.order.stop else self._mine.snapshots.get(str(step))
        if not name:
            return
        recorded = snapshots.load(self._objects, self.order.parts, name)
        if not self._compares:
            restore(self.roster, recorded)
            return
        differing = differing_state(recorded, capture(self.roster), len(self.roster.modules()))
        if differing:
            names = [path for path, _, _ in differing][:MAX_NAMED]
            _, expected, got = differing[0]
            self._answer.differ(step, "state", names, expected, got, "at a snapshot")
        self._answer.matched_state()

    def _names(self, record: StepRecord) -> list[str]:
        optimizers = self._tape.description(record.step).get("optimizers", [])
        here = record.optimizer
        return list(optimizers[here]["names"]) if here < len(optimizers) else []

    def _own(self, step: int, what: str, expected: str, got: str, name: str = "") -> None:
        self._answer.make_own(step, what, expected, got, name)
        self._outcomes[_CONDITIONS[what]] = words.OWN_OUTCOME

    def _count(self, condition: str, outcome: str) -> None:
        """Note an outcome of the step under way; one bad part of it makes the whole of it bad."""
        if self._outcomes.get(condition, words.CHECKED) == words.CHECKED:
            self._outcomes[condition] = outcome


_CONDITIONS = {
    "hyperparameter": words.HYPERPARAMETERS,
    "batch": words.BATCHES,
    "rng": words.RANDOM_STATES,
}
