"""STEP inside a training process: what is looked at around each update, and within what time.

Made by the recorder, which calls it at the points of a step. None of its errors leaves it: one of them is
told, and after a few nothing more is looked at.
"""

from __future__ import annotations

import functools
import os
import time
from collections import Counter
from collections.abc import Callable

from torch.optim import Optimizer

from veristep.core.canonical import Json
from veristep.guard.step import shadow_torch as shadow
from veristep.guard.step.pristine_torch import Pristine, elementwise
from veristep.guard.step.purse import Purse
from veristep.record.state_torch import Roster

MAX_ERRORS = 3
# Findings of one kind told by one process; a spoiled training is spoiled at every step.
MAX_TOLD = 20
# How often it is told what was looked at: a process that is killed has said nearly all of it.
COVERAGE_EVERY = 5.0


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

    # -- on the training thread ---------------------------------------------------------------------

    def before_update(self, step: int, optimizer: Optimizer, number: int) -> None:
        """Look at what an update starts from; the gradients are as it will use them."""
        if self._errors < MAX_ERRORS:
            try:
                self._before(step, optimizer, number)
            except Exception as error:  # noqa: BLE001 - boundary
                self._failed(error)

    def after_update(self, optimizer: Optimizer) -> None:
        """Look at what the update left."""
        update, self._underway = self._underway, None
        if update is not None:
            try:
                began = time.perf_counter()
                shadow.after(update, optimizer)
                self._job(functools.partial(self._judge, update))
                self._spent += time.perf_counter() - began
                self._purse.paid(self._spent, len(update.samples))
            except Exception as error:  # noqa: BLE001 - boundary
                self._failed(error)

    def finish(self) -> None:
        """Tell, at the end, what was looked at and what was not."""
        self._job(self._say)

    # -- inner workings -----------------------------------------------------------------------------

    def _before(self, step: int, optimizer: Optimizer, number: int) -> None:
        self._seen["updates"] += 1
        kind = self._kinds.get(number)
        if kind is None:
            kind = self._kinds[number] = elementwise(optimizer)
        if not kind:
            self._missed[f"{type(optimizer).__name__} is none of torch's elementwise optimizers"] += 1
            return
        most = self._purse.tensors(self._median())
        if not most:
            self._missed["left out: a step this short is looked at now and then"] += 1
            return
        began = time.perf_counter()
        self._underway = shadow.before(step, number, kind, optimizer, most)
        self._spent = time.perf_counter() - began

    def _judge(self, update: shadow.Update) -> None:
        began = time.thread_time()
        try:
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
        if time.monotonic() - self._said > COVERAGE_EVERY:
            self._say()

    def _tell(self, update: shadow.Update, wrong: shadow.Wrong) -> None:
        self._told["update"] += 1
        if self._told["update"] > MAX_TOLD:
            return
        sample, difference = wrong.sample, wrong.difference
        name = self._roster.names().get(id(sample.parameter), f"parameter {sample.number}")
        self._line(
            {
                "type": "guard-step",
                "kind": "update",
                "stream": self._stream,
                "step": update.step,
                "optimizer": update.optimizer,
                "class": update.kind,
                "tensor": name,
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
        self._line(
            {
                "type": "guard-step",
                "kind": "coverage",
                "stream": self._stream,
                "pid": os.getpid(),
                "seen": {**self._seen},
                "missed": {**self._missed},
                "told": {**self._told},
                "sources": sources,
                "seconds": round(self._purse.seconds, 6),
            }
        )

    def _failed(self, error: Exception) -> None:
        self._errors += 1
        self._underway = None
        body: dict[str, Json] = {"type": "guard-step", "kind": "failed", "stream": self._stream}
        self._line({**body, "reason": repr(error)[:300], "stopped": self._errors >= MAX_ERRORS})


def build(
    roster: Roster,
    line: Callable[[dict[str, Json]], None],
    job: Callable[[Callable[[], None]], None],
    stream: str,
    median: Callable[[], float],
) -> StepGuard:
    """Return what looks at the updates of this process."""
    return StepGuard(roster, line, job, stream, median)
