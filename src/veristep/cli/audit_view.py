"""What is seen of an audit while it runs: a live table on a terminal, sparse lines in a log."""

from __future__ import annotations

import sys

from veristep.cli import render
from veristep.core.verdicts import Verdict
from veristep.replay.audit import Judged


class Lines:
    """A line per interval on a terminal; in a log, only what is not verified and a line per tenth."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._done = 0
        self._told = 0

    def show(self, judged: Judged, total: int) -> None:
        """Tell of one judged interval."""
        self._done += 1
        tenth = 10 * self._done // max(total, 1)
        if self._terminal or judged.verdict is not Verdict.VERIFIED or tenth > self._told:
            self._told = tenth
            span = f"steps {judged.interval.start} to {judged.interval.stop - 1}"
            render.note(f"{self._done} of {total}: {span}: {judged.verdict.value} ({judged.seconds:.1f} s)")
