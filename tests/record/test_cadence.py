"""Snapshots cost the share of training they may, whatever one of them takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from veristep.record.budget import MIN_INTERVAL, Cadence


@given(
    cost=st.floats(0.001, 600.0),
    step_seconds=st.floats(0.001, 10.0),
    share=st.sampled_from([0.003, 0.01, 0.1]),
)
def test_over_a_long_run_snapshots_cost_no_more_than_their_share(
    cost: float, step_seconds: float, share: float
) -> None:
    cadence = Cadence(0, share)
    step = cadence.after(0, cost, step_seconds)
    for _ in range(20):
        step = cadence.after(step, cost, step_seconds)
    spacing = cadence.after(step, cost, step_seconds) - step
    assert spacing == MIN_INTERVAL or cost / (spacing * step_seconds) <= share
    # And it takes as many as it may.
    assert spacing <= MIN_INTERVAL or cost / ((spacing - 1) * step_seconds) >= share * 0.99


def test_one_slow_moment_of_the_disk_does_not_put_snapshots_off() -> None:
    cadence = Cadence(0, 0.01)
    step = 0
    for cost in (0.01, 0.01, 0.01, 60.0):
        step = cadence.after(step, cost, 0.1)
    assert cadence.after(step, 0.01, 0.1) - step <= MIN_INTERVAL + 1
