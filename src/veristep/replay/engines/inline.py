"""The engine without workers: one interval after another, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from veristep.core.canonical import Json
from veristep.replay.audit import Auditor, Judged
from veristep.replay.engines.protocol import Options, judge
from veristep.replay.plan.intervals import Interval


class Inline:
    """Judges in the calling process; for a few intervals, where starting workers would not pay."""

    def __init__(self, auditor: Auditor, options: Options | None = None) -> None:
        self._auditor = auditor
        self._options = options or Options()

    @property
    def facts(self) -> dict[str, Json]:
        """What the replays ran in."""
        return self._auditor.facts

    def run(self, intervals: Sequence[Interval]) -> Iterator[Judged]:
        """Yield the verdict on each interval in turn."""
        for interval in intervals:
            self._options.started(interval)
            yield judge(self._auditor, interval).judged

    def close(self) -> None:
        """Do nothing: a replay never outlives its judging."""
