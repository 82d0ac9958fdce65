"""Which intervals an audit replays follows from the draw, the choice and the verdicts alone."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.core.verdicts import Verdict
from veristep.errors import MalformedError, UsageError
from veristep.replay.plan import choice as choices
from veristep.replay.plan.choice import Choice, Count, Given, Risk
from veristep.replay.plan.intervals import Interval
from veristep.replay.plan.risk import meant, needed
from veristep.replay.plan.schedule import FIRST_ROUND, Schedule, rounds
from veristep.replay.plan.stretch import stretches

VERIFIED, VIOLATED, UNVERIFIED = Verdict.VERIFIED, Verdict.VIOLATED, Verdict.UNVERIFIED
TRUTHS = st.lists(
    st.sampled_from([VERIFIED, VERIFIED, VERIFIED, VIOLATED, UNVERIFIED]), min_size=1, max_size=40
)


def intervals(count: int) -> list[Interval]:
    return [Interval(n, 10 * n, 10 * n + 10, ("0",), closed=True) for n in range(count)]


def carry_out(schedule: Schedule, truth: list[Verdict]) -> dict[int, Verdict]:
    verdicts: dict[int, Verdict] = {}
    while (each := schedule.next_round(verdicts)) is not None:
        assert each.numbers
        assert not set(each.numbers) & set(verdicts), "an interval was replayed twice"
        verdicts |= {number: truth[number] for number in each.numbers}
    return verdicts


def shuffled(data: st.DataObject, total: int) -> tuple[int, ...]:
    return tuple(data.draw(st.permutations(range(total))))


def any_choice(data: st.DataObject, total: int) -> Choice:
    shares = st.integers(1, 99).map(lambda n: Fraction(n, 100))
    return data.draw(
        st.one_of(
            st.builds(Count, st.integers(0, total)),
            st.builds(Risk, shares, shares),
            st.builds(lambda n: Given(tuple(n)), st.lists(st.integers(0, total - 1), unique=True)),
        )
    )


@given(TRUTHS, st.data())
def test_every_audit_ends_and_its_rounds_can_be_computed_again(
    truth: list[Verdict], data: st.DataObject
) -> None:
    schedule = Schedule(shuffled(data, len(truth)), any_choice(data, len(truth)))
    verdicts = carry_out(schedule, truth)
    course = rounds(schedule, verdicts)
    assert {number for each in course for number in each.numbers} == set(verdicts)
    # An audit that was interrupted anywhere goes on where it was.
    kept = {number: verdicts[number] for each in course[: len(course) // 2] for number in each.numbers}
    after = schedule.next_round(kept)
    assert after == (course[len(course) // 2] if course else None)


@given(TRUTHS, st.data())
def test_an_audit_to_a_limit_reaches_it_or_has_replayed_everything(
    truth: list[Verdict], data: st.DataObject
) -> None:
    total = len(truth)
    choice = Risk(
        Fraction(data.draw(st.integers(1, 50)), 100), Fraction(data.draw(st.integers(1, 50)), 100)
    )
    schedule = Schedule(shuffled(data, total), choice, escalate=False)
    verdicts = carry_out(schedule, truth)
    if VIOLATED in verdicts.values():
        return
    wanted = needed(total, meant(total, choice.tampered), choice.limit)
    clean = sum(each is VERIFIED for each in verdicts.values())
    reached = schedule.reached(verdicts, choice.tampered) <= choice.limit
    assert reached == (clean >= wanted)
    assert reached or len(verdicts) == total
    assert clean <= wanted, "more was replayed than the limit takes"


def test_unjudged_intervals_are_replaced_and_do_not_count_as_clean() -> None:
    choice = Risk(Fraction(1, 10), Fraction(1, 10))
    order = tuple(range(40))
    wanted = needed(40, 4, choice.limit)
    truth = [UNVERIFIED] * 5 + [VERIFIED] * 35
    verdicts = carry_out(Schedule(order, choice), truth)
    assert len(verdicts) == wanted + 5


def test_a_mismatch_ends_the_drawing_and_starts_the_search_around_it() -> None:
    choice = Risk(Fraction(1, 1000), Fraction(1, 100))
    order = tuple((7 * n) % 200 for n in range(200))
    truth = [VERIFIED] * 200
    truth[order[3]] = VIOLATED
    verdicts = carry_out(Schedule(order, choice), truth)
    assert len(verdicts) <= FIRST_ROUND + 2
    assert {order[3] - 1, order[3] + 1} <= set(verdicts)


def test_an_escalation_can_be_declined() -> None:
    truth = [VERIFIED] * 9 + [VIOLATED] * 2 + [VERIFIED] * 9
    assert set(carry_out(Schedule(tuple(range(20)), Given((9,)), escalate=False), truth)) == {9}


@given(st.integers(1, 200), st.data())
def test_a_contiguous_stretch_is_found_exactly_and_with_few_replays(
    total: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, total - 1))
    last = data.draw(st.integers(first, total - 1))
    hit = data.draw(st.integers(first, last))
    truth = [VIOLATED if first <= n <= last else VERIFIED for n in range(total)]
    verdicts = carry_out(Schedule(tuple(range(total)), Given((hit,))), truth)
    (found,) = stretches(intervals(total), verdicts)
    assert (found.first, found.last) == (first, last)
    assert (found.start, found.stop) == (10 * first, 10 * last + 10)
    assert found.before == ("beginning" if first == 0 else "verified")
    assert found.after == ("end" if last == total - 1 else "verified")
    assert len(verdicts) <= 3 + 4 * (last - first + 1).bit_length()


@given(TRUTHS, st.data())
def test_a_stretch_never_claims_what_no_replay_showed(truth: list[Verdict], data: st.DataObject) -> None:
    total = len(truth)
    schedule = Schedule(shuffled(data, total), any_choice(data, total))
    verdicts = carry_out(schedule, truth)
    found = stretches(intervals(total), verdicts)
    covered: set[int] = set()
    for each in found:
        inside = set(range(each.first, each.last + 1))
        assert not inside & covered
        covered |= inside
        known = {verdicts[number] for number in inside if number in verdicts}
        assert known == {VIOLATED}
        assert verdicts[each.first] is verdicts[each.last] is VIOLATED
        assert each.violated + each.unchecked == len(inside)
        # Around what was drawn the search goes on until the edge is known.
        assert "not checked" not in (each.before, each.after)
    assert covered >= {number for number, verdict in verdicts.items() if verdict is VIOLATED}


def test_scattered_violations_are_stretches_of_their_own() -> None:
    truth = [VERIFIED] * 30
    for number in (3, 12, 13, 25):
        truth[number] = VIOLATED
    verdicts = dict(enumerate(truth))
    found = stretches(intervals(30), verdicts)
    assert [(each.first, each.last) for each in found] == [(3, 3), (12, 13), (25, 25)]


def test_a_stretch_beside_steps_that_no_interval_holds_says_so() -> None:
    cut = [Interval(0, 0, 10, ("0",), closed=True), Interval(1, 20, 30, ("0",), closed=True)]
    (found,) = stretches(cut, {0: VERIFIED, 1: VIOLATED})
    assert found.before == "not covered"


@given(st.integers(1, 40), st.data())
def test_a_choice_is_read_back_as_it_was_written(total: int, data: st.DataObject) -> None:
    choice = any_choice(data, total)
    assert choices.from_json(choice.to_json()) == choice


@pytest.mark.parametrize("value", [None, {}, {"kind": "x"}, {"kind": "risk", "limit": "1/0"}])
def test_what_is_no_choice_is_refused(value: object) -> None:
    with pytest.raises(MalformedError, match="choice"):
        choices.from_json(value)


def test_steps_name_the_intervals_that_hold_them() -> None:
    assert choices.containing(intervals(5), "15:31").numbers == (1, 2, 3)
    assert choices.containing(intervals(5), "15").numbers == (1,)
    assert choices.containing(intervals(5), ":10").numbers == (0,)
    with pytest.raises(UsageError, match="A:B"):
        choices.containing(intervals(5), "x:y")
    with pytest.raises(UsageError, match="no interval") as refused:
        choices.containing(intervals(5), "900:")
    assert "0 to 49" in refused.value.hint


def test_the_default_draw_is_a_tenth_and_at_least_three() -> None:
    assert [choices.default(total).count for total in (0, 1, 3, 10, 30, 200)] == [0, 1, 3, 3, 3, 20]
