"""The sketch of an update: a few coordinates of the parameters, chosen after the update by fresh chance.

Digests tell whether two updates are the same, not how far they are apart. For that a step keeps the values
of `LINES` cache lines out of the units it digested (`core.units`). Both the units and the lines in them are
drawn after the update: nobody can know beforehand which coordinates a step will show.

Every unit is equally likely to be drawn, and every line of it: a line carries the weight ``units x lines of
its unit / LINES``, and weighted sums over the sketch estimate sums over all coordinates without bias
(Horvitz and Thompson, 1952). The sketch is linear: that of a difference is the difference of the sketches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from veristep.core.units import Cut, Unit

LINE_BYTES = 64
LINES = 16
# One draw of 64 bits per line.
DRAW_BYTES = 8 * LINES
_DRAWS = Struct(f"<{LINES}Q")


class Line(NamedTuple):
    """Bytes ``start:stop`` of tensor number `tensor`, standing for `weight` lines like it.

    `place` is the place of its unit among the digested ones.
    """

    place: int
    tensor: int
    start: int
    stop: int
    weight: float


def lines(units: Cut, chosen: Sequence[int], draws: bytes) -> list[Line]:
    """Return the lines that `draws` choose, in its order; one can come twice, and empty units give none.

    Args:
        units: how the tensors are cut.
        chosen: the numbers of the digested units, in order.
        draws: `DRAW_BYTES` bytes, one little-endian number d of 64 bits per line: unit
            ``(d >> 32) mod len(chosen)`` of the chosen ones and in it line ``(d mod 2**32) mod its lines``.
    """
    found: list[Line] = []
    total, digested, known = len(units), len(chosen), dict[int, Unit]()
    for draw in _DRAWS.unpack(draws) if digested else ():
        place = (draw >> 32) % digested
        unit = known.get(place) or known.setdefault(place, units[chosen[place]])
        count = -(-(unit.stop - unit.start) // LINE_BYTES)
        if count:
            start = unit.start + (draw & 0xFFFFFFFF) % count * LINE_BYTES
            stop = min(start + LINE_BYTES, unit.stop)
            found.append(Line(place, unit.tensor, start, stop, total * count / LINES))
    return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two updates of the same parameters, as far as a sketch shows them.

    Attributes:
        relative: size of the difference over the size of the replayed update, both Euclidean.
        cosine: between the two updates; None when one of them is zero.
        error: standard error of the cosine over the sampled lines (jackknife); None for fewer than two.
    """

    relative: float
    cosine: float | None
    error: float | None


class Pair(NamedTuple):
    """What one line shows of two updates, coordinate by coordinate, and its weight."""

    weight: float
    recorded: Sequence[float]
    replayed: Sequence[float]


class Products(NamedTuple):
    """Estimates, over all coordinates, of the sums a comparison is made from."""

    product: float
    recorded: float
    replayed: float
    difference: float


def products(pairs: Sequence[Pair]) -> Products:
    """Estimate the four sums over all coordinates from the lines drawn."""
    return Products(*(math.fsum(column) for column in zip(*map(_products, pairs), strict=True)))


def compare(pairs: Sequence[Pair]) -> Comparison:
    """Compare two updates by the lines drawn of both."""
    if not pairs:
        return Comparison(0.0, None, None)
    total = products(pairs)
    cosine = _cosine(total)
    without = [_cosine(_less(total, _products(each))) for each in pairs]
    known = [each for each in without if each is not None]
    error = None
    if cosine is not None and len(known) > 1:
        mean = math.fsum(known) / len(known)
        error = math.sqrt((len(known) - 1) / len(known) * math.fsum((each - mean) ** 2 for each in known))
    size, difference = math.sqrt(total.replayed), math.sqrt(total.difference)
    relative = difference / size if size else math.inf if difference else 0.0
    return Comparison(relative, cosine, error)


def _products(pair: Pair) -> Products:
    both = list(zip(pair.recorded, pair.replayed, strict=True))
    return Products(
        pair.weight * math.fsum(a * b for a, b in both),
        pair.weight * math.fsum(a * a for a, _ in both),
        pair.weight * math.fsum(b * b for _, b in both),
        pair.weight * math.fsum((a - b) ** 2 for a, b in both),
    )


def _less(whole: Products, part: Products) -> Products:
    return Products(*(a - b for a, b in zip(whole, part, strict=True)))


def _cosine(sums: Products) -> float | None:
    if sums.recorded <= 0 or sums.replayed <= 0:
        return None
    return max(-1.0, min(1.0, sums.product / math.sqrt(sums.recorded * sums.replayed)))
