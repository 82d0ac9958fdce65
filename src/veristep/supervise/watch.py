"""What is looked at while a run's records come in, beside keeping them."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veristep.core.verdicts import Finding
from veristep.ledger.objects import ObjectStore
from veristep.ledger.snapshots import FOLDER, SnapshotStore
from veristep.record.tape import read_field
from veristep.supervise.beacons import Beacons
from veristep.supervise.receiver import Receiver
from veristep.supervise.replicas import Replicas
from veristep.supervise.retention import Retention


class Watch:
    """Replicas, samples and snapshots of one run.

    Attributes:
        retention: which snapshots are kept.
    """

    def __init__(self, run: str, directory: Path, boot: Path, objects: ObjectStore, budget: int) -> None:
        self.retention = Retention(SnapshotStore(directory / FOLDER), objects, budget)
        self._run = run
        self._replicas = Replicas(run, functools.partial(read_field, directory / "tape"))
        self._beacons = Beacons(boot)
        self._beacons.show(time.time_ns())

    def hear(self, line: Mapping[str, Any]) -> None:
        """Take in a line of the run's log."""
        self.retention.hear(line)
        self._replicas.hear(line)
        self._beacons.hear(line)

    def look(self, receiver: Receiver) -> None:
        """Change the beacon, and say which samples do not rest on one."""
        self._beacons.show(time.time_ns())
        for stream, step in self._beacons.new():
            reason = f"from step {step} on, the blocks shown are not the ones that were drawn"
            receiver.gap("sampling", reason, of=stream)

    def findings(self) -> list[Finding]:
        """Return what was found since the last time."""
        found, self._replicas.findings = self._replicas.findings, []
        return found

    def finish(self, receiver: Receiver) -> None:
        """Say what was compared, and what was not."""
        compared = self._replicas.line()
        if compared is not None:
            receiver.own(compared)
