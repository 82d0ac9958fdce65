"""The draw cannot be foreseen and can be recomputed; the stated risk is the exact one."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.errors import UsageError
from veristep.replay.plan import Interval, containing, default_count, draw, draw_seed
from veristep.replay.risk import miss_probability, needed


def intervals(count: int) -> list[Interval]:
    return [Interval(n, 10 * n, 10 * n + 10, ("0",), closed=True) for n in range(count)]


@given(st.integers(1, 9), st.data())
def test_the_risk_is_what_counting_every_possible_draw_gives(total: int, data: st.DataObject) -> None:
    checked = data.draw(st.integers(0, total))
    tampered = data.draw(st.integers(0, total))
    draws = list(itertools.combinations(range(total), checked))
    missed = sum(all(each >= tampered for each in drawn) for drawn in draws)
    assert miss_probability(total, checked, tampered) == Fraction(missed, len(draws))


def test_the_risk_is_what_simulated_audits_show() -> None:
    chooser = random.Random(5)
    trials = 20_000
    missed = sum(min(chooser.sample(range(40), 12)) >= 3 for _ in range(trials))
    assert missed / trials == pytest.approx(float(miss_probability(40, 12, 3)), abs=0.01)


@given(st.integers(1, 300), st.data())
def test_needed_is_the_smallest_audit_that_reaches_the_limit(total: int, data: st.DataObject) -> None:
    tampered = data.draw(st.integers(1, total))
    limit = Fraction(data.draw(st.integers(1, 99)), 100)
    count = needed(total, tampered, limit)
    assert miss_probability(total, count, tampered) <= limit
    assert count == 0 or miss_probability(total, count - 1, tampered) > limit


@given(st.binary(min_size=1), st.integers(1, 60), st.data())
def test_a_draw_is_without_replacement_and_anybody_can_recompute_it(
    nonce: bytes, total: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, total))
    seed = draw_seed(nonce, "checkpoint", "run")
    first = draw(intervals(total), count, seed)
    assert len({each.number for each in first}) == count
    assert draw(list(reversed(intervals(total))), count, seed) == first


def test_a_draw_depends_on_every_part_of_its_seed() -> None:
    seeds = {
        draw_seed(nonce, checkpoint, run)
        for nonce, checkpoint, run in itertools.product((b"a", b"b"), ("c", "d"), ("e", "f"))
    }
    assert len(seeds) == 8


def test_every_interval_is_about_equally_likely_to_be_drawn() -> None:
    counts = [0] * 10
    for number in range(4000):
        for each in draw(intervals(10), 3, draw_seed(number.to_bytes(4, "big"), "c", "r")):
            counts[each.number] += 1
    assert max(counts) - min(counts) < 250  # expected 1200 each, standard deviation about 29


def test_steps_name_the_intervals_that_hold_them() -> None:
    assert [each.number for each in containing(intervals(5), "15:31")] == [1, 2, 3]
    assert [each.number for each in containing(intervals(5), "15")] == [1]
    assert [each.number for each in containing(intervals(5), ":10")] == [0]
    with pytest.raises(UsageError, match="A:B"):
        containing(intervals(5), "x:y")
    with pytest.raises(UsageError, match="no interval"):
        containing(intervals(5), "900:")


def test_the_default_draw_is_a_tenth_and_at_least_three() -> None:
    assert [default_count(total) for total in (0, 1, 3, 10, 30, 200)] == [0, 1, 3, 3, 3, 20]
