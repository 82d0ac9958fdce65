"""STEP inside a training process: what is looked at around each update, and within what time.

Made by the recorder, which calls it at the points of a step. None of its errors leaves it: one of them is
told, and after a few nothing more is looked at.
"""

from __future__ import annotations

import functools
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import Optimizer

from veristep.core.canonical import Json
from veristep.guard.step import gradients_torch as gradients
from veristep.guard.step import kept_torch as kept
from veristep.guard.step import shadow_torch as shadow
from veristep.guard.step.answers_torch import KnownAnswers
from veristep.guard.step.inputs_torch import Rates, Samples, Seeds, epoch_of
from veristep.guard.step.pristine_torch import Pristine, elementwise
from veristep.guard.step.purse import Purse
from veristep.record.forks import FORKS
from veristep.record.state_torch import Roster

MAX_ERRORS = 3
# Findings of one kind told by one process; a spoiled training is spoiled at every step.
MAX_TOLD = 20
# How often it is told what was looked at: a process that is killed has said nearly all of it.
COVERAGE_EVERY = 5.0
# How often the known-answer step is taken again: it takes about 10 ms of the worker's processor time.
ANSWER_EVERY = 60.0


@dataclass(slots=True)
class Habit:
    """How often something was compared for one optimizer, and how often it differed."""

    compared: int = 0
    differed: int = 0


