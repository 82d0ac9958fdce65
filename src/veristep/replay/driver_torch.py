"""Replaying: what is done at each point of a step inside the replaying process.

The script starts as usual and takes `Order.warmup` steps by itself: that initialises optimizers,
compilers and DDP's buckets as they were in the run. At the boundary of the next step the interval's
snapshot is put in place, and from there on each step gets its batches, random states and hyperparameters
from the tape, and is compared with its record.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch.optim import Optimizer

from veristep.core.records import StepRecord, UnitsDigest
from veristep.errors import VeristepError
from veristep.record import pack, platform_torch
from veristep.record import randomness_torch as randomness
from veristep.record import snapshots_torch as snapshots
from veristep.record.assemble_torch import hyper_json
from veristep.record.config import RecordConfig
from veristep.record.handed_torch import Handed
from veristep.record.hooks_torch import Process
from veristep.record.recorder_torch import describe, rank
from veristep.record.shared import claim_stream
from veristep.record.state_torch import (
    Roster,
    capture,
    flatten,
    hyperparameters,
    parameters_of,
    restore,
)
from veristep.record.state_torch import impose_hyperparameters as impose
from veristep.record.steps_torch import Underway
from veristep.record.tape import read_chunk
from veristep.record.tensors_torch import (
    PREFIX_BYTES,
    Digested,
    chosen_units,
    digest,
    digest_units,
    from_part,
    layout,
)
from veristep.record.tree_torch import leaves, rebuild
from veristep.replay import order as words
from veristep.replay.containment import ContainedFiles, Containment
from veristep.replay.order import Answer, Difference, Order, StreamOrder

# At most this many differing tensors are named.
MAX_NAMED = 8


class Replayer:
    """The sink that replays and compares."""

    def __init__(self, config: RecordConfig, order: Order, roster: Roster) -> None:
        self.order = order
        self.roster = roster
        self.steps = 0
        self.stream = claim_stream(Path(config.boot), rank())
        self._objects = Path(config.objects)
        self._answer = Answer(words.MATCHED, platform=platform_torch.describe())
        self._certain = order.start
        self._active = self.stream in order.streams
        if not self._active:
            return
        self._mine: StreamOrder = order.streams[self.stream]
        self._records = {record.step: record for record in map(StepRecord.from_json, self._mine.records)}
        self._chunks: dict[int, dict[str, Any]] = {}
        self._fetches = self._taped_fetches()
        self._guessed = False
        self._shift = self._loader_shift()
        self._handed = Handed()
        self._conformed: dict[str, Any] = {}
        self._modules = 0

    # -- the points of a step -----------------------------------------------------------------------

    def boundary(self, step: Underway, *, clean: bool) -> None:
        """Put the state in place at the start; compare what the parameters are; stop at the end."""
        target = self._target(step)
        if target is None:
            return
        self._conform(target)
        if target == self.order.start:
            if not clean and self._mine.snapshot:
                self._fail(f"step {target} of the replay begins nowhere a state can be put in place")
            self._modules = len(self.roster.modules())
            if self._mine.snapshot:
                restore(self.roster, snapshots.load(self._objects, self._mine.snapshot))
        if target >= self.order.stop:
            self._compare_end(target)
            self._done()
        record, chunk = self._records[target], self._chunk(target)
        if record.boundary != step.boundary:
            self._fail(
                f"step {target} begins at its {step.boundary} in the replay, "
                f"and at its {record.boundary} in the run"
            )
        if record.entry is not None:
            got = self._digest(self.roster.parameters(), record.entry)
            if got.digest != record.entry:
                names = self._named(record.entry, chunk["entry"], got, self._entry_tensors())
                self._differ(target, "entry", names, record.entry.root, got.digest.root)
        self._impose_random(chunk, "rng")

    def batch(self, step: Underway, slot: int, index: int, value: Any) -> Any:
        """Give the script the batch the run had here."""
        self._handed_over(slot, index, value)
        fetch = self._fetches.get((slot, index + self._shift.get(slot, 0))) if self._active else None
        if fetch is None:
            return value
        live = leaves(value)
        taped = fetch["tensors"]
        self._compare_own_batch(step, fetch, live)
        if len(live) != len(taped):
            self._note("a loader's batches have another structure in the replay")
            return value
        replacements = [self._taped_or_live(one, other) for one, other in zip(taped, live, strict=True)]
        value = rebuild(value, iter(replacements))
        self._handed_over(slot, index, value)
        if fetch["state"] is not None:
            randomness.restore(fetch["state"])
        return value

    def inputs(self, step: Underway, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Give a forward the inputs it had, where they came from outside the step."""
        target = self._target(step)
        if target is None or target >= self.order.stop:
            return args, kwargs
        call = step.calls - 1
        recorded = self._chunk(target)["inputs"]
        live = leaves([args, kwargs])
        if call >= len(recorded) or len(recorded[call]) != len(live):
            self._note("the script calls its modules differently in the replay")
            return args, kwargs
        replacements: list[torch.Tensor | None] = []
        for taped, leaf in zip(recorded[call], live, strict=True):
            own = describe(step, self._handed, leaf, torch.Tensor.detach)
            self._compare_source(taped, own)
            replacements.append(self._taped_or_live(taped, leaf) if isinstance(own, torch.Tensor) else None)
        if any(item is not None for item in replacements):
            args, kwargs = rebuild([args, dict(kwargs)], iter(replacements))
        return args, kwargs

    def before_update(self, step: Underway, optimizer: Optimizer, number: int) -> None:
        """Impose the hyperparameters and compare the gradients."""
        target = self._target(step)
        if target is None:
            return
        record, chunk = self._records[target], self._chunk(target)
        if record.optimizer != number:
            self._fail(
                f"step {target} is taken by optimizer {number} in the replay, "
                f"and by optimizer {record.optimizer} in the run"
            )
        self._compare_own_hyper(target, optimizer, record)
        impose(optimizer, [dict(group) for group in record.hyper])
        parameters = parameters_of(optimizer)
        grads = [parameter.grad for parameter in parameters]
        got = self._digest(grads, record.grads)
        if got.digest != record.grads:
            names = self._named(record.grads, chunk["grads"], got, (grads, self._names(number)))
            self._differ(target, "gradient", names, record.grads.root, got.digest.root)

    def after_update(self, step: Underway, optimizer: Optimizer, number: int) -> None:
        """Compare the parameters and prepare the random states of the next step."""
        target = self._target(step)
        if target is None:
            if self._active and step.number + 1 == self.order.warmup:
                self._impose_after(self.order.start)
            return
        record, chunk = self._records[target], self._chunk(target)
        parameters = parameters_of(optimizer)
        got = self._digest(parameters, record.params)
        if got.digest != record.params:
            names = self._named(record.params, chunk["params"], got, (parameters, self._names(number)))
            self._differ(target, "update", names, record.params.root, got.digest.root)
        self._matched(record)
        self.steps = target + 1
        del self._chunks[target]
        if target + 1 < self.order.stop:
            self._impose_after(target + 1)
        elif not self._mine.end_snapshot:
            self._done()

    # -- what the script makes by itself, in a replay from its own start ----------------------------

    @property
    def _by_itself(self) -> bool:
        return self.order.start == 0 and self.order.warmup == 0 and self._answer.own is None

    def _compare_own_batch(self, step: Underway, fetch: dict[str, Any], live: list[torch.Tensor]) -> None:
        """Compare the batch the loader made with the recorded one, where it drew from the same states."""
        if not self._by_itself or fetch["state"] != randomness.capture():
            return
        for taped, own in zip(fetch["tensors"], live, strict=False):
            if isinstance(taped, torch.Tensor) and digest(taped) != digest(own):
                self._own(step.number, "batch", digest(taped).hex(), digest(own).hex())
                return

    def _compare_own_hyper(self, target: int, optimizer: Optimizer, record: StepRecord) -> None:
        if not self._by_itself:
            return
        pairs = zip(record.hyper, hyper_json(hyperparameters(optimizer)), strict=False)
        for number, (recorded, own) in enumerate(pairs):
            for key, value in own.items():
                if recorded.get(key) != value:
                    expected = f"{key} of group {number}: {recorded.get(key)}"
                    self._own(target, "hyperparameter", expected, f"{key} of group {number}: {value}")
                    return

    def _own(self, step: int, what: str, expected: str, got: str) -> None:
        difference = Difference(step, what, [], expected, got, step, "the script by itself makes another")
        self._answer = replace(self._answer, own=difference)

    # -- the answer ---------------------------------------------------------------------------------

    def gap(self, what: str, reason: str) -> None:
        """An error of our own inside a hook: the replay cannot be judged."""
        self._fail(f"{what}: {reason}")

    def refused(self, path: str) -> None:
        """The script wanted to write outside its scratch."""
        self._answer = replace(self._answer, status=words.REFUSED, reason=f"would write {path}")
        self._done()

    def finish(self) -> None:
        """The script is over before the interval is."""
        if self._active and self._answer.status == words.MATCHED:
            reason = f"the script ended after step {self.steps} of the replay"
            self._answer = replace(self._answer, status=words.ENDED, reason=reason)
            self._save()

    def _matched(self, record: StepRecord) -> None:
        digests = [each for each in (record.entry, record.grads, record.params) if each is not None]
        if not any(each.units for each in digests):
            # The recorder always digests something: a record that shows nothing proves nothing.
            self._fail(f"the record of step {record.step} holds no digest to compare with")
        if all(each.complete for each in digests):
            self._certain = record.step + 1
        self._answer = replace(
            self._answer,
            steps=self._answer.steps + 1,
            blocks=self._answer.blocks + sum(each.total for each in digests),
            blocks_checked=self._answer.blocks_checked + sum(each.units for each in digests),
        )

    def _differ(
        self, step: int, what: str, tensors: list[str], expected: str, got: str, detail: str = ""
    ) -> NoReturn:
        if what == "gradient" and self._guessed and self._fetch_ahead_varies():
            self._fail(
                f"step {step} differs, but which batch a step used could not be seen: the script "
                "changes batches before its model gets them, and fetches ahead by a varying number"
            )
        difference = Difference(step, what, tensors, expected, got, self._certain, detail)
        self._answer = replace(self._answer, status=words.DIFFERED, difference=difference)
        self._done()

    def _fail(self, reason: str) -> NoReturn:
        self._answer = replace(self._answer, status=words.FAILED, reason=reason)
        self._done()

    def _note(self, note: str) -> None:
        if note not in self._answer.notes:
            self._answer = replace(self._answer, notes=[*self._answer.notes, note])

    def _save(self) -> None:
        self._answer.save(Path(self.order.results) / f"{self.stream}.json")

    def _done(self) -> NoReturn:
        self._save()
        sys.stdout.flush()
        sys.stderr.flush()
        # The script must not go on: it would train, save and clean up for nothing.
        os._exit(0)

    # -- the tape -----------------------------------------------------------------------------------

    def _target(self, step: Underway) -> int | None:
        """Return the step of the run that a step of the replay stands for; None during the warm-up."""
        if not self._active or step.number < self.order.warmup:
            return None
        return self.order.start + step.number - self.order.warmup

    def _chunk(self, step: int) -> dict[str, Any]:
        chunk = self._chunks.get(step)
        if chunk is None:
            record = self._records.get(step)
            if record is None or record.tape is None:
                self._fail(f"the tape of step {step} is missing")
            try:
                chunk = pack.read(read_chunk(Path(self.order.tape), record.tape), from_part)
            except VeristepError as error:
                self._fail(error.message)
            self._chunks[step] = chunk
        return chunk

    def _taped_fetches(self) -> dict[tuple[int, int], dict[str, Any]]:
        found: dict[tuple[int, int], dict[str, Any]] = {}
        for step, record in self._records.items():
            if record.tape is None:
                continue
            chunk = self._chunk(step)
            for fetch in chunk["fetches"]:
                state = chunk["states"][fetch["rng"]] if fetch["rng"] >= 0 else None
                found[(fetch["slot"], fetch["index"])] = {**fetch, "state": state}
        return found

    def _loader_shift(self) -> dict[int, int]:
        """Return, per loader slot, how far the run was ahead of the replay in batches.

        Known for sure where both steps were seen to use a batch of the loader. Where not, the batches
        fetched so far tell, unless the loader fetches ahead by a varying number.
        """
        start, warm = self._records[self.order.start], StepRecord.from_json(self._mine.warm)
        shift: dict[int, int] = {}
        for slot, count in start.yields.items():
            if slot in start.consumed and slot in warm.consumed:
                shift[int(slot)] = start.consumed[slot] - warm.consumed[slot]
            else:
                shift[int(slot)] = count - warm.yields.get(slot, 0)
                self._guessed = True
        return shift

    def _fetch_ahead_varies(self) -> bool:
        counts = [self._records[step].yields for step in sorted(self._records)]
        ahead = [
            tuple(after.get(slot, 0) - before.get(slot, 0) for slot in after)
            for before, after in itertools.pairwise(counts)
        ]
        return len(set(ahead)) > 1

    def _impose_random(self, chunk: dict[str, Any], name: str) -> None:
        number = chunk[name]
        if number >= 0:
            randomness.restore(chunk["states"][number])

    def _impose_after(self, step: int) -> None:
        if step in self._records:
            self._impose_random(self._chunk(step), "rng_after_last")

    def _taped_or_live(self, taped: Any, live: torch.Tensor) -> torch.Tensor | None:
        if isinstance(taped, torch.Tensor):
            if taped.shape == live.shape and taped.dtype == live.dtype and torch.equal(taped, live):
                return None
            return taped
        if isinstance(taped, dict) and taped.get("digest") not in (None, digest(live).hex()):
            self._fail("a batch was too large to be kept, and the replay's own differs from it")
        return None

    def _handed_over(self, slot: int, index: int, value: Any) -> None:
        self._handed.add(slot, index, leaves(value))

    def _compare_source(self, taped: Any, own: Any) -> None:
        """Check that a batch is used by the step that used it in the run."""
        match taped, own:
            case ["loader", int(slot), int(index), _], ["loader", int(here), int(now), _]:
                if slot != here or index != now + self._shift.get(here, 0):
                    self._fail("the loader's batches reach other steps in the replay than in the run")

    def _conform(self, target: int) -> None:
        description = self._description(target)
        if description and description != self._conformed:
            self.roster.conform(description)
            self._conformed = description

    def _description(self, target: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for since, line in self._mine.tensors:
            if since <= target:
                found = dict(line)
        return found

    # -- comparing ----------------------------------------------------------------------------------

    def _digest(self, tensors: list[Any], recorded: UnitsDigest) -> Digested:
        if recorded.units == 0:
            return Digested(recorded, b"")  # a step too short for this digest: nothing to compare
        if recorded.seed is None:
            return digest_units(tensors)
        return digest_units(tensors, seed=recorded.seed, limit=recorded.units)

    def _names(self, optimizer: int) -> list[str]:
        optimizers = self._conformed.get("optimizers", [])
        return list(optimizers[optimizer]["names"]) if optimizer < len(optimizers) else []

    def _entry_tensors(self) -> tuple[list[Any], list[str]]:
        return list(self.roster.parameters()), list(self._conformed.get("entry", []))

    def _named(
        self,
        recorded: UnitsDigest,
        prefixes: bytes,
        got: Digested,
        tensors: tuple[list[Any], list[str]],
    ) -> list[str]:
        """Return the names of the tensors whose blocks differ, first one first."""
        live, names = tensors
        units = layout(live)
        if len(units) != recorded.total:
            return []
        differing: list[str] = []
        for place, number in enumerate(chosen_units(recorded)):
            span = slice(place * PREFIX_BYTES, (place + 1) * PREFIX_BYTES)
            if prefixes[span] == got.prefixes[span]:
                continue
            index = units[number].tensor
            name = names[index] if index < len(names) else f"tensor {index}"
            if name not in differing:
                differing.append(name)
        order = {name: index for index, name in enumerate(names)}
        return sorted(differing, key=lambda name: order.get(name, len(order)))[:MAX_NAMED]

    def _compare_end(self, step: int) -> None:
        """Compare the whole state with the snapshot the run took here, optimizer and buffers too."""
        if not self._mine.end_snapshot:
            return
        expected = dict(flatten(snapshots.load(self._objects, self._mine.end_snapshot)))
        got = dict(flatten(capture(self.roster)))
        differing = [
            path
            for path, value in expected.items()
            if isinstance(value, torch.Tensor)
            and self._was_restored(path)
            and not _same(value, got.get(path))
        ]
        if differing:
            first = expected[differing[0]]
            other = got.get(differing[0])
            live = digest(other).hex() if isinstance(other, torch.Tensor) else "missing"
            names = differing[:MAX_NAMED]
            self._differ(step, "state", names, digest(first).hex(), live, "at the interval's end")

    def _was_restored(self, path: str) -> bool:
        """Whether a module's state was put in place: one that only evaluation calls may not have been."""
        parts = path.split(".")
        return parts[0] != "modules" or int(parts[1]) < self._modules


def _same(expected: torch.Tensor, got: Any) -> bool:
    return isinstance(got, torch.Tensor) and digest(expected) == digest(got)


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


def build(config: RecordConfig, roster: Roster) -> Replayer:
    """Build the replayer; called when the process turns out to train."""
    return Replayer(config, Order.load(Path(config.extra)), roster)


def prepare(config: RecordConfig, process: Process) -> None:
    """Refuse writes outside the scratch from now on."""
    order = Order.load(Path(config.extra))

    def refused(path: str) -> None:
        built = process.guard.tracker.built
        if isinstance(built, Replayer):
            built.refused(path)
        Answer(words.REFUSED, reason=f"would write {path}").save(
            Path(order.results) / f"before-{os.getpid()}.json"
        )

    if order.diagnose:
        torch.use_deterministic_algorithms(True, warn_only=True)
    _tolerate_known_groups()
    containment = Containment(order.writable, refused)
    process.watch = ContainedFiles(containment)
    sys.addaudithook(containment.hook)
