"""Which units of a set of tensors a step digests, and in which order.

A set of tensors is cut into units: each tensor into blocks of `UNIT_BYTES`, a smaller tensor being one
unit. When digesting them all does not fit the time a step may cost, the units are taken in an order
drawn from a seed chosen after the update, until the time is used up. Nobody can know beforehand which
units a step will show, and a replay that is told the seed and the count digests the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

# Small enough that one unit costs well under a millisecond to digest (about 7 GB/s on one core), large
# enough that a model of billions of parameters has thousands of units, not millions.
UNIT_BYTES = 1 << 20


class Unit(NamedTuple):
    """Bytes ``start:stop`` of tensor number `tensor`."""

    tensor: int
    start: int
    stop: int


def cut(sizes: list[int], unit_bytes: int = UNIT_BYTES) -> list[Unit]:
    """Cut tensors of `sizes` bytes into units, in order; an empty tensor is one empty unit."""
    return [
        Unit(index, start, min(start + unit_bytes, size))
        for index, size in enumerate(sizes)
        for start in range(0, max(size, 1), unit_bytes)
    ]


def order(total: int, seed: int) -> Iterator[int]:
    """Yield the numbers 0 to total-1, each once, in the order drawn from `seed` (64 bits).

    The order starts at ``seed mod total`` and walks by the first stride at or after
    ``(seed >> 32) mod total`` that has no factor in common with `total`: cheap to begin, whatever the
    number of units, and every unit is equally likely to come first.
    """
    if total <= 0:
        return
    stride = (seed >> 32) % total or 1
    while math.gcd(stride, total) != 1:
        stride += 1
    position = seed % total
    for _ in range(total):
        yield position
        position = (position + stride) % total
