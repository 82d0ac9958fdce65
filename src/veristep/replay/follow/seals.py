"""Which ledger entry sealed which steps of a run, read as the run goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from veristep.core.canonical import decode_object
from veristep.ledger.log import Ledger
from veristep.ledger.runlog import Segment
from veristep.replay.plan.intervals import Interval

SEALED = "segment.sealed"


@dataclass(slots=True)
class Seals:
    """The segments of a run's log that are sealed so far.

    Attributes:
        run: the run's id.
        folder: where its log lies.
        reached: per segment, its entry's index and the last step sealed by then, per stream.
    """

    run: str
    folder: Path
    reached: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    _next: int = 0

    def read(self, ledger: Ledger) -> None:
        """Take in what was sealed since the last time."""
        for entry in ledger.entries(run=self.run, kind=SEALED, since=self._next):
            self._next = entry.index + 1
            last = dict(self.reached[-1][1]) if self.reached else {}
            segment = Segment.from_json(entry.body["segment"])
            for line in (self.folder / segment.file).read_bytes().splitlines():
                if b'"type":"step"' in line:
                    step = decode_object(line)
                    last[str(step["stream"])] = int(str(step["step"]))
            self.reached.append((entry.index, last))

    def sealed_by(self, interval: Interval) -> int | None:
        """Return the entry that sealed the last step of an interval; None while there is none."""
        for index, last in self.reached:
            if all(last.get(name, -1) >= interval.stop - 1 for name in interval.streams):
                return index
        return None
