"""Which snapshots of a run are kept when they take more room than they may.

Dropping one joins the interval before it with the one after: an audit then replays more steps to check the
same. So the snapshot goes whose interval would be the shortest, which keeps those left evenly spread. The
newest stays; the first goes last. What is dropped is said in the run's log before it is deleted
(`docs/adr/0004-snapshots-in-parts.md`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from veristep.core.canonical import Json
from veristep.ledger.objects import ObjectStore
from veristep.ledger.snapshots import DROPPED, SnapshotStore
from veristep.record import disk

# Of what is free on the disk when a run begins, the share its snapshots may take when nobody says.
DEFAULT_SHARE = 0.25
# Snapshots dropped at once: each look takes a moment of the supervisor's time.
AT_ONCE = 16

# Restart of the processes, and step.
Moment = tuple[int, int]


def default_budget(folder: str) -> int:
    """Return the bytes snapshots may take on the disk of `folder` when nobody says; at least 1 GiB."""
    spare = disk.spare(folder)
    return max(1 << 30, int((spare or 0) * DEFAULT_SHARE))


def choose(moments: Sequence[Moment], count: int) -> list[Moment]:
    """Return up to `count` moments to drop, one after another the one that joins the shortest interval.

    Args:
        moments: in order; the last one always stays, the first is dropped only before the last.
        count: how many to drop.
    """
    left = list(moments)
    chosen: list[Moment] = []
    while len(chosen) < count and len(left) > 1:
        inner = range(1, len(left) - 1)
        place = min(inner, key=lambda i: _joined(left, i)) if inner else 0
        chosen.append(left.pop(place))
    return chosen


def _joined(moments: list[Moment], place: int) -> tuple[int, int]:
    before, here, after = moments[place - 1 : place + 2]
    # Between two starts of the processes nothing is joined: such a snapshot opens what follows it.
    if before[0] != here[0]:
        return (1 << 62, place)
    return ((after[1] if after[0] == here[0] else here[1] + 1) - before[1], place)


@dataclass(slots=True)
class Retention:
    """The snapshots of one run, and the room they take.

    Attributes:
        store: where their parts lie.
        objects: where their manifests lie.
        budget: bytes they may take.
        taken: bytes they take.
        held: bytes newly stored for each snapshot, by moment and stream.
    """

    store: SnapshotStore
    objects: ObjectStore
    budget: int
    taken: int = 0
    held: dict[Moment, dict[str, int]] = field(default_factory=dict)

    def hear(self, line: Mapping[str, Any]) -> None:
        """Take in a line of the run's log."""
        if line.get("type") != "snapshot":
            return
        stream, step, stored = str(line["stream"]), int(line["step"]), int(line["stored"])
        restart = int(stream.partition(".")[2] or 0)
        self.held.setdefault((restart, step), {})[stream] = stored
        self.taken += stored

    def excess(self) -> list[tuple[str, int]]:
        """Return the snapshots to drop now, as stream and step."""
        over = self.taken - self.budget
        if disk.nearly_full(self.store.root.parent):
            over = max(over, self.taken // 4)
        if over <= 0 or len(self.held) < 2:
            return []
        each = max(1, self.taken // len(self.held))
        dropped = choose(sorted(self.held), min(AT_ONCE, -(-over // each)))
        return [(stream, step) for moment in dropped for stream, step in self._places(moment)]

    def line(self, gone: Sequence[tuple[str, int]]) -> dict[str, Json]:
        """Return the line that says what is about to be deleted, and why."""
        return {
            "type": DROPPED,
            "snapshots": [[stream, step] for stream, step in gone],
            "reason": f"snapshots take {self.taken} bytes and may take {self.budget}",
        }

    def drop(self, gone: Sequence[tuple[str, int]]) -> None:
        """Delete what only these snapshots need.

        Raises:
            VeristepError: something cannot be read or deleted; what was said to be dropped stays as litter.
        """
        for stream, step in gone:
            restart = int(stream.partition(".")[2] or 0)
            self.held.pop((restart, step), None)
        self.taken -= self.store.drop(self.objects, gone)

    def _places(self, moment: Moment) -> list[tuple[str, int]]:
        return [(stream, moment[1]) for stream in self.held[moment]]
