"""Parts of tensors are cut where the whole tensors are, so that units do not depend on the sharding."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from veristep.core.units import UNIT_BYTES, Span, cut, span_cut

sizes = st.one_of(st.integers(0, 100), st.integers(0, 5 * UNIT_BYTES))


@given(whole=sizes, cuts=st.lists(st.integers(0, 5 * UNIT_BYTES), max_size=4))
def test_parts_cover_the_whole_once_and_their_units_are_those_of_the_whole_or_pieces_of_one(
    whole: int, cuts: list[int]
) -> None:
    bounds = [0, *sorted(min(each, whole) for each in cuts), whole]
    spans = [Span(a, b - a, whole) for a, b in itertools.pairwise(bounds)]
    units = span_cut(tuple(spans))
    seen = []
    for number in range(len(units)):
        unit = units[number]
        at = spans[unit.tensor].start
        start, stop = at + unit.start, at + unit.stop
        assert start // UNIT_BYTES == max(start, stop - 1) // UNIT_BYTES
        assert 0 <= unit.start <= unit.stop <= spans[unit.tensor].size
        if stop > start:
            seen.append((start, stop))
    assert [byte for span in seen for byte in span] == [
        each for pair in zip(_edges(seen, whole), _edges(seen, whole)[1:], strict=False) for each in pair
    ]


def _edges(seen: list[tuple[int, int]], whole: int) -> list[int]:
    return [*(start for start, _ in seen), whole] if seen else []


@given(sizes=st.lists(sizes, max_size=5))
def test_tensors_held_whole_are_cut_as_ever(sizes: list[int]) -> None:
    plain, spans = cut(tuple(sizes)), span_cut(tuple(Span(0, size, size) for size in sizes))
    assert [plain[n] for n in range(len(plain))] == [spans[n] for n in range(len(spans))]
