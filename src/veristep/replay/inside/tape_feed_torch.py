"""The tape of an interval, read back: which batch, which random states a step of the replay is to get."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch

from veristep.core.records import StepRecord
from veristep.errors import VeristepError
from veristep.record import pack
from veristep.record import randomness_torch as randomness
from veristep.record.tape import read_chunk
from veristep.record.tensors_torch import digest, from_part
from veristep.replay.order import Order, StreamOrder

# Batches given last that a forward's inputs are looked for in.
REMEMBERED = 16

Fail = Callable[[str], NoReturn]


class TapeFeed:
    """What one process of the run had, step by step.

    Attributes:
        records: the step records, by step.
    """

    def __init__(self, order: Order, mine: StreamOrder, fail: Fail) -> None:
        self._fail = fail
        self._tape = Path(order.tape)
        self._descriptions = mine.tensors
        self.records = {record.step: record for record in map(StepRecord.from_json, mine.records)}
        self._chunks: dict[int, dict[str, Any]] = {}

    # -- what was taped -----------------------------------------------------------------------------

    def chunk(self, step: int) -> dict[str, Any]:
        """Return the tape of a step; a replay without it cannot be judged."""
        chunk = self._chunks.get(step)
        if chunk is None:
            record = self.records.get(step)
            if record is None or record.tape is None:
                self._fail(f"the tape of step {step} is missing")
            try:
                chunk = pack.read(read_chunk(self._tape, record.tape), from_part)
            except VeristepError as error:
                self._fail(error.message)
            self._chunks[step] = chunk
        return chunk

    def readable(self, step: int) -> bool:
        """Whether the tape of a step is there and is the recorded one."""
        record = self.records.get(step)
        if record is None or record.tape is None:
            return False
        try:
            read_chunk(self._tape, record.tape)
        except VeristepError:
            return False
        return True

    def drop(self, step: int) -> None:
        """Let go of the tape of a step that is over."""
        self._chunks.pop(step, None)

    def description(self, step: int) -> dict[str, Any]:
        """Return what stands behind the digests of a step."""
        found: dict[str, Any] = {}
        for since, line in self._descriptions:
            if since <= step:
                found = dict(line)
        return found

    # -- putting it in place ------------------------------------------------------------------------

    def random_state(self, step: int, name: str) -> randomness.State | None:
        """Return the random states a step began with (``rng``), or the update before it ended with.

        The latter (``rng_after_last``) are kept only for scripts that need them.
        """
        if step not in self.records:
            return None
        chunk = self.chunk(step)
        state: randomness.State | None = chunk["states"][chunk[name]] if chunk[name] >= 0 else None
        return state

    def taped_or_live(self, taped: Any, live: torch.Tensor) -> torch.Tensor | None:
        """Return the taped tensor where it is another one than the live one; None to keep the live one."""
        if isinstance(taped, torch.Tensor):
            return None if _equal(taped, live) else taped
        if isinstance(taped, dict) and taped.get("digest") not in (None, digest(live).hex()):
            self._fail("a batch was too large to be kept, and the replay's own differs from it")
        return None


class IntervalFeed(TapeFeed):
    """The tape of an interval whose script stands elsewhere in its data than the run did.

    Attributes:
        shift: per loader slot, how far the run was ahead of the replay in batches.
    """

    def __init__(self, order: Order, mine: StreamOrder, fail: Fail) -> None:
        super().__init__(order, mine, fail)
        self._evaluated: set[int] = set()
        self._start, self._stop = self.records[order.start], order.stop
        self._fetches = self._taped_fetches()
        # Loaders of which it was guessed how far the run was ahead, and what they were given last.
        self._guessed: set[int] = set()
        self._given: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self.shift = self._loader_shift(self.records[order.start], StepRecord.from_json(mine.warm))
        # Batches of those loaders from before the interval, which a step of it may use or not.
        self._unseen = frozenset(self._guessed)
        self._ahead: list[dict[str, Any]] = []

    def fetch(self, slot: int, index: int) -> dict[str, Any] | None:
        """Return the batch the run had where the replay's loader yields its batch `index`."""
        fetch = self._fetches.get((slot, index + self.shift.get(slot, 0)))
        if fetch is not None and slot in self._guessed:
            self._given.append(fetch)
        return fetch

    def recognise(self, taped: Any, live: torch.Tensor) -> None:
        """See by its values that a forward gets a batch as the run did: which it is was guessed right.

        A copy of a batch, as on its way to another device, is not known by its memory.
        """
        if not self._guessed or not isinstance(taped, torch.Tensor) or not _equal(taped, live):
            return
        for slot in list(self._guessed):
            given = [fetch["tensors"] for fetch in self._given if fetch["slot"] == slot]
            equal = [
                any(isinstance(one, torch.Tensor) and _equal(one, taped) for one in each) for each in given
            ]
            # What every batch holds, such as a mask, tells none from another.
            if len(given) > 1 and equal.count(True) == 1:
                self._guessed.discard(slot)

    def needs(self, slot: int, index: int) -> bool:
        """Whether a batch of the run is used in the interval, or later, and not before."""
        name = str(slot)
        return index >= self._start.consumed.get(name, self._start.yields.get(name, 0))

    def hold(self, fetch: dict[str, Any]) -> None:
        """Keep a batch that was fetched before the interval began, where it is not seen who uses it."""
        if fetch["slot"] in self._unseen and fetch["tensors"]:
            self._ahead = [*self._ahead, fetch][-REMEMBERED:]

    def used(self, step: int) -> list[dict[str, Any]]:
        """Return the kept batches that a step uses, known by their values; they are kept no longer.

        Each tensor of the step is one batch's only, the first one's: a batch may have been repeated.
        """
        if not self._ahead:
            return []
        tensors = [
            leaf for call in self.chunk(step)["inputs"] for leaf in call if isinstance(leaf, torch.Tensor)
        ]
        found, kept = [], []
        for fetch in self._ahead:
            left = list(tensors)
            if all(_claim(each, left) for each in fetch["tensors"]):
                tensors = left
                found.append(fetch)
            else:
                kept.append(fetch)
        self._ahead = kept
        return found

    def fetch_ahead_varies(self) -> bool:
        """Whether which batch a step used had to be guessed, and cannot be."""
        counts = [self.records[step].yields for step in sorted(self.records)]
        ahead = [
            tuple(after.get(str(slot), 0) - before.get(str(slot), 0) for slot in self._guessed)
            for before, after in itertools.pairwise(counts)
        ]
        return len(set(ahead)) > 1

    def compare_source(self, taped: Any, own: Any) -> None:
        """Check that a batch is used by the step that used it in the run."""
        match taped, own:
            case ["loader", int(slot), int(index), _], ["loader", int(here), int(now), _]:
                if slot != here or index != now + self.shift.get(here, 0):
                    self._fail("the loader's batches reach other steps in the replay than in the run")

    def _taped_fetches(self) -> dict[tuple[int, int], dict[str, Any]]:
        found: dict[tuple[int, int], dict[str, Any]] = {}
        for step, record in self.records.items():
            if record.tape is None or step >= self._stop:
                continue
            chunk = self.chunk(step)
            self._evaluated.update(chunk.get("evaluated", ()))
            for fetch in chunk["fetches"]:
                state = chunk["states"][fetch["rng"]] if fetch["rng"] >= 0 else None
                found[(fetch["slot"], fetch["index"])] = {**fetch, "state": state}
        return found

    def _loader_shift(self, start: StepRecord, warm: StepRecord) -> dict[int, int]:
        """Return, per loader slot, how far the run was ahead of the replay in batches.

        Known for sure where both steps were seen to use a batch of the loader. Where not, the batches
        fetched so far tell, unless the loader fetches ahead by a varying number. That of an evaluation
        does not matter.
        """
        shift: dict[int, int] = {}
        for slot, count in start.yields.items():
            if slot in start.consumed and slot in warm.consumed:
                shift[int(slot)] = start.consumed[slot] - warm.consumed[slot]
            else:
                shift[int(slot)] = count - warm.yields.get(slot, 0)
                if int(slot) not in self._evaluated:
                    self._guessed.add(int(slot))
        return shift


def _claim(wanted: Any, tensors: list[torch.Tensor]) -> bool:
    """Take a tensor equal to `wanted` from a list, if there is one."""
    for place, each in enumerate(tensors):
        if isinstance(wanted, torch.Tensor) and _equal(wanted, each):
            del tensors[place]
            return True
    return False


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    alike = one.shape == other.shape and one.dtype == other.dtype
    return alike and torch.equal(one, other.to(one.device))
