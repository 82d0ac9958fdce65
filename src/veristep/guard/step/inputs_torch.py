"""What goes into updates: learning rates, seeds, samples and their order."""

from __future__ import annotations

import functools
import random
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3
from torch.optim import Optimizer
from torch.utils.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
)

from veristep.core.canonical import Json
from veristep.record.copies_torch import Copy
from veristep.record.pack import Part
from veristep.record.state_torch import Roster

Tell = Callable[[dict[str, Json]], None]
# Of each tensor of a batch, the bytes that tell it from others.
_HEAD_BYTES = 64 << 10
_MOST_BATCHES = 512
# Data that comes again by itself (constant, or few samples) tells nothing.
_VARIED = 5
_MOST_TOLD = 5
_MOST_PLACES = 50
_OWN = str(Path(__file__).parents[2])
_TORCH = str(Path(torch.__file__).parent)
_compiling = torch.compiler.is_compiling
# With fewer samples a batch may well come again, from a data set that holds few.
_FEWEST_SAMPLES = 8
_EPOCHS = 64
# So many updates of steadiness make a change worth telling.
_FAMILIAR = 20


class Rates:
    """Whether hyperparameters are what schedulers say, or what they were."""

    def __init__(self, roster: Roster, tell: Tell) -> None:
        self._roster = roster
        self._tell = tell
        self._steps: dict[int, int] = {}
        self._last: dict[int, list[dict[str, Any]]] = {}
        # At which update a hyperparameter was last not as expected, by optimizer, group and key.
        self._since: dict[tuple[int, int, str], int] = {}
        self._habit: set[tuple[int, int, str]] = set()
        self.checked = 0

    def look(self, step: int, optimizer: Optimizer, number: int, hyper: list[dict[str, Any]]) -> None:
        """Look at the hyperparameters of an update that is about to happen.

        Args:
            step: its number.
            optimizer: the one that steps.
            number: of the optimizer.
            hyper: per group; the same object as the last time when nothing has changed.
        """
        self.checked += 1
        self._steps[number] = self._steps.get(number, 0) + 1
        scheduled = self._scheduled(optimizer)
        for place, group in enumerate(hyper) if scheduled else ():
            rates = [(name, rates[place]) for name, rates in scheduled if place < len(rates)]
            lr = group.get("lr")
            if rates and isinstance(lr, float) and not any(lr == float(rate) for _, rate in rates):
                self._off(step, (number, place, "lr"), rates[-1][0], float(rates[-1][1]), lr)
        last = self._last.get(number)
        if hyper is last:
            return
        self._last[number] = hyper
        for place, (now, before) in enumerate(zip(hyper, last or (), strict=False)):
            for key, value in now.items():
                expected = before.get(key, value)
                follows = key == "lr" and scheduled
                if value != expected and not follows and isinstance(value, (int, float, tuple, list)):
                    self._off(step, (number, place, key), "", expected, value)

    def _off(self, step: int, of: tuple[int, int, str], by: str, expected: Any, got: Any) -> None:
        taken = self._steps[of[0]]
        kept = taken - 1 - self._since.get(of, 0)
        self._since[of] = taken
        # What has once changed by itself early does so by the script's own will.
        if of in self._habit or kept < _FAMILIAR:
            if taken - 1 - kept == 0:
                self._habit.add(of)
            return
        self._tell(
            {
                "kind": "schedule",
                "step": step,
                "optimizer": of[0],
                "group": of[1],
                "key": of[2],
                "by": by,
                "expected": repr(expected),
                "got": repr(got),
                "kept": kept,
            }
        )

    def _scheduled(self, optimizer: Optimizer) -> list[tuple[str, list[Any]]]:
        found = []
        for scheduler in self._roster.schedulers():
            if scheduler is not None and getattr(scheduler, "optimizer", None) is optimizer:
                rates = getattr(scheduler, "_last_lr", None)
                if isinstance(rates, list):
                    found.append((type(scheduler).__name__, rates))
        return found


