"""The draw cannot be foreseen and can be recomputed; the stated risk is the exact one."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.core.records import StepRecord, UnitsDigest
from veristep.errors import UsageError
from veristep.replay.plan import Interval, containing, default_count, draw, draw_seed, warm_ups
from veristep.replay.recorded import StreamRecord
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


def stream_of(shapes: list[tuple[int, str, int]]) -> StreamRecord:
    digest = UnitsDigest("", 0, 0)
    steps = {
        number: StepRecord(
            stream="0", step=number, optimizer=optimizer, began_ns=0, ended_ns=0, boundary=boundary,
            entry=None, batch="", rng="", hyper=[], grads=digest, params=digest, forwards=forwards,
            skipped=0, yields={}, consumed={}, loss=None, grad_norm=None, tape=None,
        )
        for number, (optimizer, boundary, forwards) in enumerate(shapes)
    }  # fmt: skip
    return StreamRecord("0", steps)


shapes = st.tuples(st.integers(0, 1), st.just("forward"), st.integers(1, 2))


@given(st.lists(shapes, min_size=2, max_size=40), st.data())
def test_a_replay_starts_where_the_runs_own_steps_went_on_alike(
    steps: list[tuple[int, str, int]], data: st.DataObject
) -> None:
    start = data.draw(st.integers(1, len(steps) - 1))
    stop = data.draw(st.integers(start + 1, len(steps)))
    interval = Interval(1, start, stop, ("0",), closed=True)
    found = warm_ups([stream_of(steps)], interval, len(steps))
    length = stop - start
    alike = [at for at in range(1, start + 1) if steps[at : at + length] == steps[start:stop]]
    assert found == alike
    assert start in found
    assert warm_ups([stream_of(steps)], interval, 1) == alike[:1]


def test_the_first_interval_starts_by_itself_and_a_start_without_a_boundary_nowhere() -> None:
    steps = [(0, "forward", 1), (1, "none", 0)] * 4
    assert warm_ups([stream_of(steps)], Interval(0, 0, 4, ("0",), closed=True), 2) == [0]
    assert warm_ups([stream_of(steps)], Interval(1, 3, 8, ("0",), closed=True), 2) == []


def test_how_often_an_optimizer_called_its_closure_does_not_keep_a_start_far_away() -> None:
    steps = [(0, "closure", calls) for calls in (3, 1, 4, 1, 5, 9, 2, 6)]
    assert warm_ups([stream_of(steps)], Interval(1, 4, 8, ("0",), closed=True), 2) == [1, 2]


def test_all_ranks_must_go_on_alike() -> None:
    one = stream_of([(0, "forward", n) for n in (2, 1, 2, 2, 1, 2)])
    other = stream_of([(0, "forward", n) for n in (2, 2, 2, 2, 1, 2)])
    interval = Interval(1, 4, 6, ("0", "1"), closed=True)
    assert warm_ups([one], interval, 9) == [1, 4]
    assert warm_ups([one, other], interval, 9) == [4]
