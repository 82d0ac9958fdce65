"""Which steps of a recorded run trained on a sample, or on a file.

A run's tape holds, per batch of a map-style data set, the indices it was drawn by; its log holds for which
sample each file was first opened. Nothing is run for the answer.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from veristep.core.records import StepRecord
from veristep.errors import VeristepError
from veristep.record import pack
from veristep.record.tape import read_chunk
from veristep.replay.recorded import RecordedRun, StreamRecord

_WORD = 8


class How(StrEnum):
    """How an answer is known."""

    DRAWN = "by the indices its batches were drawn by"
    OPENED = "by the samples it was opened for"
    KEPT_OPEN = "it was opened once for many samples: any step from then on"
    WHOLE = "it was opened outside the fetching of samples: any step"
    UNTRAINED = "it was opened for a data set that no step was seen to train on"


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of a map-style data set, and the step that used it.

    Attributes:
        step: number of the step; -1 where no step was seen to use it.
    """

    slot: int
    index: int
    samples: frozenset[int]
    step: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What one training process saw of what was asked for.

    Attributes:
        run: its id.
        stream: the process.
        steps: those that used it, ascending; all that can have, for a file that was kept open.
        total: steps of the process.
        samples: indices that were looked for.
        how: how that is known.
        uncertain: why a step may be off by some, or another data set may be meant; empty for no reason.
    """

    run: str
    stream: str
    steps: tuple[int, ...]
    total: int
    samples: tuple[int, ...]
    how: How
    uncertain: str = ""


@dataclass(slots=True)
class Batches:
    """All batches of a process whose samples are known.

    Attributes:
        of: in the order they were fetched.
        unknown: batches of a step whose samples are not known, or cannot be read, by reason.
        shifted: whether the step of a batch rests on the order of fetching alone.
    """

    of: list[Batch] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
    shifted: bool = False

    def miss(self, why: str, count: int = 1) -> None:
        """Count batches that cannot be told of."""
        if count:
            self.unknown[why] = self.unknown.get(why, 0) + count


AHEAD = "a loader that fetches ahead shifts this by as many steps: no forward was seen to get its batches"
NO_INDICES = "not drawn by index, or by another process"


def batches(run: RecordedRun, stream: StreamRecord) -> Batches:
    """Return the batches of a process, read from its tape and checked against its record."""
    found = Batches()
    fetched: list[tuple[int, int, frozenset[int]]] = []
    evaluated: set[int] = set()
    for record in stream.steps.values():
        if record.tape is None:
            found.miss("the tape of the step was not written")
            continue
        try:
            tree = pack.read(read_chunk(run.tape, record.tape), lambda part: part)
            drawn = list(unpacked(tree.get("samples") or b""))
        except (VeristepError, ValueError) as error:
            found.miss(str(error))
            continue
        evaluated.update(tree["evaluated"])
        fetched += drawn
        known = {(slot, index) for slot, index, _ in drawn}
        found.miss(NO_INDICES, sum((each["slot"], each["index"]) not in known for each in tree["fetches"]))
    steps = {slot: _users(stream.steps, str(slot)) for slot in {slot for slot, _, _ in fetched}}
    found.shifted = any(
        str(slot) not in record.consumed
        for slot in steps
        for record in stream.steps.values()
        if record.forwards and str(slot) in record.yields
    )
    for slot, index, samples in fetched:
        if slot not in evaluated:
            found.of.append(Batch(slot, index, samples, steps[slot].get(index, -1)))
    return found


def unpacked(data: bytes) -> Iterator[tuple[int, int, frozenset[int]]]:
    """Yield slot, number and samples of each batch of a step (`record.samples_torch.packed`).

    Raises:
        ValueError: the bytes do not follow that form.
    """
    words = array("q", data)
    at = 0
    while at < len(words):
        if at + 3 > len(words) or not 0 <= words[at + 2] <= len(words) - at - 3:
            raise ValueError("the samples of a step are not in the form of a tape")
        slot, index, count = words[at : at + 3]
        yield slot, index, frozenset(words[at + 3 : at + 3 + count])
        at += 3 + count


def _users(records: Mapping[int, StepRecord], slot: str) -> dict[int, int]:
    """Return the step that used each batch of a slot.

    A step uses the batches from its first one to the next step's. The first is the one that a forward
    was seen to get, or else the last that was fetched when the step began.
    """
    firsts = [
        (number, record.consumed.get(slot, record.yields[slot] - 1))
        for number, record in sorted(records.items())
        if slot in record.yields and (slot in record.consumed or record.yields[slot])
    ]
    found: dict[int, int] = {}
    for place, (number, first) in enumerate(firsts):
        after = firsts[place + 1][1] if place + 1 < len(firsts) else first + 1
        for index in range(first, max(after, first + 1)):
            found.setdefault(index, number)
    return found


def of_samples(
    run: RecordedRun, wanted: Iterable[int], dataset: str = ""
) -> tuple[list[Seen], dict[str, int]]:
    """Return who saw samples, and how many batches cannot be told of, by reason.

    Args:
        run: to be looked through.
        wanted: indices of samples.
        dataset: only of data sets with this key; empty for all.
    """
    samples = frozenset(wanted)
    seen: list[Seen] = []
    unknown: dict[str, int] = {}
    for stream in run.streams.values():
        found = batches(run, stream)
        _add(unknown, found.unknown)
        slots = _slots(run, stream.name, dataset)
        steps = {each.step for each in found.of if each.samples & samples and _is_in(each.slot, slots)}
        uncertain = [AHEAD] if found.shifted else []
        if len({each.slot for each in found.of if _is_in(each.slot, slots)}) > 1:
            uncertain.append("more than one data set has samples of these numbers")
        steps.discard(-1)
        if found.of or steps:
            seen.append(
                Seen(
                    run.run,
                    stream.name,
                    tuple(sorted(steps)),
                    len(stream.steps),
                    tuple(sorted(samples)),
                    How.DRAWN,
                    "; ".join(uncertain),
                )
            )
    return seen, unknown


def of_file(run: RecordedRun, path: str) -> tuple[list[Seen], dict[str, int]]:
    """Return who saw a file, as `of_samples`; nobody for one that the run was not seen to open."""
    names = {path, os.path.realpath(path)}
    opened: dict[str, set[int]] = {}
    first_for: dict[str, set[int]] = {}
    for line in run.of_type("fetched"):
        dataset = str(line["dataset"])
        for sample, place in line["files"]:
            first_for.setdefault(dataset, set()).add(int(sample))
            if place in names:
                opened.setdefault(dataset, set()).add(int(sample))
    if opened:
        return _opened(run, opened, first_for)
    if any(line.get("path") in names for line in run.of_type("data")):
        return [_any_step(run, stream, How.WHOLE) for stream in run.streams.values()], {}
    return [], {}


def _opened(
    run: RecordedRun, opened: Mapping[str, set[int]], first_for: Mapping[str, set[int]]
) -> tuple[list[Seen], dict[str, int]]:
    seen: list[Seen] = []
    unknown: dict[str, int] = {}
    for dataset, samples in opened.items():
        for stream in run.streams.values():
            slots = _slots(run, stream.name, dataset)
            if not slots:
                seen.append(Seen(run.run, stream.name, (), len(stream.steps), (), How.UNTRAINED))
                continue
            found = batches(run, stream)
            _add(unknown, found.unknown)
            mine = [each for each in found.of if each.slot in slots]
            # Where every sample opened a file of its own, a file goes with its sample.
            own = all(each.samples <= first_for[dataset] for each in mine)
            steps = {each.step for each in mine if each.samples & samples} - {-1}
            if not own and steps:
                steps = {number for number in stream.steps if number >= min(steps)}
            uncertain = [AHEAD] if found.shifted else []
            uncertain += ["data sets of the same class and length are not told apart"] * (len(slots) > 1)
            seen.append(
                Seen(
                    run.run,
                    stream.name,
                    tuple(sorted(steps)),
                    len(stream.steps),
                    tuple(sorted(samples)),
                    How.OPENED if own else How.KEPT_OPEN,
                    "; ".join(uncertain),
                )
            )
    return seen, unknown


def _any_step(run: RecordedRun, stream: StreamRecord, how: How) -> Seen:
    return Seen(run.run, stream.name, tuple(sorted(stream.steps)), len(stream.steps), (), how)


def _slots(run: RecordedRun, stream: str, dataset: str) -> frozenset[int] | None:
    """Return the slots of data sets with a key that train; None for any."""
    if not dataset:
        return None
    lines: Iterable[Mapping[str, Any]] = run.of_type("epoch")
    found = (line for line in lines if line["stream"] == stream and line.get("dataset") == dataset)
    return frozenset(int(line["slot"]) for line in found) - {-1}


def _is_in(slot: int, slots: frozenset[int] | None) -> bool:
    return slots is None or slot in slots


def _add(to: dict[str, int], more: Mapping[str, int]) -> None:
    for why, count in more.items():
        to[why] = to.get(why, 0) + count