class Seeds:
    """Who seeds generators while the training runs."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._step = 0
        self._calls = 0
        self._seen = 0
        self._seed = torch.initial_seed()
        self._told: dict[tuple[str, int], int] = {}
        self._restorers: set[str] = set()
        self._follow()

    def look(self, step: int) -> None:
        """Look at torch's generator as an update is about to happen."""
        self._step = step + 1  # what is called from here on is the next one's
        seed = torch.initial_seed()
        if seed != self._seed and self._calls == self._seen:
            self._tell({"kind": "seed", "step": step, "file": "", "function": "", "seed": str(seed)})
        self._seed, self._seen = seed, self._calls

    def _follow(self) -> None:
        # Putting a state back is what compilers and checkpointing do all the time; what comes again by it
        # is seen in the states themselves.
        places: list[tuple[Any, str]] = [(random, "seed")]
        states: list[tuple[Any, str]] = [(torch, "set_rng_state"), (torch.random, "set_rng_state")]
        for name in ("manual_seed", "seed"):
            places += [(torch, name), (torch.random, name)]
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            places.append((numpy.random, "seed"))
        for module, name in (*places, *states):
            original = getattr(module, name)
            if not hasattr(original, "_veristep_follows"):
                called = self._called if (module, name) in places else self._put_back
                setattr(module, name, _followed(original, f"{module.__name__}.{name}", called))

    def _put_back(self, frame: Any, name: str, _args: Any) -> None:
        self._calls += 1
        file = frame.f_code.co_filename
        if file not in self._restorers and len(self._restorers) < _MOST_PLACES:
            self._restorers.add(file)
            body: dict[str, Json] = {"kind": "seed", "step": self._step, "file": file, "function": name}
            if not file.startswith(_TORCH):
                self._tell({**body, "put_back": True})

    def _called(self, frame: Any, name: str, args: Any) -> None:
        self._calls += 1
        where = frame.f_code.co_filename, frame.f_lineno
        count = self._told[where] = self._told.get(where, 0) + 1
        if count <= _MOST_TOLD and len(self._told) < _MOST_PLACES and not where[0].startswith(_OWN):
            seed = repr(args[0])[:80] if args and isinstance(args[0], int) else ""
            self._tell(
                {
                    "kind": "seed",
                    "step": self._step,
                    "file": where[0],
                    "number": where[1],
                    "function": name,
                    "seed": seed,
                }
            )


def _followed(
    original: Callable[..., Any], name: str, called: Callable[[Any, str, Any], None]
) -> Callable[..., Any]:
    @functools.wraps(original)
    def seeding(*args: Any, **kwargs: Any) -> Any:
        if not _compiling():
            called(sys._getframe(1), name, args)
        return original(*args, **kwargs)

    seeding._veristep_follows = True  # type: ignore[attr-defined]
    return seeding


@dataclass(slots=True)
class _Epoch:
    sampler: str
    size: int
    padding: int
    shuffles: bool
    drawn: list[tuple[int, Any]] = field(default_factory=list)


