"""Work in slices, so that training hardly notices who else wants the interpreter.

While one thread runs Python code another that wants to go on waits up to the interpreter's switching
interval, 5 ms; torch gives the interpreter up, and wants it back, at every operation. A slice is much
shorter than that, and a pause follows it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
# The first round has much to do, once, and is not to last for a minute.
SLICE_SECONDS, PAUSE_SECONDS, FIRST_PAUSE_SECONDS = 0.0008, 0.016, 0.004


class Pace:
    """Hands out the work.

    Attributes:
        hurried: no pauses: the process trains not yet, or is about to end.
        pause: seconds between slices.
        until: moment of the monotonic clock from which on nothing more is handed out.
        cut: whether something was left out for that.
        longest: seconds of the longest slice between pauses, in processor time.
        spent: seconds of all slices.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.hurried = False
        self.until = math.inf
        self.cut = False
        self.pause = FIRST_PAUSE_SECONDS
        self.longest = 0.0
        self.spent = 0.0
        self._clock = clock
        self._sleep = sleep

    def over(self, things: Iterable[T]) -> Iterator[T]:
        """Yield things, with a pause whenever a slice is over."""
        began = self._clock()
        for each in things:
            yield each
            if time.monotonic() > self.until:
                self.cut = True
                break
            if self.hurried:
                continue
            now = self._clock()
            if now - began > SLICE_SECONDS:
                self._note(now - began)
                self._sleep(self.pause)
                began = self._clock()
        self._note(self._clock() - began)

    def _note(self, seconds: float) -> None:
        self.spent += seconds
        if not self.hurried:
            self.longest = max(self.longest, seconds)
