"""Which units of a set of tensors a step digests, and in which order.

A set of tensors is cut into units: each tensor into blocks of `UNIT_BYTES`, a smaller tensor being one
unit. When digesting them all does not fit the time a step may cost, the units are taken in an order
drawn from a seed (`record.beacon`), until the time is used up. A replay that is told the seed and the count
digests the same ones.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, islice
from typing import NamedTuple

# Small enough that one unit takes 5 to 10 microseconds to digest (BLAKE3 reads about 7 GB/s on one core):
# the time of a step is met that closely. Numbers of units are computed, not listed, so many cost nothing.
UNIT_BYTES = 1 << 15
# How much of each unit's digest is kept and digested to the root.
PREFIX_BYTES = 16
_ITEM_BITS = re.compile(r"[a-z_]*?(\d+)", re.ASCII)

# Steps in a row that may show no unit at all: very short ones.
MOST_WITHOUT = 8


class Unit(NamedTuple):
    """Bytes ``start:stop`` of tensor number `tensor` of `size` bytes; `whole` when that is all of it."""

    tensor: int
    start: int
    stop: int
    size: int
    whole: bool


class Cut:
    """Tensors of some sizes in bytes, cut into units that are numbered in order.

    An empty tensor is one empty unit.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = tuple(sizes)
        counts = [max(1, -(-size // UNIT_BYTES)) for size in self._sizes]
        self._ends = list(accumulate(counts))
        self._counts = counts

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def place(self, number: int) -> tuple[int, int]:
        """Return the tensor of a unit, and the unit's first byte in it; `number` must be valid."""
        tensor = bisect_right(self._ends, number)
        return tensor, (number - self._ends[tensor] + self._counts[tensor]) * UNIT_BYTES

    def size(self, tensor: int) -> int:
        """Return the bytes of a tensor."""
        return self._sizes[tensor]

    def __getitem__(self, number: int) -> Unit:
        if not 0 <= number < len(self):
            raise IndexError(number)
        tensor, start = self.place(number)
        size = self._sizes[tensor]
        return Unit(tensor, start, min(start + UNIT_BYTES, size), size, self._counts[tensor] == 1)


class Span(NamedTuple):
    """Bytes ``start:start + size`` of a tensor of `whole` bytes: what one rank holds of it."""

    start: int
    size: int
    whole: int


class SpanCut(Cut):
    """Parts of tensors cut where the whole tensors are: at the same multiples of `UNIT_BYTES`.

    A unit that lies in one part is the same unit whatever the number of parts; one that a boundary between
    parts runs through is two. Units begin and stop at bytes of the part.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        super().__init__([span.size for span in spans])
        self._spans = tuple(spans)
        self._counts = [_blocks(span) for span in spans]
        self._ends = list(accumulate(self._counts))

    def place(self, number: int) -> tuple[int, int]:
        """Return the part of a unit, and the unit's first byte in it."""
        tensor = bisect_right(self._ends, number)
        span = self._spans[tensor]
        return tensor, max(0, self._block(number, tensor) * UNIT_BYTES - span.start)

    def __getitem__(self, number: int) -> Unit:
        if not 0 <= number < len(self):
            raise IndexError(number)
        tensor, start = self.place(number)
        span = self._spans[tensor]
        stop = min(span.size, (self._block(number, tensor) + 1) * UNIT_BYTES - span.start)
        whole = span.size == span.whole and self._counts[tensor] == 1
        return Unit(tensor, start, max(start, stop), span.size, whole)

    def _block(self, number: int, tensor: int) -> int:
        """Return the number of a unit's block in the whole tensor."""
        return number - self._ends[tensor] + self._counts[tensor] + self._spans[tensor].start // UNIT_BYTES


def _blocks(span: Span) -> int:
    if not span.size:
        return 1
    return -(-(span.start + span.size) // UNIT_BYTES) - span.start // UNIT_BYTES


@lru_cache(maxsize=64)
def span_cut(spans: tuple[Span, ...]) -> SpanCut:
    """Return how parts of tensors are cut."""
    return SpanCut(spans)


@lru_cache(maxsize=64)
def cut(sizes: tuple[int, ...]) -> Cut:
    """Return how tensors of `sizes` bytes are cut; a model's sizes are the same at every step."""
    return Cut(sizes)


def order(total: int, seed: int) -> Iterator[int]:
    """Yield the numbers 0 to total-1, each once, in the order drawn from `seed` (64 bits).

    The order starts at ``seed mod total`` and walks by the first stride at or after
    ``(seed >> 32) mod total`` that has no factor in common with `total`: cheap to begin, whatever the
    number of units, and every unit is equally likely to come first.
    """
    if total <= 0:
        return
    position = seed % total
    yield position  # often the only one: the stride is worked out afterwards
    stride = (seed >> 32) % total or 1
    while math.gcd(stride, total) != 1:
        stride += 1
    for _ in range(total - 1):
        position = (position + stride) % total
        yield position


def chosen(count: int, total: int, seed: int | None) -> list[int]:
    """Return the numbers of the first `count` units of an order; without a seed, of the natural one."""
    numbers = range(total) if seed is None else order(total, seed)
    return list(islice(numbers, count))


def item_bytes(dtype: str) -> int:
    """Return the bytes of one element of a dtype, by its torch name: ``float32`` has 4.

    A name without a width, ``bool``, stands for one byte.
    """
    match = _ITEM_BITS.match(dtype)
    return max(1, int(match[1]) // 8) if match else 1
