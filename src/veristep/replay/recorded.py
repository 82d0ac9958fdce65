"""A recorded run, read back from the ledger and checked on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veristep.core.canonical import decode_object
from veristep.core.records import ChainReader, SnapshotRecord, StepRecord
from veristep.errors import MalformedError, NotFoundError, TamperedError, VeristepError
from veristep.ledger.entries import Entry
from veristep.ledger.log import Ledger
from veristep.ledger.snapshots import DROPPED
from veristep.record.reads import FOLDER, MADE
from veristep.replay.room.furnish import Origin, Preserved
from veristep.replay.room.view import DataFile
from veristep.supervise.code import Code
from veristep.supervise.receiver import SUPERVISOR
from veristep.supervise.recover import RECOVERED, recovered_lines, sealed_lines, unsealed_lines


@dataclass(slots=True)
class StreamRecord:
    """What one training process left.

    Attributes:
        steps: by number.
        snapshots: by step; those that were dropped to save room are left out.
        tensors: descriptions of what stands behind the digests, each with the step it holds from.
        platform: what decides its last bits.
        sealed: the step from which on nothing is sealed yet.
    """

    name: str
    steps: dict[int, StepRecord] = field(default_factory=dict)
    snapshots: dict[int, SnapshotRecord] = field(default_factory=dict)
    tensors: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)
    platform: Mapping[str, Any] = field(default_factory=dict)
    sealed: int = 0

    @property
    def rank(self) -> int:
        """The rank it trained as."""
        return int(self.name.partition(".")[0])

    @property
    def restart(self) -> int:
        """How many processes of the same rank came before it."""
        return int(self.name.partition(".")[2] or 0)


@dataclass(slots=True)
class RecordedRun:
    """A run as its log and its ledger entries tell it.

    Attributes:
        opened: the entry written before it started.
        closed: the entry written when it ended; None while it runs, or when it was cut off.
        lines: every accepted line that is not a step, snapshot or tensor description.
        sealed_lines: lines that stand in sealed, verified segments.
        unsealed_lines: lines that came after the last one.
        recovered_lines: lines that were sealed late, after the run had lost its supervisor.
        recovered: the entries that seal them.
        gaps: what is missing, in words.
    """

    run: str
    directory: Path
    opened: Entry
    closed: Entry | None
    streams: dict[str, StreamRecord] = field(default_factory=dict)
    lines: list[Mapping[str, Any]] = field(default_factory=list)
    sealed_lines: int = 0
    unsealed_lines: int = 0
    recovered_lines: int = 0
    recovered: list[Entry] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    @property
    def tape(self) -> Path:
        """The tape's folder."""
        return self.directory / "tape"

    @property
    def steps(self) -> int:
        """Step records, over all streams."""
        return sum(len(stream.steps) for stream in self.streams.values())

    def of_type(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the lines of one type."""
        return [line for line in self.lines if line.get("type") == kind]


def find(ledger: Ledger, prefix: str) -> str:
    """Return the id of the run that `prefix` names; ``last`` names the last one opened.

    Raises:
        NotFoundError: no run, or more than one, is meant.
    """
    runs = [entry.run for entry in ledger.entries(kind="run.opened")]
    if not runs:
        raise NotFoundError(
            f"the ledger {ledger.path} has no runs yet", hint="record one: veristep run -- COMMAND"
        )
    if prefix == "last":
        return runs[-1]
    matching = sorted({run for run in runs if run.startswith(prefix) or run.endswith("-" + prefix)})
    if len(matching) == 1:
        return matching[0]
    if not matching:
        raise NotFoundError(
            f"no run {prefix!r} in the ledger {ledger.path}",
            hint="veristep runs lists them; --ledger names another ledger",
        )
    raise NotFoundError(
        f"{prefix!r} could be any of {len(matching)} runs: {', '.join(matching[:5])}",
        hint="give more of the id",
    )


def load(ledger: Ledger, run: str) -> RecordedRun:
    """Read a run, verifying its sealed segments and its chains.

    Raises:
        TamperedError: its log contradicts what was sealed.
    """
    opened = next(iter(ledger.entries(run=run, kind="run.opened")))
    closed = next(iter(ledger.entries(run=run, kind="run.closed")), None)
    directory = ledger.path / "runs" / run
    recorded = RecordedRun(run, directory, opened, closed)
    recorded.recovered = list(ledger.entries(run=run, kind=RECOVERED))
    reader = ChainReader()
    for data in sealed_lines(ledger, opened, directory):
        recorded.sealed_lines += 1
        _accept(recorded, reader, data)
    for entry in recorded.recovered:
        for data in recovered_lines(ledger, entry):
            recorded.recovered_lines += 1
            _accept(recorded, reader, data)
        recorded.gaps += _recovery_gaps(entry)
    for stream in recorded.streams.values():
        stream.sealed = max(stream.steps, default=-1) + 1
    if not recorded.recovered:
        for data in _unsealed(ledger, recorded):
            recorded.unsealed_lines += 1
            _accept(recorded, reader, data)
    return recorded


def origin(ledger: Ledger, recorded: RecordedRun) -> Origin:
    """Return what a replay of the run is made from.

    Raises:
        UnavailableError: a part of it is missing.
        TamperedError: a part of it was changed.
    """
    body: Mapping[str, Any] = recorded.opened.body
    code = Code.from_bytes(ledger.objects.read(str(body["objects"]["code"])))
    environment = decode_object(ledger.objects.read(str(body["objects"]["environment"])))
    preserved = [
        Preserved(str(line["path"]), str(line["objects"] or ""), int(line["mode"]))
        for line in recorded.of_type("preserved")
    ]
    written = {str(line["path"]) for line in recorded.of_type("artifact")}
    read = recorded.of_type("data")
    return Origin(
        code=code,
        cwd=str(body["cwd"]),
        command=[str(word) for word in body["command"]],
        environment={name: str(value) for name, value in environment.items()},
        started_ns=int(body["started_ns"]),
        written=frozenset(written),
        preserved=tuple(preserved),
        data=tuple(_data_file(line) for line in read if line["kind"] != MADE),
        made=frozenset(str(line["path"]) for line in read if line["kind"] == MADE),
        host=str(body.get("host", "")),
        user=str(body.get("user", "")),
    )


def _data_file(line: Mapping[str, Any]) -> DataFile:
    return DataFile(
        path=str(line["path"]),
        folder=line["kind"] == FOLDER,
        size=int(line.get("size") or 0),
        blake3=str(line.get("blake3") or ""),
        note=str(line.get("note") or ""),
    )


def _accept(recorded: RecordedRun, reader: ChainReader, data: bytes) -> None:
    try:
        line, missing = reader.accept(data)
    except MalformedError as error:
        raise TamperedError(f"the log of run {recorded.run} contradicts itself: {error}") from error
    if missing:
        recorded.gaps.append(f"lines ({_source(str(line['stream']))}): {missing} lines lost")
    _take(recorded, line)


def _unsealed(ledger: Ledger, recorded: RecordedRun) -> Iterator[bytes]:
    try:
        yield from unsealed_lines(ledger, recorded.opened, recorded.directory)
    except VeristepError:
        if recorded.closed is not None:
            raise


def _recovery_gaps(entry: Entry) -> list[str]:
    """Return what a late seal means for the record: until then only the file system guarded it."""
    body: Mapping[str, Any] = entry.body
    lines = sum(int(part["lines"]) for part in body["parts"])
    steps = sum(int(part["steps"]) for part in body["parts"])
    refused = sum(int(part["refused"]) for part in body["parts"])
    gaps = [f"supervisor: lost; {lines} lines with {steps} steps were recovered and sealed late"]
    if refused:
        gaps.append(f"refused: {refused} lines of the spool contradict what was received")
    gaps += [
        f"steps ({_source(stream)}): {count} steps were taken and never told"
        for stream, count in body["untold"].items()
    ]
    return gaps


def _take(recorded: RecordedRun, line: Mapping[str, Any]) -> None:
    name, kind = str(line["stream"]), line.get("type")
    if name == "supervisor":
        # Lost lines are counted where they are missing.
        if kind == "gap" and line.get("what") != "lines":
            recorded.gaps.append(_gap(line))
        if kind == DROPPED:
            for of, step in line["snapshots"]:
                recorded.streams[str(of)].snapshots.pop(int(step), None)
        recorded.lines.append(line)
        return
    stream = recorded.streams.setdefault(name, StreamRecord(name))
    if kind == "step":
        step = StepRecord.from_json(line)
        stream.steps[step.step] = step
    elif kind == "snapshot":
        snapshot = SnapshotRecord.from_json(line)
        stream.snapshots[snapshot.step] = snapshot
    elif kind == "tensors":
        stream.tensors.append((int(line["step"]), line))
    elif kind == "platform":
        stream.platform = line
    else:
        if kind == "gap":
            recorded.gaps.append(_gap(line))
        recorded.lines.append(line)


def _gap(line: Mapping[str, Any]) -> str:
    where = _source(str(line.get("of") or line["stream"]))
    return f"{line.get('what')} ({where}): {line.get('reason')}"


def _source(stream: str) -> str:
    return stream if stream == SUPERVISOR else f"rank {stream}"
