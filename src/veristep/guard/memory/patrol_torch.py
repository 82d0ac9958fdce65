"""Goes through the memory of this process, on a thread of its own, again and again.

Started at the first update of an optimizer: a process that trains nothing costs nothing. Before that update
hooks and the names that matter most are looked at at once; from then on the interpreter is held for less
than a millisecond at a time, but for the list of all that is alive (`codes`).
"""

from __future__ import annotations

import atexit
import math
import os
import random
import threading
import time
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from veristep.guard.memory import slots
from veristep.guard.memory.codes import LONGEST_HOLD_SECONDS, Codes
from veristep.guard.memory.notes import Notes
from veristep.guard.memory.pace import PAUSE_SECONDS, Pace
from veristep.guard.memory.places_torch import Places
from veristep.guard.memory.slots import Slots
from veristep.guard.memory.step_torch import Steps

QUICK_SECONDS, FULL_SECONDS, RARE_SECONDS = 10.0, 60.0, 600.0
# How long the first update may wait; what is not looked at by then is looked at beside it.
FIRST_SECONDS = 1.0
# How long the end of a process may wait for the first round.
EXIT_SECONDS = 5.0
_TICK_SECONDS = 0.5


def install(boot: str) -> None:
    """Have this process, and the children it forks, patrolled from their first update on."""
    patrol = Patrol(boot)
    register_optimizer_step_pre_hook(patrol.steps.before)
    os.register_at_fork(after_in_child=patrol.forked)
    atexit.register(patrol.finish)


class Patrol:
    """The rounds of this process."""

    def __init__(self, boot: str) -> None:
        self.steps = Steps(self._begin)
        self._boot = boot
        # Not the script's generator: that would change what it draws.
        self._random = random.Random()  # noqa: S311 - moments, not secrets
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._anew()

    def _anew(self) -> None:
        self._notes = Notes(self._boot)
        installed = slots.prefixes()
        self._places = Places(self._notes, installed)
        self._codes = Codes(self._notes, Places.wanted, self._places.thing)
        self._slots = Slots(self._notes, installed)
        self._pace = Pace()
        self._errors: set[str] = set()
        self._parts: set[str] = set()
        self._rounds = 0
        self._thread = None
        self._stopping = threading.Event()
        self.steps.forked()

    def forked(self) -> None:
        """Begin anew in a child: threads do not live on in it."""
        self._anew()

    def finish(self) -> None:
        """Finish the round that is underway before the process ends, within a limit."""
        thread = self._thread
        if thread is None:
            return
        self._pace.hurried = True
        self._stopping.set()
        thread.join(EXIT_SECONDS)

    def _begin(self, optimizer: Optimizer) -> None:
        """The first update begins: nothing that is in place by now is to take part in it unseen."""
        self.steps.optimizers.add(optimizer)
        self._pace.hurried, self._pace.until = True, time.monotonic() + FIRST_SECONDS
        try:
            self._first()
        finally:
            self._pace.until, self._pace.cut = math.inf, False
            self._pace.hurried = self._stopping.is_set()
        self._thread = threading.Thread(target=self._run, name="veristep-memory", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        full_at = 0.0
        while True:
            now = time.monotonic()
            full = now >= full_at
            if full:
                pause = RARE_SECONDS if self._codes.hold > LONGEST_HOLD_SECONDS else FULL_SECONDS
                full_at = now + pause * self._random.uniform(0.8, 1.2)
            self._round(full=full)
            if self._stopping.is_set():
                return
            self._wait(QUICK_SECONDS * self._random.uniform(0.5, 1.5))
            if self._stopping.is_set():
                self._round(full=False)
                return

    def _wait(self, seconds: float) -> None:
        """Wait for the next round; what steps collect is told meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._stopping.wait(_TICK_SECONDS):
            self._guarded(self._collected())

    def _first(self) -> None:
        """Look where it matters most."""
        self._guarded(self._collected())
        self._guarded(self._places.quickly())
        self._guarded(self._optimizers())
        self._part("hooks")
        self._guarded(self._namespaces(self._slots.critical()))
        self._part("names that matter most")

    def _round(self, *, full: bool) -> None:
        self._first()
        if full:
            self._guarded(self._namespaces(self._slots.others()))
            self._part("names")
        self._guarded(self._codes.look(young=not full))
        if full:
            self._part("functions")
            self._guarded(self._places.operators())
            self._part("operators")
        self._guarded(self._collected())
        self._rounds += 1
        self._notes.write(
            "round",
            number=self._rounds,
            full=full,
            steps=self.steps.count,
            slots=self._slots.count,
            functions=self._codes.functions,
            seconds=round(self._pace.spent, 4),
            slice=round(self._pace.longest, 5),
            hold=round(self._codes.hold, 5),
            errors=sorted(self._errors),
        )
        self._slots.count = 0
        self._pace.pause = PAUSE_SECONDS

    def _part(self, what: str) -> None:
        """Tell that a part of a round is done, the first time it is."""
        if what not in self._parts and not self._pace.cut:
            self._parts.add(what)
            self._notes.write("part", what=what)

    def _collected(self) -> Iterator[None]:
        steps = self.steps
        while steps.codes:
            self._places.stack([steps.codes.pop()])
            yield
        while steps.others:
            place, value = steps.others.pop()
            self._other(place, value)
            yield

    def _other(self, place: str, value: Any) -> None:
        if value is None:
            return
        if place.startswith("torch"):
            self._places.mode(place, value)
        else:
            self._places.interpreter(place, value)

    def _optimizers(self) -> Iterator[None]:
        for each in list(self.steps.optimizers):
            self._places.thing(each)
            yield
            yield from self._places.parameters(each)

    def _namespaces(self, modules: list[tuple[str, ModuleType]]) -> Iterator[None]:
        for name, module in modules:
            yield from self._slots.module(name, module)

    def _guarded(self, work: Iterable[None]) -> None:
        try:
            for _ in self._pace.over(work):
                pass
        except Exception as error:  # noqa: BLE001 - boundary: told with the round, the next part goes on
            if len(self._errors) < 20:
                self._errors.add(repr(error)[:300])
