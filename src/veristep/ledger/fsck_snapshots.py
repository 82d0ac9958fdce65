"""Checking the parts of snapshots: each is what its name says, and none that is needed is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veristep.ledger.fsck_files import check_objects
from veristep.ledger.layout import RUN_FOLDER
from veristep.ledger.snapshots import FOLDER, KEPT_FOLDER, Manifest, SnapshotStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from veristep.ledger.fsck_report import Gathering
    from veristep.ledger.objects import ObjectStore

# Per stream and step: the manifest's name, and the line that tells of it.
Snapshots = dict[tuple[str, str], tuple[str, str]]


def check_snapshots(
    out: Gathering, path: Path, objects: ObjectStore, runs: Mapping[str, Snapshots]
) -> None:
    """Check the parts of every run's snapshots that were told and not dropped since."""
    folder = path / RUN_FOLDER
    present = (
        {item.name for item in folder.iterdir() if (item / FOLDER).is_dir()} if folder.is_dir() else set()
    )
    for run in sorted(present | {run for run, snapshots in runs.items() if snapshots}):
        with out.stage(f"{RUN_FOLDER}/{run}/{FOLDER}"):
            _check_run(out, path, objects, run, runs.get(run, {}))


def _check_run(out: Gathering, path: Path, objects: ObjectStore, run: str, snapshots: Snapshots) -> None:
    where = f"{RUN_FOLDER}/{run}/{FOLDER}"
    store = SnapshotStore(path / where)
    kept = {(stream, str(step)): name for (stream, step), name in store.kept().items()}
    needed: dict[str, str] = {}
    for place, (name, line) in sorted(snapshots.items()):
        with out.stage(line):
            if kept.get(place) != name:
                pointer = f"{where}/{KEPT_FOLDER}/{place[0]}-{int(place[1]):010d}"
                out.problem("does not point to the snapshot that was told", pointer, name, kept.get(place))
            # A manifest that is missing is a missing object, and said there.
            if name in objects:
                for part in Manifest.from_bytes(objects.read(name)).stored:
                    needed.setdefault(part, line)
    found = check_objects(out, store.parts, needed, f"{where}/{store.parts.root.name}", "snapshot parts")
    untold = kept.keys() - snapshots.keys()
    if untold or found - needed.keys():
        out.not_checked(
            f"{where}: {len(untold)} snapshots and {len(found - needed.keys())} parts that no sealed line "
            "names (told since, or being dropped)"
        )
