"""The share is kept, no interval can be foreseen, and findings come as early as is said."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from veristep.replay.follow.pace import Budget, Sealed, choose, delay, ticket
from veristep.replay.plan.intervals import Interval


def interval(number: int) -> Interval:
    return Interval(number, 10 * number, 10 * number + 10, ("0",), True)


def tickets(nonce: bytes, count: int) -> list[Sealed]:
    return [
        Sealed(interval(number), "c", ticket(nonce, f"checkpoint {number}", "run", interval(number)))
        for number in range(count)
    ]


def test_a_replay_starts_only_when_the_share_has_paid_for_it() -> None:
    budget = Budget(share=0.02, training=499.0, spent=0.0, cost=10.0)
    assert not budget.affords
    assert replace(budget, training=500.0).affords
    assert not replace(budget, training=500.0, spent=0.1).affords


def test_without_the_nonce_every_interval_of_a_window_is_as_likely() -> None:
    counts = [0] * 8
    for attempt in range(4000):
        chosen = choose(tickets(attempt.to_bytes(4, "big"), 8))
        assert chosen is not None
        counts[chosen.interval.number] += 1
    # 4000 / 8 = 500, standard deviation 21.
    assert all(380 < count < 620 for count in counts), counts


def test_a_ticket_depends_on_everything_it_is_said_to_follow_from() -> None:
    base = ticket(b"n", "c", "r", interval(1))
    others = [
        ticket(b"m", "c", "r", interval(1)),
        ticket(b"n", "d", "r", interval(1)),
        ticket(b"n", "c", "s", interval(1)),
        ticket(b"n", "c", "r", interval(2)),
        ticket(b"n", "c", "r", replace(interval(1), streams=("0", "1"))),
    ]
    assert len({base, *others}) == 6


@pytest.mark.parametrize(("lasts", "cost"), [(1.0, 4.0), (5.0, 1.0), (30.0, 2.0)])
def test_findings_of_lasting_sabotage_come_within_the_stated_delay(lasts: float, cost: float) -> None:
    share, rate, seal = 0.02, 2.0, 10.0
    said = delay(share=share, rate=rate, cost=cost, seconds=2 * cost, interval=lasts, seal=seal)
    source = random.Random(7)
    seen = [_simulate(source, share, rate, cost, lasts, seal) for _ in range(400)]
    assert max(seen) <= said.worst
    assert sum(seen) / len(seen) <= said.expected


def _simulate(
    source: random.Random, share: float, rate: float, cost: float, lasts: float, seal: float
) -> float:
    """Follow a run from an arbitrary point of its budget; return how late the sabotage is found."""
    begins = 3 * cost / (share * rate) * (1 + source.random()) + 20 * lasts
    now, spent, known, window = 0.0, cost * source.random(), 0, list[int]()
    while True:
        now += 0.25
        while (known + 1) * lasts + seal <= now:
            window.append(known)
            known += 1
        if not window or spent + cost > share * rate * now:
            continue
        chosen = source.choice(window)
        window.clear()
        spent += cost
        tampered = (chosen + 1) * lasts > begins
        now += 2 * cost if tampered else cost
        if tampered:
            return now - begins
