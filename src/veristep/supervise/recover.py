"""Runs that lost their supervisor: what they left is sealed late, and said to be.

The key that signs a run's segments dies with its supervisor, so nobody can sign another segment.
What the supervisor had accepted and not sealed, and what the training wrote to its spool afterwards, is
put into the object store and named by a ``run.recovered`` entry. From then on the ledger guards it; until
then only the file system did, and readers say so (`docs/adr/0003`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from veristep.core.canonical import Json
from veristep.core.records import ChainReader
from veristep.errors import MalformedError, VeristepError
from veristep.ledger.entries import Draft, Entry
from veristep.ledger.log import Ledger
from veristep.ledger.runlog import Segment, read_lines, verify_segment
from veristep.record.shared import heartbeats
from veristep.supervise.describe import boot_id
from veristep.supervise.lock import LOCK_NAME, SupervisorLock
from veristep.supervise.receiver import SUPERVISOR
from veristep.supervise.spool import SPOOL_FOLDER, SUFFIX, SpoolReader

RECOVERED = "run.recovered"
LOG, SPOOL = "log", "spool"


@dataclass(slots=True)
class _Part:
    """Lines from one place, in order."""

    source: str
    stream: str
    lines: list[bytes] = field(default_factory=list)
    steps: int = 0
    missing: int = 0
    refused: int = 0


@dataclass(slots=True)
class _Known:
    """What is known of a run before it is recovered.

    Attributes:
        reader: stands behind the last line of each stream.
        next_steps: per stream, the step after the last one told.
        tail: lines of the run log that no segment seals.
        offsets: how far each spool file has been taken.
    """

    reader: ChainReader = field(default_factory=ChainReader)
    next_lines: dict[str, int] = field(default_factory=dict)
    next_steps: dict[str, int] = field(default_factory=dict)
    tail: list[bytes] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)

    def take(self, data: bytes) -> tuple[Mapping[str, Json], int]:
        """Go behind a line; return it and how many are missing before it."""
        line, missing = self.reader.accept(data)
        stream, number, step = str(line["stream"]), line["seq"], line.get("step")
        if isinstance(number, int):
            self.next_lines[stream] = number + 1
        if line.get("type") == "step" and isinstance(step, int):
            self.next_steps[stream] = step + 1
        return line, missing


def recover_lost_runs(ledger: Ledger) -> list[str]:
    """Recover every run whose supervisor is gone; return the runs something was written down for.

    For commands that are about to read runs. A ledger that cannot be written is read as it is.
    """
    closed = {entry.run: entry for entry in ledger.entries(kind="run.closed")}
    earlier: dict[str, list[Entry]] = {}
    for entry in ledger.entries(kind=RECOVERED):
        earlier.setdefault(entry.run, []).append(entry)
    found = []
    for opened in ledger.entries(kind="run.opened"):
        done = [*([closed[opened.run]] if opened.run in closed else []), *earlier.get(opened.run, [])]
        directory = ledger.path / "runs" / opened.run
        offsets = _taken(done)
        if done and not _has_grown(directory / SPOOL_FOLDER, offsets):
            continue
        try:
            if _recover(ledger, opened, directory, done, offsets):
                found.append(opened.run)
        except (VeristepError, OSError):
            # Read-only, full, damaged: whoever reads the run meets that again, and says it.
            continue
    return found


def _recover(
    ledger: Ledger, opened: Entry, directory: Path, done: list[Entry], offsets: dict[str, int]
) -> bool:
    lock = SupervisorLock()
    try:
        if not _is_lost(opened, directory, lock):
            return False
        known = _known(ledger, opened, directory, done, offsets)
        parts = [*_from_log(known, seen=bool(done)), *_from_spool(known, directory)]
        if done and not parts:
            return False
        untold = {} if done else _untold(lock.boot_folder(), known)
        _write_down(ledger, opened, parts, known, untold)
        return True
    finally:
        lock.release()


def _is_lost(opened: Entry, directory: Path, lock: SupervisorLock) -> bool:
    """Whether the supervisor is gone for certain; a lock held on another machine may not be seen here."""
    hardware = opened.body.get("hardware")
    boot = hardware.get("boot_id") if isinstance(hardware, Mapping) else None
    same_machine = opened.body.get("host") == socket.gethostname()
    if not same_machine and (not boot or boot != boot_id()):
        return False
    if (directory / LOCK_NAME).exists():
        return lock.take_over(directory)
    pid = opened.body.get("pid")
    return same_machine and isinstance(pid, int) and not Path(f"/proc/{pid}").exists()


def _taken(done: list[Entry]) -> dict[str, int]:
    offsets: dict[str, int] = {}
    for entry in done:
        spooled = entry.body.get("spooled")
        if isinstance(spooled, Mapping):
            offsets |= {str(name): at for name, at in spooled.items() if isinstance(at, int)}
    return offsets


def _has_grown(spool: Path, offsets: Mapping[str, int]) -> bool:
    try:
        names = [name for name in os.listdir(spool) if name.endswith(SUFFIX)]  # noqa: PTH208
        return any((spool / n).stat().st_size > offsets.get(n.removesuffix(SUFFIX), 0) for n in names)
    except OSError:
        return False


def _known(
    ledger: Ledger, opened: Entry, directory: Path, done: list[Entry], offsets: dict[str, int]
) -> _Known:
    known = _Known(offsets=offsets)
    for data in sealed_lines(ledger, opened, directory):
        known.take(data)
    for entry in done:
        for data in recovered_lines(ledger, entry):
            known.take(data)
    if not done:
        known.tail = list(unsealed_lines(ledger, opened, directory))
    return known


def sealed_lines(ledger: Ledger, opened: Entry, directory: Path) -> Iterator[bytes]:
    """Yield the lines of a run's sealed segments, checked against their seals.

    Raises:
        TamperedError, UnavailableError: a segment is not what was sealed.
    """
    previous, key = "", str(opened.body["run_key"])
    for entry in ledger.entries(run=opened.run, kind="segment.sealed"):
        segment = Segment.from_json(entry.body["segment"])
        yield from verify_segment(directory / "log", segment, key, previous)
        previous = segment.digest()


def unsealed_lines(ledger: Ledger, opened: Entry, directory: Path) -> Iterator[bytes]:
    """Yield the lines of a run log after the last sealed segment; nothing guards them."""
    sealed = 0
    for entry in ledger.entries(run=opened.run, kind="segment.sealed"):
        sealed += Segment.from_json(entry.body["segment"]).lines
    for number, line in enumerate(read_lines(directory / "log")):
        if number >= sealed:
            yield line


def recovered_lines(ledger: Ledger, entry: Entry) -> Iterator[bytes]:
    """Yield the lines a ``run.recovered`` entry names.

    Raises:
        TamperedError, UnavailableError: an object is not what was written down.
    """
    names = entry.body.get("objects") if entry.kind == RECOVERED else None
    for name in names if isinstance(names, (list, tuple)) else ():
        yield from ledger.objects.read(str(name)).split(b"\n")[:-1]


def _from_log(known: _Known, *, seen: bool) -> list[_Part]:
    """Take what the supervisor had accepted, as far as it agrees with itself."""
    part = _Part(LOG, "")
    for data in () if seen else known.tail:
        if not _taken_on(known, part, data):
            break
    return [part] if part.lines else []


def _from_spool(known: _Known, directory: Path) -> Iterator[_Part]:
    """Take what the training wrote down itself, where it goes on from what was received."""
    spool = SpoolReader(directory / SPOOL_FOLDER, known.offsets)
    spool.read()
    for stream in spool.streams():
        part = _Part(SPOOL, stream)
        # Nobody writes as the supervisor but the supervisor.
        while stream != SUPERVISOR:
            data = spool.take(stream, known.next_lines.get(stream, 0), skip=True)
            if data is None:
                break
            if not _taken_on(known, part, data):
                part.refused = 1
                break
        part.refused += spool.drop(stream)
        if part.lines or part.refused:
            yield part
    known.offsets = spool.offsets


def _taken_on(known: _Known, part: _Part, data: bytes) -> bool:
    try:
        line, missing = known.take(data)
    except MalformedError:
        return False
    part.lines.append(data)
    part.steps += line.get("type") == "step"
    part.missing += missing
    return True


def _untold(boot: Path | None, known: _Known) -> dict[str, int]:
    """Return, per stream, the steps its heartbeat counted and no line told of."""
    if boot is None or not boot.is_dir():
        return {}
    beats = heartbeats(boot)
    return {
        stream: steps - known.next_steps.get(stream, 0)
        for stream, (steps, _when) in sorted(beats.items())
        if steps > known.next_steps.get(stream, 0)
    }


def _write_down(
    ledger: Ledger, opened: Entry, parts: list[_Part], known: _Known, untold: dict[str, int]
) -> None:
    objects = [ledger.objects.put(b"".join(line + b"\n" for line in part.lines)) for part in parts]
    described: list[Json] = [
        {
            "source": part.source,
            "stream": part.stream,
            "object": name,
            "lines": len(part.lines),
            "steps": part.steps,
            "missing": part.missing,
            "refused": part.refused,
        }
        for part, name in zip(parts, objects, strict=True)
    ]
    body: dict[str, Json] = {
        "reason": "the supervisor was lost",
        "parts": described,
        "objects": objects,
        "steps": dict(known.next_steps),
        "untold": dict(untold),
        "spooled": dict(known.offsets),
    }
    project = opened.body.get("project")
    ledger.append(Draft(RECOVERED, body, opened.run, project if isinstance(project, str) else ""))
