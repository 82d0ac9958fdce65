"""Checking the run logs: the sealed files on disk against the segments in the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from veristep.core import canonical
from veristep.errors import MalformedError
from veristep.ledger.entries import check_run
from veristep.ledger.layout import RUN_FOLDER
from veristep.ledger.objects import OBJECTS_FIELD, named_objects
from veristep.ledger.runlog import Segment, segment_files, verify_segment, verify_statement
from veristep.ledger.snapshots import DROPPED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from veristep.ledger.fsck_log import LogState, RunEntry
    from veristep.ledger.fsck_report import Gathering
    from veristep.ledger.fsck_snapshots import Snapshots

LOG_FOLDER = "log"

_OBJECTS_MARK = f'"{OBJECTS_FIELD}"'.encode()
_DROPPED_MARK = f'"type":"{DROPPED}"'.encode()
_SUPERVISOR = "supervisor"


@dataclass(slots=True)
class _Run:
    key: str = ""
    last: Segment | None = None
    files: set[str] = field(default_factory=set)

    @property
    def last_number(self) -> int:
        return self.last.number if self.last else 0


def check_runs(out: Gathering, path: Path, state: LogState) -> None:
    """Check every sealed segment of every run, and that no run log holds anything else."""
    runs: dict[str, _Run] = {}
    for entry in state.runs:
        if entry.kind == "run.opened" and "run_key" not in entry.body:
            continue  # a run that keeps no run log
        with out.stage(f"entry {entry.index}"):
            check_run(entry.run)
            run = runs.setdefault(entry.run, _Run())
            if entry.kind == "run.opened":
                _take_key(out, run, entry)
            else:
                _check_sealed(out, path, run, entry, state)
    folder = path / RUN_FOLDER
    present = {item.name for item in folder.iterdir() if item.is_dir()} if folder.is_dir() else set()
    for name in sorted(present - runs.keys()):
        out.not_checked(f"{RUN_FOLDER}/{name}: the ledger has no run of this name")
    for name in sorted(present & runs.keys()):
        where = f"{RUN_FOLDER}/{name}/{LOG_FOLDER}"
        with out.stage(where):
            _check_rest(out, path / where, where, runs[name])


def _take_key(out: Gathering, run: _Run, entry: RunEntry) -> None:
    key = entry.body.get("run_key")
    if not isinstance(key, str):
        raise MalformedError("the run_key of a run is its public key in hex")
    if run.key and run.key != key:
        out.problem(
            f"the run {entry.run} was opened again with another key",
            f"entry {entry.index}",
            run.key,
            key,
        )
        return
    run.key = key


def _check_sealed(out: Gathering, path: Path, run: _Run, entry: RunEntry, state: LogState) -> None:
    segment = Segment.from_json(entry.body.get("segment"))
    where = f"{RUN_FOLDER}/{entry.run}/{LOG_FOLDER}/{segment.file}"
    out.checked("segments")
    previous = run.last.digest() if run.last else ""
    if segment.number != run.last_number + 1:
        out.problem("segments are missing before this one", where, run.last_number + 1, segment.number)
    run.last = segment
    run.files.add(segment.file)
    with out.stage(f"entry {entry.index} segment"):
        if not run.key:
            raise MalformedError(f"the run {entry.run} has no key: no run.opened with a run_key")
        verify_statement(segment, run.key, previous)
    with out.stage(where):
        directory = path / RUN_FOLDER / entry.run / LOG_FOLDER
        lines = verify_segment(directory, segment, run.key, previous)
        out.checked("lines", len(lines))
        _collect_objects(lines, where, state)
        _collect_snapshots(lines, where, state.snapshots.setdefault(entry.run, {}))


def _collect_objects(lines: Iterable[bytes], where: str, state: LogState) -> None:
    for number, line in enumerate(lines, 1):
        if _OBJECTS_MARK in line:
            value = canonical.decode(line)
            if isinstance(value, dict):
                for name in named_objects(value):
                    state.objects.setdefault(name, f"{where}:{number}")


def _collect_snapshots(lines: Iterable[bytes], where: str, snapshots: Snapshots) -> None:
    """Take in the snapshots whose parts must be there: those that were told and not dropped since."""
    for number, line in enumerate(lines, 1):
        if _OBJECTS_MARK in line:
            value = canonical.decode_object(line)
            if value.get("type") == "snapshot":
                place = (str(value.get("stream")), str(value.get("step")))
                snapshots[place] = (str(value.get(OBJECTS_FIELD)), f"{where}:{number}")
        elif _DROPPED_MARK in line:
            value = canonical.decode_object(line)
            dropped = value.get("snapshots")
            if value.get("stream") == _SUPERVISOR and isinstance(dropped, list):
                for stream, step in dropped:
                    snapshots.pop((str(stream), str(step)), None)


def _check_rest(out: Gathering, folder: Path, where: str, run: _Run) -> None:
    if not folder.is_dir():
        return
    files = segment_files(folder)
    for item in sorted(folder.iterdir()):
        if item.name not in files.values():
            out.problem("does not belong into a run log", f"{where}/{item.name}")
    next_number = run.last_number + 1
    for number, name in files.items():
        if name in run.files:
            continue
        if number != next_number:
            out.problem("a file of the run log that no entry seals", f"{where}/{name}", next_number, number)
            continue
        next_number += 1
        lines = (folder / name).read_bytes().count(b"\n")
        out.not_checked(f"{where}/{name}: {lines} lines, not sealed yet")
