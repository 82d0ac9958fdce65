"""Recording: what is done at each point of a step of an honest or dishonest run alike.

The training thread only copies and digests what is about to change; everything else happens on the
worker thread. A step's cost is bounded by `budget.Allowance`, a snapshot's share by `budget.Cadence`.
"""

from __future__ import annotations

import functools
import importlib
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch.optim import Optimizer

from veristep.core.canonical import Json
from veristep.core.records import SnapshotRecord
from veristep.core.units import MOST_WITHOUT, Cut
from veristep.ledger.objects import ObjectStore
from veristep.ledger.snapshots import FOLDER, SnapshotStore
from veristep.record import disk, pack, platform_torch
from veristep.record import randomness_torch as randomness
from veristep.record import shards_torch as shards
from veristep.record import snapshots_torch as snapshots
from veristep.record.assemble_torch import Assembler, Gathered
from veristep.record.beacon import ENTRY, GRADS, PARAMS, TURN, Beacon
from veristep.record.budget import Allowance, Cadence
from veristep.record.channel import Channel, connect
from veristep.record.config import SOCKET_NAME, RecordConfig
from veristep.record.copies_torch import Copies, Copy, size_of
from veristep.record.files import FileWatch
from veristep.record.handed_torch import GRAD, Handed, describe
from veristep.record.reads import key_of
from veristep.record.shared import SCHEDULE_NAME, Heartbeat, Pair, claim_stream
from veristep.record.sketch_torch import NO_SKETCH, take
from veristep.record.sources_torch import capture_order
from veristep.record.state_torch import Hyperparameters, Roster, Tree, parameters_of
from veristep.record.steps_torch import Fetch, Underway
from veristep.record.tape import TapeWriter
from veristep.record.tensors_torch import (
    Digested,
    copy_units,
    digest_units,
    gradient,
    layout,
    parameter,
    to_part,
)
from veristep.record.tree_torch import leaves
from veristep.record.worker import Worker

# Batches and snapshots waiting to be written may hold this much memory.
QUEUE_BYTES = 512 << 20
# How the digest time of a step is divided: entry, gradients, parameters.
ENTRY_SHARE, GRADS_SHARE = 0.2, 0.4
# A step too short for all digests takes gradients or parameters, and a very short one often neither, by a
# coin nobody can foresee.
_PARAMS, _GRADS, _NOTHING = 0, 1, 2
# How often such a run tries again whether everything fits.
TRY_ALL_EVERY = 64
# The gradient norm reads every gradient once more: measured at every tenth step or more rarely, by what it
# costs (at every step with full digests), and not at all above this size.
NORM_BYTES = 64 << 20
NORM_EVERY = 10
NORM_SHARE = 0.001
# How often written files and the disk are looked at.
SETTLE_EVERY_SECONDS = 1.0


class Beside(Protocol):
    """What looks at updates beside the recorder; lets none of its errors out."""

    def after_backward(self, step: int) -> None:
        """The gradients are as backward left them."""

    def before_update(
        self, step: int, optimizer: Optimizer, number: int, hyper: list[dict[str, Any]]
    ) -> None:
        """The update is about to happen."""

    def after_update(self, optimizer: Optimizer) -> None:
        """The update has happened."""

    def drawn(self, step: int, slot: int, samples: Any, copies: list[Any]) -> None:
        """A loader hands over a batch."""

    def epoch(self, slot: int, loader: Any) -> None:
        """A loader begins an epoch; slot -1 is one that no training is seen in."""

    def finish(self) -> None:
        """The process is about to end."""


