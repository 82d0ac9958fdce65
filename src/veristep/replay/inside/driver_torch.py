"""Replaying: what is done at each point of a step inside the replaying process.

The script starts as usual and takes `Order.warmup` steps by itself: that initialises optimizers,
compilers and DDP's buckets as they were in the run. At the boundary of the next step the interval's
snapshot is put in place, and from there on each step gets its batches, random states and hyperparameters
from the tape, and is compared with its record.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from veristep.core.records import UnitsDigest
from veristep.record import platform_torch
from veristep.record import randomness_torch as randomness
from veristep.record import snapshots_torch as snapshots
from veristep.record.config import RecordConfig
from veristep.record.handed_torch import Handed, describe
from veristep.record.hooks_torch import Process
from veristep.record.reads import NOTES, ReadNotes
from veristep.record.recorder_torch import rank
from veristep.record.shared import claim_stream
from veristep.record.state_torch import Roster, capture, flatten, parameters_of, restore
from veristep.record.state_torch import impose_hyperparameters as impose
from veristep.record.steps_torch import Underway
from veristep.record.tensors_torch import digest
from veristep.record.tree_torch import leaves, rebuild
from veristep.replay import order as words
from veristep.replay.inside.answering import Answering
from veristep.replay.inside.compare_torch import (
    MAX_NAMED,
    differing_state,
    differing_tensors,
    digest_like,
    is_parameter,
)
from veristep.replay.inside.containment import ContainedFiles, Containment, note_reads
from veristep.replay.inside.from_start_torch import FromStart
from veristep.replay.inside.measure_torch import Measuring, Observing, state
from veristep.replay.inside.own_inputs_torch import OwnInputs
from veristep.replay.inside.tape_feed_torch import IntervalFeed
from veristep.replay.order import Answer, Order, StreamOrder
from veristep.replay.pretend import guise


class Replayer:
    """The sink that replays and compares."""

    def __init__(self, config: RecordConfig, order: Order, roster: Roster) -> None:
        self.order = order
        self.roster = roster
        self.steps = 0
        stream = claim_stream(Path(config.boot), rank())
        self._objects = Path(config.objects)
        self._answer = Answering(Path(order.results), stream, order.start, platform_torch.describe())
        self._active = stream in order.streams
        if not self._active:
            return
        self._mine: StreamOrder = order.streams[stream]
        self._tape = IntervalFeed(order, self._mine, self._answer.fail)
        self._handed = Handed()
        self._own = OwnInputs(order, self._mine, self._objects, self._answer)
        self._conformed: dict[str, Any] = {}
        self._modules = 0
        self._measuring = Measuring(order.measure)
        self._observes = order.mode == words.OBSERVE
        self._observing = Observing(order.jitter)

    # -- the points of a step -----------------------------------------------------------------------

    def boundary(self, step: Underway, *, clean: bool) -> None:
        """Put the state in place at the start; compare what the parameters are; stop at the end."""
        target = self._target(step)
        if target is None:
            return
        self._conform(target)
        if target == self.order.start:
            self._put_state_in_place(target, clean=clean)
        if target >= self.order.stop:
            if self._comparing:
                self._compare_end(target)
                self._compare_last_link(target)
            self._answer.done()
        record, chunk = self._tape.records[target], self._tape.chunk(target)
        if record.boundary != step.boundary:
            self._answer.fail(
                f"step {target} begins at its {step.boundary} in the replay, "
                f"and at its {record.boundary} in the run"
            )
        if record.entry is not None:
            names = list(self._conformed.get("entry", []))
            self._compare(target, "entry", record.entry, chunk, self.roster.parameters(), names)
        self._compare_and_impose_random(target)

    def batch(self, step: Underway, slot: int, index: int, value: Any, _samples: Any) -> Any:
        """Give the script the batch the run had here."""
        self._handed_over(slot, index, value)
        fetch = self._tape.fetch(slot, index) if self._active else None
        if fetch is None:
            return value
        live = leaves(value)
        taped = fetch["tensors"]
        self._compare_own_batch(step, fetch, live)
        target = max(self._target(step) or 0, self.order.start)
        if self._tape.needs(slot, fetch["index"]) and target < self.order.stop:
            self._own.batch(target, slot, fetch["index"], taped)
        else:
            self._tape.hold(fetch)
        if len(live) != len(taped):
            self._answer.note("a loader's batches have another structure in the replay")
            return value
        replacements = [
            self._tape.taped_or_live(one, other) for one, other in zip(taped, live, strict=True)
        ]
        value = rebuild(value, iter(replacements))
        self._handed_over(slot, index, value)
        if fetch["state"] is not None:
            if step.number >= self.order.warmup and target < self.order.stop:
                self._own.random(target, fetch["state"])
            randomness.restore(fetch["state"])
        return value

    def epoch(self, step: Underway, slot: int, first: int, loader: Any) -> None:
        """Note the loader: its sampler is asked for the order it would give."""
        del step, first
        if self._active:
            self._own.epoch(slot, loader)

    def inputs(self, step: Underway, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Give a forward the inputs it had, where they came from outside the step."""
        target = self._target(step)
        if target is None or target >= self.order.stop:
            return args, kwargs
        call = step.calls - 1
        recorded = self._tape.chunk(target)["inputs"]
        live = leaves([args, kwargs])
        if call >= len(recorded) or len(recorded[call]) != len(live):
            self._answer.note("the script calls its modules differently in the replay")
            return args, kwargs
        owns = [describe(step, self._handed, leaf, torch.Tensor.detach) for leaf in live]
        for fetch in self._tape.used(target) if call == 0 else ():
            self._own.batch(target, fetch["slot"], fetch["index"], fetch["tensors"])
        self._own.inputs(target, call, recorded[call], owns)
        replacements: list[torch.Tensor | None] = []
        for taped, own, leaf in zip(recorded[call], owns, live, strict=True):
            self._tape.compare_source(taped, own)
            self._tape.recognise(taped, leaf)
            replaces = isinstance(own, torch.Tensor)
            replacements.append(self._tape.taped_or_live(taped, leaf) if replaces else None)
        if any(item is not None for item in replacements):
            args, kwargs = rebuild([args, dict(kwargs)], iter(replacements))
        return args, kwargs

    def evaluated(self, step: Underway, args: Any, kwargs: Any) -> None:
        """Let an evaluation have what it has, and note that it may have drawn random numbers."""
        del step, args, kwargs
        if self._active:
            self._own.between()

    def closure_ahead(self, step: Underway, optimizer: Optimizer) -> None:
        """Impose the hyperparameters early: some optimizers read them before they call their closure."""
        target = self._target(step)
        if target is not None:
            record = self._tape.records[target]
            self._own.hyperparameters(record, optimizer)
            impose(optimizer, [dict(group) for group in record.hyper])

    def before_update(self, step: Underway, optimizer: Optimizer, number: int) -> None:
        """Impose the hyperparameters and compare the gradients."""
        target = self._target(step)
        if target is None:
            return
        record, chunk = self._tape.records[target], self._tape.chunk(target)
        if record.optimizer != number:
            self._answer.fail(
                f"step {target} is taken by optimizer {number} in the replay, "
                f"and by optimizer {record.optimizer} in the run"
            )
        if not step.by_closure:
            self._own.hyperparameters(record, optimizer)
        impose(optimizer, [dict(group) for group in record.hyper])
        parameters = parameters_of(optimizer)
        self._compare(target, "gradient", record.grads, chunk, parameters, self._names(number))
        self._measuring.before(record, parameters)
        if self._observes:
            self._observing.before(record, chunk, parameters)

    def after_update(self, step: Underway, optimizer: Optimizer, number: int) -> None:
        """Compare the parameters and prepare the random states of the next step."""
        target = self._target(step)
        if target is None:
            if self._active and step.number + 1 == self.order.warmup:
                self._impose_random_after_last(self.order.start)
            return
        self._own.updated(number, optimizer)
        record, chunk = self._tape.records[target], self._tape.chunk(target)
        parameters, names = parameters_of(optimizer), self._names(number)
        self._compare(target, "update", record.params, chunk, parameters, names)
        if self._observes:
            self._answer.observed(self._observing.after(record, chunk, parameters, names))
            self._observing.jitter(parameters)
        elif self._answer.open:
            self._answer.matched(record)
        elif self._measuring.after(record, chunk, parameters, names) or target + 1 >= self.order.stop:
            self._answer.measured(self._measuring.found)
            self._answer.done()
        self._own.over()
        self.steps = target + 1
        self._tape.drop(target)
        if target + 1 < self.order.stop:
            self._impose_random_after_last(target + 1)
        elif not self._mine.end_snapshot:
            self._answer.done()

    # -- what the script makes by itself, in a replay from its own start ----------------------------

    @property
    def _by_itself(self) -> bool:
        return self.order.start == 0 and self.order.warmup == 0

    def _compare_own_batch(self, step: Underway, fetch: dict[str, Any], live: list[torch.Tensor]) -> None:
        """Compare the batch the loader made with the recorded one, where it drew from the same states."""
        if not self._by_itself or fetch["state"] != randomness.capture():
            return
        for taped, own in zip(fetch["tensors"], live, strict=False):
            if isinstance(taped, torch.Tensor) and digest(taped) != digest(own):
                self._answer.make_own(step.number, "batch", digest(taped).hex(), digest(own).hex())
                return

    # -- the end ------------------------------------------------------------------------------------

    def gap(self, what: str, reason: str) -> None:
        """An error of our own inside a hook: the replay cannot be judged."""
        self._answer.fail(f"{what}: {reason}")

    def refused(self, path: str) -> None:
        """The script wanted to write outside its scratch."""
        self._answer.refuse(path)

    def finish(self) -> None:
        """The script is over before the interval is."""
        if self._active:
            self._answer.measured(self._measuring.found)
            self._answer.ended(self.steps)

    # -- inner workings -----------------------------------------------------------------------------

    def _target(self, step: Underway) -> int | None:
        """Return the step of the run that a step of the replay stands for; None during the warm-up."""
        if not self._active or step.number < self.order.warmup:
            return None
        return self.order.start + step.number - self.order.warmup

    @property
    def _comparing(self) -> bool:
        return self._answer.open and not self._observes

    def _put_state_in_place(self, target: int, *, clean: bool) -> None:
        if not clean and self._mine.snapshot:
            self._answer.fail(f"step {target} of the replay begins nowhere a state can be put in place")
        self._modules = len(self.roster.modules())
        if self._mine.snapshot and target:
            snapshot = snapshots.load(self._objects, self.order.parts, self._mine.snapshot)
            self._own.before_placing(self.roster)
            restore(self.roster, snapshot)
            self._own.placed(self.roster, snapshot)
        elif self._mine.snapshot:
            restore(self.roster, snapshots.load(self._objects, self.order.parts, self._mine.snapshot))
        if self._observes:
            self._observing.jitter(self.roster.parameters())

    def _compare_and_impose_random(self, target: int) -> None:
        state = self._tape.random_state(target, "rng")
        if state is not None:
            self._own.random(target, state)
            randomness.restore(state)

    def _compare_last_link(self, stop: int) -> None:
        """Compare what the last step ends with; the tape of the step after it may be missing or changed."""
        state = self._tape.random_state(stop, "rng") if self._tape.readable(stop) else None
        if state is not None:
            self._own.last_link(stop, state)

    def _impose_random_after_last(self, target: int) -> None:
        state = self._tape.random_state(target, "rng_after_last")
        if state is not None:
            self._own.random(target, state)
            randomness.restore(state)

    def _handed_over(self, slot: int, index: int, value: Any) -> None:
        self._handed.add(slot, index, leaves(value))

    def _conform(self, target: int) -> None:
        description = self._tape.description(target)
        if description and description != self._conformed:
            self.roster.conform(description)
            self._conformed = description

    def _names(self, optimizer: int) -> list[str]:
        optimizers = self._conformed.get("optimizers", [])
        return list(optimizers[optimizer]["names"]) if optimizer < len(optimizers) else []

    def _compare(
        self,
        target: int,
        what: str,
        recorded: UnitsDigest,
        chunk: dict[str, Any],
        parameters: list[torch.Tensor],
        names: list[str],
    ) -> None:
        """Compare live parameters or gradients with the digest of a step, and end where they differ.

        Where the difference is to be measured, the replay goes on and compares nothing more.
        """
        if not self._comparing:
            return
        got = digest_like(parameters, what, recorded)
        if got.digest == recorded:
            return
        if what == "gradient" and self._tape.fetch_ahead_varies():
            self._answer.fail(
                f"step {target} differs, but which batch a step used could not be seen: the script "
                "changes batches before its model gets them, and fetches ahead by a varying number"
            )
        differing = differing_tensors(recorded, chunk[_PREFIXES[what]], got, parameters, names)
        if target != self.order.measure:
            self._answer.differ(target, what, differing, recorded.root, got.digest.root)
        self._answer.hold(target, what, differing, recorded.root, got.digest.root)
        self._measuring.differing = differing

    def _compare_end(self, step: int) -> None:
        """Compare the whole state with the snapshot the run took here, optimizer and buffers too."""
        if not self._mine.end_snapshot:
            return
        recorded = snapshots.load(self._objects, self.order.parts, self._mine.end_snapshot)
        live = capture(self.roster)
        differing = differing_state(recorded, live, self._modules)
        if differing:
            tensors, names = dict(flatten(live)), self.roster.names()
            shown = [names.get(id(tensors.get(path)), path) for path, _, _ in differing][:MAX_NAMED]
            path, expected, got = differing[0]
            # The update before left every parameter as it was recorded: what moved, moved since.
            moved = is_parameter(path) and self._tape.records[step - 1].params.complete
            what = "entry" if moved else "state"
            self._answer.hold(step, what, shown, expected, got, "at the interval's end")
            one, other = dict(flatten(recorded))[path], tensors.get(path)
            self._answer.measured(state(step, path, one, other))
        else:
            self._answer.matched_state()


