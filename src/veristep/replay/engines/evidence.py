"""What judging an interval takes: files of the ledger, processors."""

from __future__ import annotations

from pathlib import Path

from veristep.errors import VeristepError
from veristep.ledger.snapshots import FOLDER, Manifest, SnapshotStore
from veristep.replay.audit import Auditor
from veristep.replay.orders import LOOK_BACK_STEPS
from veristep.replay.plan.intervals import Interval


def ledger(auditor: Auditor) -> Path:
    """Return the ledger's folder, as this auditor sees it."""
    return auditor.objects.root.parent


def is_seen(auditor: Auditor) -> bool:
    """Return whether the ledger lies where the auditor looks for it; a worker elsewhere may not see it."""
    return auditor.objects.root.is_dir() and auditor.run.directory.is_dir()


def threads(auditor: Auditor, interval: Interval) -> int:
    """Return how many processors a replay of an interval uses: as many as the run did."""
    platforms = [auditor.run.streams[name].platform for name in interval.streams]
    return max(1, sum(int(each.get("threads") or 1) for each in platforms))


def files(auditor: Auditor, interval: Interval) -> list[Path]:
    """Return the files of the ledger that replays of an interval read.

    Those that are missing are left out: the replay says what it lacks.
    """
    origin, run = auditor.origin, auditor.run
    names = {file.object for file in origin.code.files} | {file.object for file in origin.preserved}
    names.update(str(line["objects"]) for line in run.of_type("epoch") if line["objects"])
    paths: set[Path] = set()
    for stream in (run.streams[name] for name in interval.streams):
        ends = (stream.snapshots.get(step) for step in (interval.start, interval.stop))
        snapshots = [each.object for each in ends if each is not None and each.object]
        names.update(snapshots)
        paths.update(part for name in snapshots for part in _parts(auditor, name))
        for step in range(max(0, interval.start - LOOK_BACK_STEPS), interval.stop + 1):
            record = stream.steps.get(step)
            if record is not None and record.tape is not None:
                paths.add(run.tape / record.tape[0])
    paths.update(auditor.objects.path(name) for name in names if name)
    return sorted(path for path in paths if path.is_file())


def _parts(auditor: Auditor, snapshot: str) -> list[Path]:
    store = SnapshotStore(auditor.run.directory / FOLDER).parts
    try:
        manifest = Manifest.from_bytes(auditor.objects.read(snapshot))
        return [store.path(name) for name in manifest.stored]
    except VeristepError:
        return []