class Recorder:
    """The sink that records."""

    def __init__(self, config: RecordConfig, roster: Roster) -> None:
        self.config = config
        self.roster = roster
        self._watch: FileWatch | None = None
        self._settled = 0.0
        self.rank = rank()
        # All ranks must snapshot at the same step: rank 0 announces it, a step or more ahead.
        self._is_told = self.rank != 0 and not config.interval
        self.stream = claim_stream(Path(config.boot), self.rank)
        self.objects = ObjectStore(Path(config.objects))
        directory = Path(config.directory)
        self.snapshots = SnapshotStore(directory / FOLDER)
        self.channel = Channel(_peer(config), directory / "spool", self.stream)
        self.worker = Worker(QUEUE_BYTES, self._idle)
        self.tape = TapeWriter(directory / "tape", self.stream)
        self.assembler = Assembler(self.stream, self.tape)
        self.allowance = Allowance(-1.0 if config.digests == "full" else config.share)
        self.cadence = Cadence(config.interval, config.snapshot_share)
        self.heartbeat = Heartbeat(Path(config.boot), self.stream)
        self._beats = self.heartbeat.numbers
        self.beacon = Beacon(Path(config.boot))
        self.schedule = Pair(Path(config.boot) / SCHEDULE_NAME)
        self.buffers = snapshots.SnapshotBuffers()
        self.handed = Handed()
        self.copies = Copies()
        # Processor time the last snapshot took to be digested and written, beside the training.
        self._write_seconds = 0.0
        self._kept_bytes = 0
        self._disk_is_full = False
        self.next_snapshot = 0
        self.steps = 0
        self._last_update = 0.0
        self._entry: Digested | None = None
        self._all_fits = True
        self._turn = _GRADS
        self._grads: Digested | None = None
        self._hyper: list[dict[str, Any]] = []
        self._grad_norm: float | None = None
        self._described: list[int] = []
        # Per optimizer; worked out again whenever the roster changes.
        self._cuts: dict[int, _Cuts] = {}
        self._cut = _Cuts(0, Cut(()), Digested([], 0, 0))
        self._hypers: dict[int, Hyperparameters] = {}
        self._next_norm = 0
        self._without = 0
        self._announced_gap = ""
        self._spoiled = -1
        self._finished = False
        self._beside = self._look_beside()
        self.line({"type": "platform", **platform_torch.describe()})

    # -- the points of a step -----------------------------------------------------------------------

    def boundary(self, step: Underway, *, clean: bool) -> None:
        """Digest the parameters as they stand and take a snapshot when one is due."""
        # Here and below: what is called at every step is written out where that spares a call, which costs
        # 5 microseconds when its code is in no cache (docs/adr/0009).
        shape = self.roster.shape()
        if shape != self._described:
            self._describe(step.number, shape)
        # What an update leaves is digested after it; digesting it here too tells apart a change between
        # two steps from a wrong gradient. It is left out when the time for digests is short.
        if self._all_fits:
            self._entry = self._digest(step, ENTRY, self.roster.parameters(), None, ENTRY_SHARE)
        if clean and (self._due(step.number) if self._is_told else step.number >= self.next_snapshot):
            self._snapshot(step.number)

    def batch(self, step: Underway, slot: int, index: int, value: Any, samples: Any) -> Any:
        """Copy what the loader yields."""
        tensors = leaves(value)
        before = self.copies.copied
        copies = [self.copies.copy(tensor) for tensor in tensors]
        step.fetches.append(Fetch(slot, index, copies, randomness.capture(), samples))
        if self._beside is not None:
            self._beside.drawn(step.number, slot, samples, copies)
        step.kept_bytes += self.copies.copied - before
        self.handed.add(slot, index, tensors)
        if step.kept_bytes > self.config.tape_limit:
            self._let_go(step)
        return value

    def epoch(self, step: Underway, slot: int, first: int, loader: Any) -> None:
        """Keep what decides the order of the epoch that a loader begins."""
        if self._beside is not None:
            self._beside.epoch(slot, loader)
        order = {} if slot < 0 else {"states": randomness.capture(), "order": capture_order(loader)}
        line: dict[str, Json] = {"type": "epoch", "step": step.number, "slot": slot, "first": first}
        line["dataset"] = key_of(loader.dataset)
        self.worker.add(lambda: self._write_epoch(line, order), must=True)

    def inputs(self, step: Underway, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Copy what a forward is called with, unless it came from the loader or from a forward."""
        found = leaves(args, 1) + leaves(kwargs, 1) if kwargs else leaves(args, 1)
        copies, kept = self.copies, []
        before = copies.copied
        for leaf in found:  # a comprehension is a call
            kept.append(  # noqa: PERF401
                GRAD if leaf.requires_grad else describe(step, self.handed, leaf, copies.copy)
            )
        step.inputs.append(kept)
        step.kept_bytes += copies.copied - before
        return args, kwargs

    def evaluated(self, step: Underway, args: Any, kwargs: Any) -> None:
        """Note which loaders serve evaluations: what they yield decides nothing in a step."""
        found = [self.handed.find(leaf) for leaf in leaves([args, kwargs])]
        step.evaluated.update(slot for slot, _, _ in filter(None, found))

    def gradients(self, step: Underway) -> None:
        """Backward has ended."""
        if self._beside is not None:
            self._beside.after_backward(step.number)

    def closure_ahead(self, step: Underway, optimizer: Optimizer) -> None:
        """Do nothing yet: hyperparameters and gradients count once the closure has returned."""

    def before_update(self, step: Underway, optimizer: Optimizer, number: int) -> None:
        """Digest the gradients and note the hyperparameters."""
        parameters = parameters_of(optimizer)
        known = self._hypers.get(number)
        if known is None:
            known = self._hypers[number] = Hyperparameters()
        self._hyper = known.of(optimizer)
        self._turn = _GRADS if self._all_fits else self._whose_turn(step)
        cut = self._cuts.get(number)
        if cut is None or cut.parameters != len(parameters):
            units = layout(parameters)
            cut = self._cuts[number] = _Cuts(len(parameters), units, Digested([], len(units), 0))
        self._cut = cut
        if self._turn == _GRADS:
            self._grads = self._digest(step, GRADS, parameters, cut.units, GRADS_SHARE)
        else:
            self._grads = cut.nothing
        if step.number >= self._next_norm:
            self._measure_norm(step.number, parameters)
        if self._beside is not None:  # last: what it copies is what the update starts from
            self._beside.before_update(step.number, optimizer, number, self._hyper)

    def after_update(self, step: Underway, optimizer: Optimizer, number: int) -> None:
        """Digest the parameters, hand the step to the worker and note that it is complete."""
        if self._beside is not None:
            self._beside.after_update(optimizer)
        grads, self._grads = self._grads, None
        if grads is None or self._spoiled == step.number:
            self._leave_out(step)
            return
        cut = self._cut
        if self._all_fits or self._turn == _PARAMS:
            share = 1.0 - ENTRY_SHARE - GRADS_SHARE
            params = self._digest(step, PARAMS, parameters_of(optimizer), cut.units, share)
        else:
            params = cut.nothing
        self._all_fits = self.steps % TRY_ALL_EVERY == 0 or (params.complete and grads.complete)
        gathered = Gathered(
            step=step,
            optimizer=number,
            ended_ns=time.time_ns(),
            hyper=self._hyper,
            entry=self._entry,
            grads=grads,
            params=params,
            grad_norm=self._grad_norm,
            loss_version=step.loss._version if isinstance(step.loss, torch.Tensor) else -1,
            units=cut.units,
            # Copied units are still there when the worker looks.
            sketch=take(parameters_of(optimizer), params.digest) if params.seed is None else NO_SKETCH,
        )
        self._entry = self._grad_norm = None
        size = step.kept_bytes
        if self._has_room(size):
            self._kept_bytes += size
        else:
            gathered.keeps_batches = False
        self.worker.add(lambda: self._write(gathered), size, must=True)
        self.steps = steps = step.number + 1
        self._beats[0], self._beats[1] = steps, time.monotonic_ns()
        now = time.perf_counter()
        if self._last_update:
            self.allowance.took(now - self._last_update)
        self._last_update = now

    # -- other lines --------------------------------------------------------------------------------

    def line(self, body: dict[str, Json]) -> None:
        """Add a line of another type to the stream."""
        self.worker.add(lambda: self.channel.line(body), must=True)

    def follow_files(self, watch: FileWatch) -> None:
        """Report the files of `watch` as they settle."""
        self._watch = watch

    def job(self, job: Callable[[], None]) -> None:
        """Do something on the worker thread."""
        self.worker.add(job, must=True)

    def gap(self, what: str, reason: str) -> None:
        """Record that something could not be recorded; the same kind of gap is told once in a row."""
        if what.startswith("error:"):
            self._spoiled = self.steps
        if what != self._announced_gap:
            self._announced_gap = what
            self.line({"type": "gap", "what": what, "reason": reason, "step": self.steps})

    def finish(self) -> None:
        """Write out everything, within the time the exit of a training process may take."""
        if self._finished:
            return
        self._finished = True
        if self._beside is not None:
            self._beside.finish()
        if self.worker.failed or self.worker.refused:
            self.line(
                {
                    "type": "gap",
                    "what": "worker",
                    "reason": f"{self.worker.failed} jobs failed, {self.worker.refused} refused: "
                    f"{self.worker.reason}",
                    "step": self.steps,
                }
            )
        self.job(self._say_bye)
        if self.worker.stop(self.config.exit_seconds):
            self.tape.close()
            self.channel.close()

    def abandon(self) -> None:
        """Let go of files and connection in a forked child; its parent goes on with them."""
        self._finished = True
        self.tape.close()
        self.channel.abandon()

    # -- on the worker thread -----------------------------------------------------------------------

    def _idle(self) -> None:
        now = time.monotonic()
        if now - self._settled > SETTLE_EVERY_SECONDS:
            self._settled = now
            self._disk_is_full = disk.nearly_full(self.config.directory)
            if self._watch is not None:
                self._watch.settle()
        self.channel.flush()

    def _say_bye(self) -> None:
        if self._watch is not None:
            self._watch.settle(everything=True)
        # Queued, not written at once: the files found just now come before it.
        self.line({"type": "bye", "steps": self.steps, "time_ns": time.time_ns()})

    # -- inner workings -----------------------------------------------------------------------------

    def _look_beside(self) -> Beside | None:
        """Build what looks at updates beside this; without it, recording goes on."""
        if not self.config.steps:
            return None
        module, _, function = self.config.steps.partition(":")
        try:
            build = getattr(importlib.import_module(module), function)
            beside: Beside = build(self.roster, self.line, self.job, self.stream, self._step_seconds)
        except Exception as error:  # noqa: BLE001 - boundary
            self.gap("steps", f"updates are not looked at: {error!r}"[:300])
            return None
        return beside

    def _step_seconds(self) -> float:
        """Return what a step takes; without end where digests are to be full, whatever that costs."""
        return math.inf if self.config.digests == "full" else self.allowance.median

    def _leave_out(self, step: Underway) -> None:
        """Record nothing of a step in which our own code failed: half of it would accuse the training."""
        self._entry = None
        self.steps = step.number + 1
        self.heartbeat.beat(self.steps)

    def _has_room(self, size: int) -> bool:
        """Return whether a step's batches are kept; tell of it when they are not."""
        if size > self.config.tape_limit:
            reason = f"one step has {size} bytes of them"
        elif self._kept_bytes + size > self.config.tape_total:
            reason = f"the tape holds {self._kept_bytes} bytes already"
        elif self._disk_is_full:
            reason = "the ledger's disk is nearly full"
        elif self.worker.has_room(size):
            return True
        else:
            reason = "the disk does not keep up"
        self.gap("batches", f"from step {self.steps} batches are digested, not kept: {reason}")
        return False

    def _let_go(self, step: Underway) -> None:
        """Let go of the oldest batches of a step when they are many: an evaluation with gradients on."""
        for fetch in [fetch for fetch in step.fetches if fetch.tensors][:-1]:
            if step.kept_bytes <= self.config.tape_limit:
                return
            step.kept_bytes -= sum([size_of(copy) for copy in fetch.tensors])
            fetch.tensors = []

    def _digest(
        self, step: Underway, what: int, parameters: list[torch.Tensor], units: Cut | None, share: float
    ) -> Digested:
        """Digest as much as fits the time, in an order all ranks share."""
        part = gradient if what == GRADS else parameter
        seconds = self.allowance.seconds
        if seconds is None:
            return digest_units(parameters, part, units)
        if units is None:
            units = layout(parameters)
        began = time.perf_counter()
        seed = self.beacon.seed(step.number, what)
        copied = copy_units(parameters, part, units, seed, began + seconds * share)
        if len(copied.parts) == 1:
            self.allowance.cost(time.perf_counter() - began)
        return copied

    def _whose_turn(self, step: Underway) -> int:
        thrown = self.beacon.seed(step.number, TURN) / 2.0**64
        chance = self.allowance.chance
        if thrown >= chance and self._without < MOST_WITHOUT:
            self._without += 1
            return _NOTHING
        self._without = 0
        # Where in its range the throw fell is a fair coin, whether it won the turn or the turn was due.
        place = thrown / chance if thrown < chance else (thrown - chance) / (1.0 - chance)
        return _GRADS if place < 1 / 2 else _PARAMS

    def _measure_norm(self, step: int, parameters: list[torch.Tensor]) -> None:
        """Measure the gradient norm, and decide from what that took when it is measured next."""
        began = time.perf_counter()
        self._grad_norm = _norm([each.grad for each in parameters])
        median = self.allowance.median
        every = (time.perf_counter() - began) / (NORM_SHARE * median) if median else 1.0
        self._next_norm = step + (1 if self.config.digests == "full" else max(NORM_EVERY, int(every)))

    def _due(self, step: int) -> bool:
        return step == 0 or step in self.schedule.get()

    def _snapshot(self, step: int) -> None:
        slow = self.buffers.busy and not self.worker.has_room(self.buffers.size)
        if slow or self._disk_is_full:
            self._plan(step, 0.0)
            reason = "the disk does not keep up" if slow else "the ledger's disk is nearly full"
            self.gap("snapshot", f"no snapshot at step {step}: {reason}")
            return
        # One set of buffers is kept; when it is still being written, memory is taken once more.
        buffers = snapshots.SnapshotBuffers() if self.buffers.busy else self.buffers
        buffers.busy = True
        tree, seen_ns = snapshots.take(self.roster, step, buffers)
        job = functools.partial(self._write_snapshot, tree, step, seen_ns, buffers)
        self.worker.add(job, buffers.size, must=True)
        self._plan(step, seen_ns / 1e9 + self._write_seconds)

    def _plan(self, step: int, cost_seconds: float) -> None:
        self.next_snapshot = self.cadence.after(step, cost_seconds, self.allowance.median)
        if self.rank == 0:
            self.schedule.set(self.next_snapshot, step)

    def _write_snapshot(
        self, tree: Tree, step: int, seen_ns: int, buffers: snapshots.SnapshotBuffers
    ) -> None:
        try:
            began = time.thread_time()
            written = snapshots.write(self.objects, self.snapshots, self.stream, tree)
            self._write_seconds = time.thread_time() - began
        except Exception as error:  # noqa: BLE001 - boundary: a full disk must not reach the training
            reason = f"snapshot at step {step} was not written: {error}"
            self.channel.line({"type": "gap", "what": "snapshot", "reason": reason, "step": step})
            return
        finally:
            buffers.busy = False
        self.tape.start(step)
        self.channel.line(
            SnapshotRecord(self.stream, step, written.name, written.size, written.stored, seen_ns).to_json()
        )

    def _write_epoch(self, line: dict[str, Json], order: Tree) -> None:
        packed = b"".join(pack.write(order, to_part).buffers)
        name = self.objects.put(packed) if order and not self._disk_is_full else None
        self.channel.line({**line, "objects": name})

    def _write(self, gathered: Gathered) -> None:
        record, taped = self.assembler.assemble(gathered)
        if not taped:
            reason = f"the tape of step {record.step} was not written: the disk refused it"
            self.gap("tape", reason)
        self.channel.line(record.to_json())
        for copy in copies_of(gathered.step):
            self.copies.take_back(copy)

    def _describe(self, step: int, shape: list[int]) -> None:
        """Say what stands behind the digests, at first and whenever that changes."""
        self._described = shape
        self._cuts.clear()
        self.line({"type": "tensors", "step": step, **self.roster.describe()})


class _Cuts(NamedTuple):
    """How so many parameters are cut, and the digest of none of their units."""

    parameters: int
    units: Cut
    nothing: Digested


def build(config: RecordConfig, roster: Roster) -> Recorder:
    """Build the recorder; called at the first boundary of a process."""
    return Recorder(config, roster)


def _peer(config: RecordConfig) -> Any:
    try:
        return connect(str(Path(config.boot) / SOCKET_NAME))
    except OSError:
        return None


def rank() -> int:
    """Return this process's rank in its training; 0 when it trains alone."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank()
    try:
        return int(os.environ.get("RANK", "0"))
    except ValueError:
        return 0


def copies_of(step: Underway) -> list[Copy]:
    """Return the copies a step holds."""
    copies = [item for call in step.inputs for item in call if type(item) is not list]
    return [*copies, *(copy for fetch in step.fetches for copy in fetch.tensors)]


@torch.no_grad()
def _norm(grads: list[Any]) -> float | None:
    # The norm of sharded gradients would take a collective.
    if any(map(shards.is_sharded, grads)):
        return None
    dense = [grad for grad in grads if grad is not None and grad.layout is torch.strided]
    floating = [grad for grad in dense if grad.is_floating_point()]
    if not floating or sum(grad.nbytes for grad in floating) > NORM_BYTES:
        return None
    norms = torch._foreach_norm(floating)
    if len({norm.device for norm in norms}) > 1:
        return math.sqrt(sum(float(norm) ** 2 for norm in norms))
    return float(torch.linalg.vector_norm(torch.stack([norm.double() for norm in norms])))
