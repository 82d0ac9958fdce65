"""Which samples of a map-style data set the batches of a loader are made of.

A loader draws the indices of a batch from its sampler in the process that trains, also where workers fetch
the samples. They are noted there and handed on with the batch. Nothing is noted where there are no
indices (data sets that are iterated) or where the order of batches is not that of the draws
(``in_order=False``); other processes' draws (accelerate's dispatching loaders) are theirs to note.
"""

from __future__ import annotations

import functools
from array import array
from collections import deque
from collections.abc import Iterable
from typing import Any

from torch.utils.data import dataloader

_DRAWN = "_veristep_drawn"
_MAP = dataloader._DatasetKind.Map


def install() -> None:
    """Wrap what draws indices; called once per process."""
    base: Any = dataloader._BaseDataLoaderIter
    draw, begin = base._next_index, base._reset

    @functools.wraps(draw)
    def _next_index(self: Any) -> Any:
        index = draw(self)
        drawn = self.__dict__.get(_DRAWN)
        if drawn is None:
            drawn = self.__dict__[_DRAWN] = deque()
        # A batch sampler may use its list again.
        drawn.append(list(index) if type(index) is list else index)
        return index

    @functools.wraps(begin)
    def _reset(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.__dict__.pop(_DRAWN, None)  # what was fetched ahead in an epoch that was left early
        return begin(self, *args, **kwargs)

    base._next_index, base._reset = _next_index, _reset


def of_batch(iterator: Any) -> Any:
    """Return what the batch that an iterator yields now was drawn as; None where that is not known.

    Has to be called once for each batch.
    """
    drawn = iterator.__dict__.get(_DRAWN)
    if not drawn:
        return None
    index = drawn.popleft()
    known = iterator._dataset_kind == _MAP and getattr(iterator, "_in_order", True)
    return index if known else None


def packed(batches: Iterable[tuple[int, int, Any]]) -> bytes:
    """Return batches as a step's chunk holds them, of those whose samples are known by numbers.

    Per batch, as 64-bit little endian: slot, number of the batch, how many samples, and their indices.

    Args:
        batches: slot, number, and what `of_batch` returned.
    """
    found = bytearray()
    for slot, number, index in batches:
        try:
            samples = array("q", index if isinstance(index, (list, tuple)) else [index])
        except (TypeError, OverflowError):
            continue  # keys of another kind than numbers
        head = array("q", (slot, number, len(samples)))
        if head.itemsize != 8:
            return b""
        found += head.tobytes() + samples.tobytes()
    return bytes(found)