# Where a step's tape keeps the digests of the units behind each digest of its record.
_PREFIXES = {"entry": "entry", "gradient": "grads", "update": "params"}


def _tolerate_known_groups() -> None:
    """Let a script add a parameter group that was added here already, at its place in the run."""
    original = Optimizer.add_param_group

    @functools.wraps(original)
    def add_param_group(self: Optimizer, param_group: dict[str, Any]) -> None:
        parameters = param_group["params"]
        if not isinstance(parameters, torch.Tensor):
            param_group["params"] = parameters = list(parameters)
        given = [parameters] if isinstance(parameters, torch.Tensor) else parameters
        held = {id(parameter) for parameter in parameters_of(self)} if self.param_groups else set()
        if given and all(id(parameter) in held for parameter in given):
            return
        original(self, param_group)

    Optimizer.add_param_group = add_param_group  # type: ignore[method-assign]


def build(config: RecordConfig, roster: Roster) -> Replayer | FromStart:
    """Build the replayer; called when the process turns out to train."""
    order = Order.load(Path(config.extra))
    if order.guise.get("hides"):
        guise.hide_boot_folder(config.boot)
    make = Replayer if order.mode in (words.INTERVAL, words.OBSERVE) else FromStart
    return make(config, order, roster)


def prepare(config: RecordConfig, process: Process) -> None:
    """Refuse writes outside the scratch from now on."""
    order = Order.load(Path(config.extra))

    def refused(path: str) -> None:
        built = process.guard.tracker.built
        if isinstance(built, (Replayer, FromStart)):
            built.refused(path)
        Answer(words.REFUSED, reason=f"would write {path}").save(
            Path(order.results) / f"before-{os.getpid()}.json"
        )

    if order.diagnose:
        torch.use_deterministic_algorithms(True, warn_only=True)
    if order.guise.get("hides"):
        guise.hide()
    _tolerate_known_groups()
    containment = Containment(order.writable, order.read_only, refused)
    process.watch = ContainedFiles(containment)
    sys.addaudithook(containment.hook)
    own = (config.boot, config.directory, config.objects, config.package, order.tape, str(order.parts))
    sys.addaudithook(note_reads(ReadNotes(Path(config.boot) / NOTES, own)))