class Samples:
    """What loaders draw and hand over; all but noting it happens on the worker thread."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._epochs: dict[int, _Epoch] = {}
        self._orders: dict[int, OrderedDict[bytes, int]] = {}
        self._heads: OrderedDict[bytes, tuple[int, tuple[int, ...]]] = OrderedDict()
        self._again = self._fetched = 0
        self.checked = 0
        self.missed: dict[str, int] = {}

    def begins(self, slot: int, epoch: _Epoch | str) -> None:
        """Judge the epoch of a data set that has ended, as another one begins."""
        self.ends(slot)
        if isinstance(epoch, str):
            self.missed[epoch] = self.missed.get(epoch, 0) + 1
        else:
            self._epochs[slot] = epoch

    def drawn(self, step: int, slot: int, samples: Any, copies: Iterable[Copy]) -> None:
        """Take in a batch: the samples it was drawn as, and what it holds."""
        numbers = _numbers(samples)
        if numbers is None:
            return
        epoch = self._epochs.get(slot)
        if epoch is not None:
            epoch.drawn.append((step, numbers))
        self._compare(step, slot, numbers, copies)

    def finish(self) -> None:
        """Judge what was drawn so far: the last epochs end with the process."""
        for slot in list(self._epochs):
            self.ends(slot)

    def ends(self, slot: int) -> None:
        """Judge an epoch: no sample twice, and not in the order of an earlier one."""
        epoch = self._epochs.pop(slot, None)
        if epoch is None or not epoch.drawn:
            return
        self.checked += 1
        first: dict[int, int] = {}
        twice: list[tuple[int, int, int]] = []
        for step, numbers in epoch.drawn:
            for each in numbers:
                if each in first:
                    twice.append((each, step, first[each]))
                else:
                    first[each] = step
        total = sum(len(numbers) for _, numbers in epoch.drawn)
        body: dict[str, Json] = {"kind": "samples", "slot": slot, "sampler": epoch.sampler}
        if len(twice) > epoch.padding:
            sample, step, earlier = twice[0]
            got = f"{len(first)} different ones of {total} drawn"
            more: dict[str, Json] = {"of": "drawn", "sample": sample, "step": step, "earlier": earlier}
            self._tell({**body, **more, "count": len(twice), "got": got, "expected": "each once"})
        elif epoch.shuffles and epoch.sampler != "DistributedSampler" and total >= max(8, epoch.size // 2):
            self._order(slot, epoch, body)

    def _order(self, slot: int, epoch: _Epoch, body: dict[str, Json]) -> None:
        hasher = blake3()
        for _, numbers in epoch.drawn:
            hasher.update(repr(numbers).encode())
        known = self._orders.setdefault(slot, OrderedDict())
        name, last = hasher.digest(), epoch.drawn[-1][0]
        if name in known:
            self._tell({**body, "of": "order", "step": last, "earlier": known[name], "orders": len(known)})
        known[name] = last
        if len(known) > _EPOCHS:
            known.popitem(last=False)

    def _tells_apart(self, slot: int, numbers: tuple[int, ...], copies: Iterable[Copy]) -> bool:
        """Whether a batch would hardly come again by itself: shuffled, and no two of its samples alike."""
        epoch = self._epochs.get(slot)
        if epoch is None or not epoch.shuffles or len(numbers) < _FEWEST_SAMPLES:
            return False
        rows = [b""] * len(numbers)
        for copy in copies:
            if type(copy) is Part and copy.shape and copy.shape[0] == len(numbers):
                size = len(copy.data) // len(numbers)
                rows = [row + copy.data[n * size : (n + 1) * size] for n, row in enumerate(rows)]
        return len(set(rows)) == len(rows)

    def _compare(self, step: int, slot: int, numbers: tuple[int, ...], copies: Iterable[Copy]) -> None:
        hasher = blake3(slot.to_bytes(4, "little"))
        size = 0
        for copy in copies:
            if type(copy) is Part:
                hasher.update(copy.data[:_HEAD_BYTES])
                size += len(copy.data)
        if not size or not numbers:
            return
        self._fetched += 1
        name = hasher.digest()
        known = self._heads.get(name)
        if known is None:
            self._heads[name] = step, numbers
            if len(self._heads) > _MOST_BATCHES:
                self._heads.popitem(last=False)
            return
        if set(known[1]) & set(numbers) or not self._tells_apart(slot, numbers, copies):
            return
        self._again += 1
        if len(self._heads) >= _VARIED and self._again <= max(1, self._fetched // 20):
            self._tell(
                {
                    "kind": "samples",
                    "of": "data",
                    "slot": slot,
                    "step": step,
                    "earlier": known[0],
                    "expected": f"samples {_few(numbers)}",
                    "got": f"what samples {_few(known[1])} were",
                }
            )


def epoch_of(loader: Any) -> _Epoch | str:
    """Return what an epoch of a loader has to draw, or in words why that is not known."""
    batches, sampler = getattr(loader, "batch_sampler", None), getattr(loader, "sampler", None)
    if type(batches) is not BatchSampler and batches is not None:
        return f"batches drawn by {type(batches).__name__}"
    kind = type(sampler)
    if kind not in (RandomSampler, SequentialSampler, SubsetRandomSampler, DistributedSampler):
        return f"samples drawn by {kind.__name__}"
    sampler_: Any = sampler
    size = len(sampler_)
    if kind is RandomSampler and (sampler_.replacement or size > len(sampler_.data_source)):
        return "samples drawn with replacement"
    padding = 0
    if kind is DistributedSampler:
        padding = max(0, sampler_.total_size - len(sampler_.dataset))
    if kind is SubsetRandomSampler and len(set(sampler_.indices)) < size:
        return "a subset that holds samples twice"
    return _Epoch(
        kind.__name__, size, padding, kind is not SequentialSampler and getattr(sampler_, "shuffle", True)
    )


def _numbers(samples: Any) -> tuple[int, ...] | None:
    if type(samples) is int:
        return (samples,)
    if isinstance(samples, (list, tuple)) and all(type(each) is int for each in samples):
        return tuple(samples)
    return None


def _few(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers[:4])) + (", ..." if len(numbers) > 4 else "")
