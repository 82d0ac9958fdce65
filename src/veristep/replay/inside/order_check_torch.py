"""Which batches a loader's own sampler would have made, from where its epoch began.

At the start of an epoch the run kept the random states and the plain state of the loader's samplers. With
them in place the script's own sampler is asked for its order, and the data set for the samples.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import dataloader

from veristep.errors import VeristepError
from veristep.ledger.objects import ObjectStore
from veristep.record import pack
from veristep.record import randomness_torch as randomness
from veristep.record.sources_torch import capture_order, impose_order
from veristep.record.tensors_torch import from_part
from veristep.record.tree_torch import leaves
from veristep.replay.inside.compare_torch import same_tensor, shown
from veristep.replay.order import CHECKED

UNSEEN = "where its loader's epoch began was not recorded"
NO_ORDER = "an iterable data set has no order that could be asked for again"
CHANGED_AT_RANDOM = "its samples are changed at random; what is not was compared"
UNREADABLE = "its samples could not be read again"


class OrderCheck:
    """Compares recorded batches of one loader with those its sampler gives."""

    def __init__(self, objects: Path, loader: Any, epochs: Sequence[Mapping[str, Any]]) -> None:
        self._objects = objects
        self._loader = loader
        self._epochs = sorted((dict(each) for each in epochs), key=lambda each: int(each["first"]))
        self._first = -1
        self._indices: list[Any] = []
        self._pending: Any = iter(())

    def check(self, index: int, taped: list[Any]) -> tuple[str, tuple[str, str, str] | None]:
        """Return the outcome for the run's batch `index`, and what differs: recorded, own, where."""
        if self._loader._dataset_kind != dataloader._DatasetKind.Map:
            return NO_ORDER, None
        try:
            indices = _undisturbed(lambda: self._order(index))
            if indices is None:
                return UNSEEN, None
            return self._compare(indices, taped)
        except (VeristepError, StopIteration):
            return UNSEEN, None
        except Exception:  # noqa: BLE001 - boundary: data set and sampler are the script's
            return UNREADABLE, None

    def _compare(self, indices: Any, taped: list[Any]) -> tuple[str, tuple[str, str, str] | None]:
        own = _undisturbed(lambda: self._fetch(indices, seed=1))
        if len(own) != len(taped):
            return UNREADABLE, None
        differing = [
            place for place, pair in enumerate(zip(taped, own, strict=True)) if not same_tensor(*pair)
        ]
        if not differing:
            return CHECKED, None
        again = _undisturbed(lambda: self._fetch(indices, seed=2))
        steady = [place for place in differing if same_tensor(own[place], again[place])]
        if not steady:
            return CHANGED_AT_RANDOM, None
        place = steady[0]
        return "", (shown(taped[place]), shown(own[place]), f"tensor {place} of the batch")

    def _fetch(self, indices: Any, seed: int) -> list[torch.Tensor]:
        loader = self._loader
        torch.manual_seed(seed)
        random.seed(seed)
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            numpy.random.seed(seed)
        create: Callable[..., Any] = dataloader._DatasetKind.create_fetcher
        fetcher = create(
            loader._dataset_kind,
            loader.dataset,
            loader._auto_collation,
            loader.collate_fn,
            loader.drop_last,
        )
        return leaves(fetcher.fetch(indices))

    def _order(self, index: int) -> Any:
        epoch = next((each for each in reversed(self._epochs) if int(each["first"]) <= index), None)
        if epoch is None or not epoch.get("objects"):
            return None
        first = int(epoch["first"])
        if first != self._first:
            self._first, self._indices = first, []
        wanted = index - first + 1
        if len(self._indices) < wanted:
            self._indices = self._derive(str(epoch["objects"] or ""), 2 * wanted)
        return self._indices[index - first] if index - first < len(self._indices) else None

    def _derive(self, name: str, count: int) -> list[Any]:
        """Ask the sampler for the first `count` batches of an epoch, and leave it as it was."""
        kept = pack.read(ObjectStore(self._objects).read(name), from_part)
        before = capture_order(self._loader)
        try:
            impose_order(self._loader, kept["order"])
            randomness.restore(kept["states"])
            order = iter(self._loader._index_sampler)
            # The loader's iterator draws the seed of its workers before anything is asked of the sampler.
            torch.empty((), dtype=torch.int64).random_(generator=self._loader.generator)
            return list(itertools.islice(order, count))
        finally:
            impose_order(self._loader, before)


def _undisturbed(job: Callable[[], Any]) -> Any:
    state = randomness.capture()
    try:
        return job()
    finally:
        randomness.restore(state)
