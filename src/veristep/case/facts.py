"""What a run's own log says, summed up: rates, snapshots, files, signals."""

from __future__ import annotations

import contextlib
import itertools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from veristep.case.overview import whole
from veristep.case.wording import plain, signal_name
from veristep.core.checks import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from veristep.ledger.entries import Entry
    from veristep.ledger.log import Ledger
    from veristep.replay.recorded import RecordedRun, StreamRecord

DIGEST_PREFIX = 16


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """One training process.

    Attributes:
        stream: its name: the rank, with the number of its restart.
        steps: step records.
        steps_per_second: between its first and last update; None with fewer than two.
        median_step_seconds: from update to update.
        snapshots: states kept.
        spacing: steps between two snapshots, in the middle case.
    """

    stream: str
    steps: int
    steps_per_second: float | None
    median_step_seconds: float | None
    snapshots: int
    spacing: int | None


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file a run wrote, as it was read afterwards."""

    index: int
    time_ns: int
    run: str
    stream: str
    step: int
    path: str
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """How much of one kind of thing a check beside a run looked at.

    Attributes:
        check: its name.
        what: what was counted.
        tally: how much of it.
    """

    check: str
    what: str
    tally: Tally

    def in_words(self) -> str:
        """Return it as a line, with why the rest was not checked."""
        tally = self.tally
        parts = [f"{self.check}: {tally.checked} of {tally.total} {self.what}"]
        parts += [f"{count} not checked: {plain(why)}" for why, count in tally.not_checked.items()]
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class SignalFacts:
    """A signal that reached a run's supervisor, and who sent it."""

    time_ns: int
    name: str
    sender_pid: int
    sender_uid: int
    forwarded: bool

    def in_words(self) -> str:
        """Return it as a sentence without its time."""
        if self.sender_pid:
            sender = f"sent by process {self.sender_pid} of user {self.sender_uid}"
        else:
            sender = "sent by the kernel, as for Ctrl-C on a terminal"
        return f"{self.name} {sender}, {'passed on' if self.forwarded else 'not passed on'}"


def stream_facts(recorded: RecordedRun) -> list[StreamFacts]:
    """Return the facts per training process, in the order of ranks."""
    return [_facts(recorded.streams[name]) for name in sorted(recorded.streams, key=stream_order)]


def stream_order(name: str) -> tuple[int, str]:
    """Return the sort key of a stream: by rank, then by restart; odd names last."""
    rank = name.partition(".")[0]
    return (int(rank) if rank.isascii() and rank.isdigit() else 1 << 62, name)


def step_seconds(stream: StreamRecord) -> list[tuple[int, float]]:
    """Return (step, seconds since the update before) for every step whose predecessor is there."""
    found = []
    for step in sorted(stream.steps):
        before = stream.steps.get(step - 1)
        record = stream.steps[step]
        since = before.ended_ns if before else record.began_ns
        found.append((step, (record.ended_ns - since) / 1e9))
    return found


def artifacts(ledger: Ledger, run: str | None = None) -> list[Artifact]:
    """Return the files that a run, or all runs, wrote, in the order of the ledger."""
    return [artifact(entry) for entry in ledger.entries(run=run, kind="artifact.written")]


def artifact(entry: Entry) -> Artifact:
    """Return what an ``artifact.written`` entry says."""
    body = entry.body
    path = body.get("path")
    return Artifact(
        index=entry.index,
        time_ns=entry.time_ns,
        run=entry.run,
        stream=plain(body.get("stream")),
        step=whole(body.get("step")),
        path=path if isinstance(path, str) else plain(path),
        size=whole(body.get("size")),
        sha256=plain(body.get("sha256")),
    )


def signals(lines: Iterable[Mapping[str, Any]]) -> list[SignalFacts]:
    """Return the signals among the lines of a run log."""
    return [
        SignalFacts(
            time_ns=whole(line.get("time_ns")),
            name=signal_name(whole(line.get("signal"))),
            sender_pid=whole(line.get("sender_pid")),
            sender_uid=whole(line.get("sender_uid")),
            forwarded=bool(line.get("forwarded")),
        )
        for line in lines
        if line.get("type") == "signal"
    ]


def software(recorded: RecordedRun) -> dict[str, str]:
    """Return what decides a run's last bits, as its first training process told it."""
    for name in sorted(recorded.streams, key=stream_order):
        platform = recorded.streams[name].platform
        if platform:
            return {key: plain(platform.get(key)) for key in ("python", "torch", "device", "cuda")}
    return {}


def checks(lines: Iterable[Mapping[str, Any]]) -> list[CheckFacts]:
    """Return what the checks beside a run covered, in the order of their names.

    A line that is not understood, of a later version perhaps, says nothing.
    """
    found = []
    for line in lines:
        coverage = line.get("coverage")
        if line.get("type") != "checks" or not isinstance(coverage, Mapping):
            continue
        for name, tallies in sorted(coverage.items()):
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                found += [
                    CheckFacts(str(name), str(what), Tally.from_json(each))
                    for what, each in tallies.items()
                ]
    return found


def _facts(stream: StreamRecord) -> StreamFacts:
    times = [seconds for _, seconds in step_seconds(stream)]
    # The first step has warm-up in it, and no update before it to count from.
    later = times[1:]
    places = sorted(stream.snapshots)
    gaps = [after - before for before, after in itertools.pairwise(places)]
    return StreamFacts(
        stream=stream.name,
        steps=len(stream.steps),
        steps_per_second=len(later) / sum(later) if sum(later) > 0 else None,
        median_step_seconds=statistics.median(later) if later else None,
        snapshots=len(places),
        spacing=int(statistics.median_low(gaps)) if gaps else None,
    )
