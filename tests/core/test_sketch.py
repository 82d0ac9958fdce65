"""The sketch of an update: what its estimates promise, whatever the tensors are."""

from __future__ import annotations

import math
from itertools import product
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veristep.core.sketch import DRAW_BYTES, LINE_BYTES, LINES, Line, Pair, compare, lines, products
from veristep.core.units import UNIT_BYTES, Cut

sizes = st.lists(st.integers(0, 3 * UNIT_BYTES // 4).map(lambda n: 4 * n), min_size=1, max_size=6)
draws = st.binary(min_size=DRAW_BYTES, max_size=DRAW_BYTES)
values = st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3)
moved = values.filter(lambda each: any(abs(value) > 1e-3 for value in each))
pair = st.builds(Pair, st.floats(0.1, 100), values, values)


@given(sizes, draws, st.data())
def test_a_sketch_shows_only_units_that_were_digested(
    tensors: list[int], drawn: bytes, data: st.DataObject
) -> None:
    units = Cut(tensors)
    chosen = data.draw(st.lists(st.integers(0, len(units) - 1), min_size=1, unique=True))
    for line in lines(units, chosen, drawn):
        unit = units[chosen[line.place]]
        assert line.tensor == unit.tensor
        assert unit.start <= line.start < line.stop <= unit.stop
        assert (line.start - unit.start) % LINE_BYTES == 0
        assert line.stop - line.start <= LINE_BYTES


@given(sizes, draws)
def test_other_draws_show_other_coordinates(tensors: list[int], drawn: bytes) -> None:
    units = Cut([size + UNIT_BYTES for size in tensors])
    chosen = range(len(units))
    flipped = bytes(byte ^ 0xFF for byte in drawn)
    one, other = lines(units, chosen, drawn), lines(units, chosen, flipped)
    # With at least 512 lines in each unit, that all 16 fall together is no chance.
    assert [each.start for each in one] != [each.start for each in other]


def _all_first_draws(units: Cut, chosen: list[int], most: int) -> list[Line]:
    """Return the line each possible draw takes, once: all units times all places in the largest."""
    found = []
    for unit, place in product(range(len(chosen)), range(most)):
        drawn = pack(f"<{LINES}Q", *[(unit << 32) + place] * LINES)
        found += lines(units, chosen, drawn)[:1]
    return found


@pytest.mark.parametrize("tensors", [[4], [256, 64], [1024, 8, 512], [UNIT_BYTES * 2, 128]])
def test_estimates_are_right_on_average_over_all_draws(tensors: list[int]) -> None:
    units = Cut(tensors)
    most = max(-(-(units[n].stop - units[n].start) // LINE_BYTES) for n in range(len(units)))
    drawn = _all_first_draws(units, list(range(len(units))), most)
    # Every line has the value of its number; its estimate is LINES times the mean of weight x value.
    true = sum(
        number**2
        for size in tensors
        for number in range(-(-size // LINE_BYTES))
    )  # fmt: skip
    mean = math.fsum(line.weight * (line.start // LINE_BYTES) ** 2 for line in drawn) / len(drawn)
    assert LINES * mean == pytest.approx(true)


@given(st.lists(pair, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_a_comparison_does_not_depend_on_the_order_of_lines(pairs: list[Pair], chance: object) -> None:
    shuffled = sorted(pairs, key=lambda _: chance.random())  # type: ignore[attr-defined]
    assert products(shuffled) == products(pairs)


@given(st.lists(pair, min_size=1, max_size=8))
def test_the_sketch_of_a_difference_is_the_difference_of_sketches(pairs: list[Pair]) -> None:
    found = products(pairs)
    expected = found.recorded + found.replayed - 2 * found.product
    assert found.difference == pytest.approx(
        expected, rel=1e-9, abs=1e-9 * (found.recorded + found.replayed)
    )


@settings(max_examples=50)
@given(
    st.lists(values.filter(lambda each: any(abs(v) > 1e-3 for v in each)), min_size=2, max_size=8),
    st.floats(0.1, 5),
)
def test_a_reversed_and_scaled_update_has_cosine_minus_one(lists: list[list[float]], scale: float) -> None:
    found = compare([Pair(1.0, [-scale * value for value in each], each) for each in lists])
    assert found.cosine == pytest.approx(-1)
    assert found.relative == pytest.approx(1 + scale)
    assert found.error == pytest.approx(0, abs=1e-6)


def test_a_missing_update_is_all_of_it_away_and_has_no_direction() -> None:
    found = compare([Pair(1.0, [0.0, 0.0], [3.0, 4.0])])
    assert (found.relative, found.cosine) == (1.0, None)
