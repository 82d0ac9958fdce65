"""A replay starts where the run's own steps went on like the interval's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from veristep.core.records import StepRecord, UnitsDigest
from veristep.replay.plan.intervals import Interval, warm_ups
from veristep.replay.recorded import StreamRecord


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