class StepGuard:
    """Looks at the updates of one training process."""

    def __init__(
        self,
        roster: Roster,
        line: Callable[[dict[str, Json]], None],
        job: Callable[[Callable[[], None]], None],
        stream: str,
        median: Callable[[], float],
    ) -> None:
        """Take in what the recorder offers.

        Args:
            roster: modules and optimizers of the process.
            line: adds a line to the run's log.
            job: does something on the worker thread.
            stream: rank and restart of the process, as lines name it.
            median: returns the median step time in seconds, 0 while it is unknown.
        """
        self._roster = roster
        self._line = line
        self._job = job
        self._stream = stream
        self._median = median
        self._pristine = Pristine()
        self._purse = Purse()
        self._errors = 0
        self._underway: shadow.Update | None = None
        self._kinds: dict[int, str] = {}
        self._seen: Counter[str] = Counter()
        self._missed: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._said = 0.0
        self._spent = 0.0
        # Per optimizer: its last samples, and how often a state had been loaded then.
        self._left: dict[int, tuple[shadow.Update, int]] = {}
        self._hooked: set[int] = set()
        self._habits: defaultdict[str, Habit] = defaultdict(Habit)
        # For the update that is ahead: how many tensors are looked at, and their gradients after backward.
        self._most: int | None = None
        self._grads: list[gradients.Left] = []
        self._loads = kept.Loads()
        self._rates = Rates(roster, self._send)
        self._seeds = Seeds(self._send)
        self._samples = Samples(self._send)
        self._known = KnownAnswers(self._send)
        self._job(functools.partial(self._guarded, self._known.take, 0))

    # -- on the training thread ---------------------------------------------------------------------

    def before_update(
        self, step: int, optimizer: Optimizer, number: int, hyper: list[dict[str, Any]]
    ) -> None:
        """Look at what an update starts from; the gradients are as it will use them."""
        if self._errors < MAX_ERRORS:
            try:
                self._before(step, optimizer, number, hyper)
            except Exception as error:  # noqa: BLE001 - boundary
                self._failed(error)

    def after_backward(self, step: int) -> None:
        """Look at some gradients as backward leaves them; the last backward before an update counts."""
        del step
        if self._errors < MAX_ERRORS:
            try:
                if self._most is None:
                    self._most = self._purse.tensors(self._median())
                self._grads = self._gradients(self._most) if self._most else []
            except Exception as error:  # noqa: BLE001 - boundary
                self._failed(error)

    def after_update(self, optimizer: Optimizer) -> None:
        """Look at what the update left."""
        update, self._underway = self._underway, None
        if update is not None:
            try:
                began = time.perf_counter()
                shadow.after(update, optimizer)
                self._left[update.optimizer] = update, self._loads.count
                self._job(functools.partial(self._judge, update))
                self._spent += time.perf_counter() - began
                self._purse.paid(self._spent, len(update.samples))
            except Exception as error:  # noqa: BLE001 - boundary
                self._failed(error)

    def drawn(self, step: int, slot: int, samples: Any, copies: list[Any]) -> None:
        """Take in a batch that a loader hands over."""
        if samples is not None and self._errors < MAX_ERRORS:
            self._job(functools.partial(self._guarded, self._samples.drawn, step, slot, samples, copies))

    def epoch(self, slot: int, loader: Any) -> None:
        """A loader begins an epoch."""
        if slot < 0 or self._errors >= MAX_ERRORS:
            return
        try:
            self._job(functools.partial(self._guarded, self._samples.begins, slot, epoch_of(loader)))
        except Exception as error:  # noqa: BLE001 - boundary
            self._failed(error)

    def finish(self) -> None:
        """Tell, at the end, what was looked at and what was not."""
        self._job(functools.partial(self._guarded, self._samples.finish))
        self._job(functools.partial(self._guarded, self._known.take, self._seen["updates"]))
        self._job(self._say)

    # -- inner workings -----------------------------------------------------------------------------

    def _before(self, step: int, optimizer: Optimizer, number: int, hyper: list[dict[str, Any]]) -> None:
        self._seen["updates"] += 1
        self._seeds.look(step)
        self._rates.look(step, optimizer, number, hyper)
        # An optimizer of the script's own may have none of torch's attributes.
        hooks = vars(optimizer)
        if hooks.get("_optimizer_step_pre_hooks") or hooks.get("_optimizer_step_post_hooks"):
            self._stand_around_hooks(optimizer)
        if number in self._left:
            self._look_again(step, optimizer, number)
        kind = self._kinds.get(number)
        if kind is None:
            kind = self._kinds[number] = elementwise(optimizer)
        if not kind:
            self._missed[f"{type(optimizer).__name__} is none of torch's elementwise optimizers"] += 1
            return
        most, self._most = self._most, None
        if most is None:
            most = self._purse.tensors(self._median())
        if self._grads:
            self._compare_gradients(step, number)
        if not most:
            self._missed["left out: a step this short is looked at now and then"] += 1
            return
        began = time.perf_counter()
        self._underway = shadow.before(step, number, kind, optimizer, most)
        self._spent = time.perf_counter() - began

    def _stand_around_hooks(self, optimizer: Optimizer) -> None:
        """See to it that the script's hooks come before what is copied first and after what is last."""
        if id(optimizer) in self._hooked:
            return
        self._hooked.add(id(optimizer))

        def last(_optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
            update = self._underway
            if update is not None:
                try:
                    shadow.refresh(update)
                except Exception as error:  # noqa: BLE001 - boundary
                    self._failed(error)

        def first(_optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
            self.after_update(optimizer)

        optimizer.register_step_pre_hook(last)
        handle = optimizer.register_step_post_hook(first)
        optimizer._optimizer_step_post_hooks.move_to_end(handle.id, last=False)  # type: ignore[attr-defined]

    def _gradients(self, most: int) -> list[gradients.Left]:
        if reduced_by_hand(self._roster):
            return []
        living = [
            (number, optimizer)
            for number, optimizer in enumerate(self._roster.optimizers())
            if optimizer is not None
        ]
        return gradients.left_by_backward(living, most)

    def _compare_gradients(self, step: int, number: int) -> None:
        mine = [each for each in self._grads if each.optimizer == number]
        self._grads = [each for each in self._grads if each.optimizer != number]
        left = gradients.read_again(mine)
        if left:
            self._job(functools.partial(self._guarded, self._judge_gradients, step, left))

    def _judge_gradients(self, step: int, left: list[gradients.Left]) -> None:
        self._seen["gradients"] += 1
        habit = self._habits[f"gradients {left[0].optimizer}"]
        habit.compared += 1
        found = gradients.altered(left)
        if found is None:
            return
        habit.differed += 1
        count = habit.differed
        if count > 5 and count & (count - 1):
            return
        name = self._roster.names().get(id(found.left.parameter), "?")
        self._send(
            {
                "kind": "gradient",
                "step": step,
                "tensor": name,
                "factor": found.factor,
                "usual": found.usual,
                "expected": found.expected,
                "got": found.got,
                "compared": habit.compared,
                "altered": count,
            }
        )

    def _look_again(self, step: int, optimizer: Optimizer, number: int) -> None:
        update, loads = self._left.pop(number)
        if loads != self._loads.count:
            self._missed["between: a state was loaded"] += 1
            return
        after = vars(optimizer).get("_optimizer_step_post_hooks") or {}
        hooks = [_where(hook) for hook in after.values()]
        seen = kept.again(update, step, optimizer)
        self._job(
            functools.partial(self._guarded, self._judge_again, seen, [each for each in hooks if each])
        )

    def _judge_again(self, seen: kept.Again, hooks: list[str]) -> None:
        self._seen["between"] += 1
        habit = self._habits[f"between {seen.update.optimizer}"]
        habit.compared += 1
        with FORKS.held_off():
            found = kept.changes(seen)
        if not found:
            return
        habit.differed += 1
        count = habit.differed
        if count > 5 and count & (count - 1):
            return
        change = found[0]
        places: list[Json] = [*hooks]
        self._send(
            {
                "kind": "between",
                "step": seen.update.step,
                "until": seen.step,
                "tensor": self._name(change.sample),
                "what": change.what,
                "first": change.sample.first,
                "of": change.sample.count,
                "wrong": change.wrong,
                "before": change.before,
                "after": change.after,
                "compared": habit.compared,
                "changed": count,
                "hooks": places,
            }
        )

    def _judge(self, update: shadow.Update) -> None:
        began = time.thread_time()
        try:
            with FORKS.held_off():
                wrong = shadow.judge(update, self._pristine)
        except Exception as error:  # noqa: BLE001 - boundary
            self._failed(error)
            self._missed["an error of Veristep's"] += 1
            return
        if update.samples:
            self._seen["updates checked"] += 1
        else:
            self._missed[next(iter(update.missed), "no parameters")] += 1
        self._seen["tensors"] += len(update.samples)
        self._seen["coordinates"] += sum(sample.count for sample in update.samples)
        for each in wrong[:1]:
            self._tell(update, each)
        self._purse.worked(time.thread_time() - began, len(update.samples))
        if time.monotonic() - self._known.taken > ANSWER_EVERY:
            self._guarded(self._known.take, update.step)
        if time.monotonic() - self._said > COVERAGE_EVERY:
            self._say()

    def _tell(self, update: shadow.Update, wrong: shadow.Wrong) -> None:
        self._told["update"] += 1
        if self._told["update"] > MAX_TOLD:
            return
        sample, difference = wrong.sample, wrong.difference
        self._send(
            {
                "kind": "update",
                "step": update.step,
                "optimizer": update.optimizer,
                "class": update.kind,
                "tensor": self._name(sample),
                "what": wrong.what,
                "first": sample.first,
                "of": sample.count,
                "wrong": difference.wrong,
                "cosine": difference.cosine,
                "ratio": difference.ratio,
                "before": difference.before,
                "expected": difference.expected,
                "got": difference.got,
            }
        )

    def _say(self) -> None:
        self._said = time.monotonic()
        sources: dict[str, Json] = {**self._pristine.sources}
        epochs: dict[str, Json] = {**self._samples.missed}
        self._send(
            {
                "kind": "coverage",
                "pid": os.getpid(),
                "seen": {**self._seen, "rates": self._rates.checked, "epochs": self._samples.checked},
                "missed": {**self._missed},
                "epochs": epochs,
                "told": {**self._told},
                "sources": sources,
                "seconds": round(self._purse.seconds, 6),
            }
        )

    def _name(self, sample: shadow.Sample) -> str:
        return self._roster.names().get(id(sample.parameter), f"parameter {sample.number}")

    def _send(self, body: dict[str, Json]) -> None:
        self._line({"type": "guard-step", "stream": self._stream, **body})

    def _guarded(self, act: Callable[..., None], *args: Any) -> None:
        try:
            act(*args)
        except Exception as error:  # noqa: BLE001 - boundary
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._errors += 1
        self._underway = None
        self._send({"kind": "failed", "reason": repr(error)[:300], "stopped": self._errors >= MAX_ERRORS})


def reduced_by_hand(roster: Roster) -> bool:
    """Whether ranks may exchange gradients after backward, by the script's own code."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return False
    wrapped = torch.nn.parallel.DistributedDataParallel
    return distributed.get_world_size() > 1 and not any(
        isinstance(module, wrapped) for module in roster.modules()
    )


def _where(hook: Any) -> str:
    code = getattr(hook, "__code__", None)
    if code is None or code.co_filename == __file__:
        return ""
    return f"{code.co_filename}:{code.co_firstlineno}"


def build(
    roster: Roster,
    line: Callable[[dict[str, Json]], None],
    job: Callable[[Callable[[], None]], None],
    stream: str,
    median: Callable[[], float],
) -> StepGuard:
    """Return what looks at the updates of this process."""
    return StepGuard(roster, line, job, stream, median)
