"""What is said of inputs that could not be settled by a run from the start, because it costs too much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from veristep.core.verdicts import Coverage, Verdict
from veristep.replay import audit as audits
from veristep.replay import order as words
from veristep.replay import settle as settling
from veristep.replay.audit import Auditor, Judged
from veristep.replay.execute import Execution
from veristep.replay.order import Answer, Difference
from veristep.replay.plan.intervals import Interval, Plan

INTERVAL = Interval(1, 10, 20, ("0",), closed=True)


def own(steps: Sequence[int], what: str, detail: str) -> list[Difference]:
    return [Difference(step, what, [], "0.3", "0.2", step, detail) for step in steps]


class Steady:
    """An auditor whose replays differ as they did before, and that has no time for a run from the start."""

    run = None

    def __init__(self, differences: list[Difference]) -> None:
        self._differences = differences

    def seconds_up_to(self, _interval: Interval) -> float:
        return math.inf

    def replay(self, _interval: Interval, _warm_up: int) -> Execution:
        return Execution(answers={"0": Answer(words.MATCHED, own=self._differences)})


class FromStart(Steady):
    """An auditor that has the time: executions from the start make `differences` by themselves, or vary."""

    def __init__(self, differences: list[Difference], *, varies: bool = False) -> None:
        super().__init__(differences)
        self._varies, self.executions = varies, 0

    def seconds_up_to(self, _interval: Interval) -> float:
        return 1.0

    def replay(self, _interval: Interval, _warm_up: int, **_how: Any) -> Execution:
        self.executions += 1
        differences = [replace(each, got=str(self.executions)) for each in self._differences]
        return super().replay(_interval, 0) if not self._varies else _matched(differences)


def _matched(differences: list[Difference]) -> Execution:
    return Execution(answers={"0": Answer(words.MATCHED, own=differences)})


@pytest.fixture(autouse=True)
def _one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "places", lambda _run, _interval: [1])


def settled(steps: Sequence[int], what: str = "hyperparameter", detail: str = words.OFF_SCHEDULE) -> Judged:
    """Settle an interval whose steps are the script's own but for `steps`."""
    found = own(steps, what, detail)
    conditions = {
        name: {words.CHECKED: 10 - len(found), words.OWN_OUTCOME: len(found)}
        for name in (words.HYPERPARAMETERS, words.BATCHES)
    }
    suspicions = tuple(("0", each) for each in found)
    judged = Judged(INTERVAL, Verdict.VERIFIED, steps=10, conditions=conditions, suspicions=suspicions)
    (result,) = settling.settle(cast("Auditor", Steady(found)), [judged])
    return result


@pytest.mark.parametrize("steps", [[14], [11, 14], [14, 15], [10, 14], [14, 19]])
@pytest.mark.parametrize(
    ("what", "detail"), [("hyperparameter", words.OFF_SCHEDULE), ("batch", words.OFF_ORDER)]
)
def test_what_leaves_a_schedule_or_an_order_and_comes_back_is_accused(
    steps: list[int], what: str, detail: str
) -> None:
    judged = settled(steps, what, detail)
    assert judged.verdict is Verdict.VIOLATED
    assert judged.difference is not None
    assert judged.difference[1].step == min(step for step in steps if step != INTERVAL.start)


@pytest.mark.parametrize("step", [10, 19])
def test_a_single_value_off_its_schedule_at_an_end_is_neither_accused_nor_verified(step: int) -> None:
    judged = settled([step])
    assert (judged.verdict, judged.difference) == (Verdict.UNVERIFIED, None)
    assert f"step {step}" in judged.reason


@pytest.mark.parametrize("steps", [[10, 11], [17, 18, 19], [11, 12, 13, 14, 15]])
def test_a_schedule_that_a_script_leaves_for_long_accuses_nobody_and_is_said_to_be_open(
    steps: list[int],
) -> None:
    judged = settled(steps)
    assert (judged.verdict, judged.difference) == (Verdict.VERIFIED, None)
    result = audits.summarise(Plan((INTERVAL,), 10, {}), [judged], {}, "run").result
    assert f"hyperparameters of {len(steps)} of 10 steps" in result.reason


def test_values_that_no_schedule_sets_accuse_nobody_and_are_said_to_be_open() -> None:
    judged = settled([14], detail=words.OWN_OUTCOME)
    assert judged.verdict is Verdict.VERIFIED
    result = audits.summarise(Plan((INTERVAL,), 10, {}), [judged], {}, "run").result
    assert "hyperparameters of 1 of 10 steps" in result.reason


def test_a_verdict_gives_no_reason_where_every_input_is_the_scripts_own() -> None:
    counts: dict[str, Any] = {"batches": {"checked": 8}, "hyperparameters": {"checked": 8}}
    assert Coverage(conditions=counts).given() == ""
    counts["batches"] = {"checked": 6, "unseen": 2}
    assert Coverage(conditions=counts).given() == "given, as recorded, batches of 2 of 8 steps"


def from_the_start(auditor: FromStart, *intervals: Interval) -> list[Judged]:
    open_ = {words.HYPERPARAMETERS: {words.CHECKED: 9, words.OWN_OUTCOME: 1}}
    judged = [Judged(each, Verdict.VERIFIED, steps=10, conditions=open_) for each in intervals]
    return settling.settle(cast("Auditor", auditor), judged)


LATER_INTERVAL = Interval(2, 20, 30, ("0",), closed=True)


@pytest.mark.parametrize("what", ["batch", "hyperparameter"])
def test_what_a_run_from_the_start_shows_on_its_way_to_an_interval_is_told(what: str) -> None:
    first, second = from_the_start(FromStart(own([8], what, "")), INTERVAL, LATER_INTERVAL)
    assert first.verdict is Verdict.VIOLATED
    assert first.difference is not None
    assert (first.difference[1].step, first.difference[1].what) == (8, what)
    # Once: the interval after that is what it was.
    assert (second.verdict, second.difference) == (Verdict.VERIFIED, None)


def test_what_is_another_at_every_start_accuses_nobody_on_the_way_either() -> None:
    auditor = FromStart(own([8], "batch", ""), varies=True)
    (judged,) = from_the_start(auditor, INTERVAL)
    assert (judged.verdict, judged.difference, auditor.executions) == (Verdict.VERIFIED, None, 2)


def test_random_states_that_libraries_draw_from_cost_no_second_run_from_the_start() -> None:
    auditor = FromStart([replace(each, tensors=["numpy"]) for each in own([8], "rng", "")])
    (judged,) = from_the_start(auditor, INTERVAL)
    assert (judged.verdict, auditor.executions) == (Verdict.VERIFIED, 1)
