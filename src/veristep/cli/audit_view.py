"""What is seen of an audit while it runs: a live picture on a terminal, sparse lines in a log.

All of it goes to standard error; standard output holds the verdict alone.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from veristep.case.wording import duration, plain
from veristep.cli import render
from veristep.core.verdicts import Verdict
from veristep.replay.audit import Judged
from veristep.replay.plan.intervals import Interval

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

# In a log, a line at least this often while anything is going on.
LOG_SECONDS = 60.0
MAX_ROWS = 6
PENDING, RUNNING = "pending", "running"
# What stands for an interval, and its colour; the worst of several shows where they share a place.
_CELLS = {
    Verdict.VIOLATED.value: ("✗", "bold red"),
    Verdict.UNVERIFIED.value: ("?", "yellow"),
    RUNNING: ("▸", "cyan"),
    PENDING: ("·", "dim"),
    Verdict.VERIFIED.value: ("■", "green"),
    "": (" ", "dim"),
}


class View(Protocol):
    """Is told how an audit goes, in the thread that conducts it."""

    def planned(self, intervals: Sequence[Interval]) -> None:
        """These intervals are to be judged."""

    def started(self, interval: Interval) -> None:
        """A replay of an interval begins."""

    def show(self, judged: Judged, total: int) -> None:
        """One interval of the `total` known of by now has been judged."""

    def tick(self) -> None:
        """Time has passed."""


@contextmanager
def view(intervals: Sequence[Interval]) -> Iterator[View]:
    """Provide what fits where standard error goes; ``VERISTEP_PROGRESS=plain`` asks for lines."""
    if sys.stderr.isatty() and os.environ.get("VERISTEP_PROGRESS") != "plain":
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        # Drawn when something is told, never by a thread: some engines start processes from this one.
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield Picture(intervals, live, console)
    else:
        yield Lines()


class Lines:
    """Sparse lines: what is not verified, a line per tenth, and one a minute."""

    def __init__(
        self, say: Callable[[str], None] = render.note, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._clock = clock
        self._began = self._told_at = clock()
        self._done = 0
        self._total = 0
        self._tenths = 0
        self._running: set[tuple[int, int]] = set()

    def planned(self, intervals: Sequence[Interval]) -> None:
        """Say nothing: a log tells what was done."""

    def started(self, interval: Interval) -> None:
        """Take note of a replay that begins."""
        self._running.add((interval.start, interval.stop))

    def show(self, judged: Judged, total: int) -> None:
        """Tell of one judged interval if it is worth a line."""
        self._done += 1
        self._total = total
        self._running.discard((judged.interval.start, judged.interval.stop))
        tenths = 10 * self._done // max(total, 1)
        if judged.verdict is not Verdict.VERIFIED or tenths > self._tenths:
            self._tenths = max(tenths, self._tenths)
            self._told_at = self._clock()
            self._say(f"{self._done} of {total}: {_line(judged)}{self._left()}")

    def tick(self) -> None:
        """Tell that it goes on, once a minute."""
        if self._clock() - self._told_at >= LOG_SECONDS:
            self._told_at = self._clock()
            of = f" of {self._total}" if self._total else ""
            self._say(f"{self._done}{of} judged, {len(self._running)} running{self._left()}")

    def _left(self) -> str:
        text = left(self._clock() - self._began, self._done, self._total)
        return f"; {text}" if text else ""


class Picture:
    """A cell per interval, counts, what runs, and how long it will take."""

    def __init__(
        self,
        intervals: Sequence[Interval],
        live: Live,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._states = {(each.start, each.stop): "" for each in intervals}
        self._live = live
        self._console = console
        self._clock = clock
        self._began = clock()
        self._running: dict[tuple[int, int], float] = {}
        self._done = 0
        self._total = 0

    def planned(self, intervals: Sequence[Interval]) -> None:
        """Mark intervals as pending."""
        for each in intervals:
            self._states[each.start, each.stop] = PENDING
        self.tick()

    def started(self, interval: Interval) -> None:
        """Mark an interval as running."""
        self._states[interval.start, interval.stop] = RUNNING
        self._running[interval.start, interval.stop] = self._clock()
        self.tick()

    def show(self, judged: Judged, total: int) -> None:
        """Mark an interval as judged; what is not verified also stays as a line."""
        place = (judged.interval.start, judged.interval.stop)
        self._done, self._total = self._done + 1, total
        self._states[place] = judged.verdict.value
        self._running.pop(place, None)
        if judged.verdict is not Verdict.VERIFIED:
            colour = _CELLS[judged.verdict.value][1]
            self._console.print(_line(judged), style=colour, markup=False, highlight=False)
        self.tick()

    def tick(self) -> None:
        """Draw again."""
        self._live.update(self.picture(self._console.width), refresh=True)

    def picture(self, width: int) -> RenderableType:
        """Return the picture: the cells, then the words."""
        from rich.text import Text

        text = Text()
        for place, state in enumerate(cells(list(self._states.values()), MAX_ROWS * max(width, 1))):
            if place and place % max(width, 1) == 0:
                text.append("\n")
            text.append(*_CELLS[state])
        text.append("\n" + self._words(), style="default")
        return text

    def _words(self) -> str:
        states = list(self._states.values())
        counts = {each: states.count(each.value) for each in Verdict}
        parts = [f"{count} {each.value}" for each, count in counts.items() if count]
        pending = states.count(PENDING)
        parts += [f"{len(self._running)} running"] if self._running else []
        parts += [f"{pending} pending"] if pending else []
        now = self._clock()
        running = [
            f"steps {start} to {stop - 1} for {duration(now - since)}"
            for (start, stop), since in list(self._running.items())[:3]
        ]
        about = left(now - self._began, self._done, self._total)
        lines = [", ".join(parts), *running, about]
        return "\n".join(line for line in lines if line)


def cells(states: Sequence[str], most: int) -> list[str]:
    """Return at most `most` cells for the states of all intervals; neighbours share one where they must."""
    if len(states) <= most:
        return list(states)
    order = list(_CELLS)
    return [
        min(
            states[place * len(states) // most : max(1, (place + 1) * len(states) // most)], key=order.index
        )
        for place in range(most)
    ]


def left(elapsed: float, done: int, total: int) -> str:
    """Return how long the rest will take if it goes on as it went; nothing while that is not known."""
    if not done or done >= total:
        return ""
    return f"about {duration(elapsed / done * (total - done))} left"


def _line(judged: Judged) -> str:
    span = f"steps {judged.interval.start} to {judged.interval.stop - 1}"
    reason = f": {plain(judged.reason)}" if judged.verdict is not Verdict.VERIFIED and judged.reason else ""
    return f"{span}: {judged.verdict.value} ({judged.seconds:.1f} s){reason}"
