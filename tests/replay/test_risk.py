"""The stated risk is the exact one: counted over every draw, and simulated."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.core.verdicts import Verdict
from veristep.errors import UsageError
from veristep.replay.plan.choice import Risk
from veristep.replay.plan.risk import meant, miss_probability, needed, parse_share
from veristep.replay.plan.schedule import Schedule


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


def test_the_risk_of_a_run_of_a_hundred_thousand_intervals_is_computed_at_once() -> None:
    count = needed(100_000, 1_000, Fraction(1, 1000))
    assert 680 < count < 695  # log(0.001) / log(0.99) = 687.3 with replacement


def missed(
    order: tuple[int, ...], choice: Risk, tampered: set[int], unjudgeable: set[int]
) -> tuple[bool, bool]:
    """Carry an audit out; return whether it saw nothing, and whether its limit was reached."""
    schedule = Schedule(order, choice, escalate=False)
    verdicts: dict[int, Verdict] = {}
    while (each := schedule.next_round(verdicts)) is not None:
        for number in each.numbers:
            verdicts[number] = (
                Verdict.UNVERIFIED
                if number in unjudgeable
                else Verdict.VIOLATED
                if number in tampered
                else Verdict.VERIFIED
            )
    seen = Verdict.VIOLATED in verdicts.values()
    return not seen, not seen and schedule.reached(verdicts, choice.tampered) <= choice.limit


@pytest.mark.parametrize("unjudgeable", [set(), {5}, {4, 5}])
def test_no_more_audits_than_the_limit_miss_the_tampering_whatever_cannot_be_judged(
    unjudgeable: set[int],
) -> None:
    """Every order of seven intervals, two of them tampered with: exact, not estimated."""
    orders = list(itertools.permutations(range(7)))
    for limit in (Fraction(1, 2), Fraction(1, 4), Fraction(1, 10)):
        choice = Risk(limit, Fraction(2, 7))
        results = [missed(order, choice, {0, 1}, unjudgeable) for order in orders]
        reached_and_wrong = sum(reached for _, reached in results)
        assert Fraction(reached_and_wrong, len(orders)) <= limit


def test_simulated_audits_to_a_limit_miss_as_often_as_the_bound_allows() -> None:
    chooser = random.Random(11)
    choice = Risk(Fraction(1, 10), Fraction(1, 20))
    tampered = set(range(meant(120, choice.tampered)))
    trials = 2000
    wrong = 0
    for _ in range(trials):
        order = tuple(chooser.sample(range(120), 120))
        wrong += missed(order, choice, tampered, {100, 101, 102})[1]
    # Standard deviation about 0.0067; far fewer would mean that it replays more than it has to.
    assert 0.06 < wrong / trials < 0.115


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("1%", Fraction(1, 100)),
        ("0.1 %", Fraction(1, 1000)),
        (".5%", Fraction(1, 200)),
        ("0.001", Fraction(1, 1000)),
        ("1e-3", Fraction(1, 1000)),
        ("1/1000", Fraction(1, 1000)),
    ],
)
def test_shares_are_percent_numbers_or_fractions(text: str, share: Fraction) -> None:
    assert parse_share(text, "--risk-limit") == share


@pytest.mark.parametrize("text", ["", "x", "0", "0%", "1", "100%", "5", "-1%", "1/0", "1 2", "nan", "1%%"])
def test_what_is_no_share_is_refused_with_the_option_and_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="--risk-limit") as refused:
        parse_share(text, "--risk-limit")
    assert "1%" in refused.value.hint


def test_the_intervals_meant_are_rounded_up_and_at_least_one() -> None:
    one = Fraction(1, 100)
    assert [meant(total, one) for total in (1, 7, 100, 101, 250)] == [1, 1, 1, 2, 3]
