"""The beacons of a run: changed about once a second, and checked against what the records rest on."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veristep.core.records import UnitsDigest
from veristep.record import beacon
from veristep.record.beacon import Beacon

EVERY_NS = 1_000_000_000
# A record may rest on the beacon of a moment before it was written: the page is read while a step ends, and
# a process may be held up there.
BEFORE_NS, AFTER_NS = 5_000_000_000, 500_000_000
# An hour of them: a record comes later only from the spool, and is not checked then.
REMEMBERED = 3600
_DIGESTS = {"entry": beacon.ENTRY, "grads": beacon.GRADS, "params": beacon.PARAMS}


class Beacons:
    """Shows beacons to the processes of a run, and tells records that rest on none of them.

    Attributes:
        chosen: streams whose records rest on a sample somebody chose, with the first such step.
    """

    def __init__(self, boot: Path) -> None:
        self.chosen: dict[str, int] = {}
        self._page = Beacon(boot)
        self._shown: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        self._told: set[str] = set()

    def show(self, now_ns: int) -> None:
        """Change the beacon when it is time to."""
        if self._shown and 0 <= now_ns - self._shown[-1][0] < EVERY_NS:
            return
        number = int.from_bytes(os.urandom(8), "little") or 1
        # Noted first: whoever reads the page rests on a number that is known.
        self._shown.append((now_ns, number))
        self._page.show(now_ns, number)

    def hear(self, line: Mapping[str, Any]) -> None:
        """Take in a line of the run's log."""
        if line.get("type") != "step":
            return
        stream, step, ended = str(line["stream"]), int(line["step"]), int(line["ended_ns"])
        if stream in self.chosen or not self._shown or ended - BEFORE_NS < self._shown[0][0]:
            return
        for name, what in _DIGESTS.items():
            digest = UnitsDigest.from_json(line[name]) if line[name] else None
            # Where everything was digested, or nothing, the order decides nothing.
            if digest is None or digest.seed is None or digest.units in (0, digest.total):
                continue
            if not self._rests_on_one(digest.seed, step, what, ended):
                self.chosen[stream] = step
                return

    def new(self) -> list[tuple[str, int]]:
        """Return, once each, the streams that chose their sample, with the first such step."""
        new = [(stream, step) for stream, step in self.chosen.items() if stream not in self._told]
        self._told.update(stream for stream, _ in new)
        return new

    def _rests_on_one(self, seed: int, step: int, what: int, ended_ns: int) -> bool:
        shown = list(self._shown)
        for place in range(len(shown) - 1, -1, -1):
            since, number = shown[place]
            until = shown[place + 1][0] if place + 1 < len(shown) else since + (1 << 62)
            if until < ended_ns - BEFORE_NS:
                return False
            if since <= ended_ns + AFTER_NS and seed == beacon.seed(number, step, what):
                return True
        return False
