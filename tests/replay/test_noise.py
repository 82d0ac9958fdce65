"""Rounding or intent: honest records pass at the stated rate, whatever the noise; sabotage does not."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from veristep.errors import UsageError
from veristep.replay.noise.likeness import SETS, Likeness, available, of_run, parse, variations
from veristep.replay.noise.significance import FALSE_ALARM, REPLAYS, hold
from veristep.replay.order import Sampled

STEPS, TENSORS, UPDATE = 12, ("a", "b"), 1e-3
Noise = Callable[[random.Random, int], float]


def trajectory(chance: random.Random, noise: Noise) -> list[list[float]]:
    """Return one honest result: per place, values around those of an exact machine."""
    return [
        [value + noise(chance, step) * chance.gauss(0, 1) for value in (0.1, -0.2, 0.05, 0.3)]
        for step in range(STEPS)
        for _ in TENSORS
    ]


def observed(replay: list[list[float]], record: list[list[float]]) -> list[Sampled]:
    found = []
    for place, (own, mine) in enumerate(zip(replay, record, strict=True)):
        step, tensor = place // len(TENSORS), TENSORS[place % len(TENSORS)]
        found.append(Sampled(step, tensor, 0, 1.0, 0, mine, own, [UPDATE] * len(own)))
    return found


def even(_chance: random.Random, _step: int) -> float:
    """Noise that stays as it is."""
    return 1e-8


def chaotic() -> Noise:
    """Noise that grows from step to step, in each replay by another factor."""
    rates: dict[int, float] = {}

    def noise(chance: random.Random, step: int) -> float:
        rate = rates.setdefault(id(chance), chance.gauss(0.5, 0.05))
        return 1e-8 * math.exp(rate * step)

    return noise


@pytest.mark.parametrize("kind", ["even", "chaotic"])
def test_honest_records_are_called_different_no_more_often_than_stated(kind: str) -> None:
    trials, alarms = 500, 0
    for trial in range(trials):
        # Each trajectory has a source of chance of its own: its amplitude is its own too.
        sources = [random.Random(1000 * trial + number) for number in range(REPLAYS + 1)]
        noise = even if kind == "even" else chaotic()
        record, *replays = [trajectory(source, noise) for source in sources]
        held = hold([observed(each, record) for each in replays])
        assert held is not None
        alarms += not held.within
    # At a true rate of 0.1 %, more than 4 in 500 come once in 5000 such tests.
    assert alarms <= 4, f"{alarms} of {trials} at a stated {FALSE_ALARM}"


@pytest.mark.parametrize("share", [-1.0, 0.0, 1.02])
def test_a_tampered_update_is_beyond_and_placed(share: float) -> None:
    """The record has `share` of one update from step 5 on: reversed, left out, or two per cent too much."""
    chance = random.Random(7)
    record, *replays = [trajectory(chance, even) for _ in range(REPLAYS + 1)]
    record = [
        [value + (share - 1) * UPDATE if place // len(TENSORS) >= 5 else value for value in values]
        for place, values in enumerate(record)
    ]
    held = hold([observed(each, record) for each in replays])
    assert held is not None
    assert held.first == (5, "a")
    assert held.size == pytest.approx(abs(share - 1), rel=0.01)


def test_a_change_below_what_shows_does_not_show() -> None:
    chance = random.Random(8)
    record, *replays = [trajectory(chance, even) for _ in range(REPLAYS + 1)]
    shows = hold([observed(each, record) for each in replays])
    assert shows is not None
    assert shows.shows is not None
    for factor, within in ((0.1, True), (10.0, False)):
        moved = [[value + factor * shows.shows * UPDATE for value in values] for values in record]
        held = hold([observed(each, moved) for each in replays])
        assert held is not None
        assert held.within is within


def test_values_that_are_no_numbers_are_beyond_where_the_replays_have_some() -> None:
    chance = random.Random(9)
    record, *replays = [trajectory(chance, even) for _ in range(REPLAYS + 1)]
    record[3] = [math.nan] * 4
    held = hold([observed(each, record) for each in replays])
    assert held is not None
    assert held.first == (1, "b")


def test_without_a_sketch_nothing_is_said() -> None:
    assert hold([[] for _ in range(REPLAYS)]) is None


def test_replays_that_agree_entirely_leave_room_for_rounding() -> None:
    record = [[0.1, 0.2, 0.3, 0.4]] * (STEPS * len(TENSORS))
    same = [observed(record, [[value * (1 + 2.0**-23) for value in each] for each in record])] * REPLAYS
    held = hold(same)
    assert held is not None
    assert held.within


@pytest.mark.parametrize(
    "text", ["", "threads", "threads=0", "threads=-1", "isa=sse9", "cores=3", "threads=2;isa=avx2"]
)
def test_a_platform_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert "threads=3" in raised.value.hint


def test_a_platform_is_parsed_and_brought_about() -> None:
    likeness = parse("threads=3,isa=default")
    assert likeness == Likeness(3, "default")
    assert likeness.variables()["OMP_NUM_THREADS"] == "3"
    assert likeness.variables()["ATEN_CPU_CAPABILITY"] == "default"


def test_only_an_instruction_set_this_processor_has_is_put_in_place() -> None:
    here = {"threads": 2, "cpu_capability": "DEFAULT"}
    for name in SETS[1:]:
        likeness = of_run({"threads": 1, "cpu_capability": name.upper()}, here)
        assert likeness == Likeness(1, name if name in available() else "")
    assert of_run(here, here).variables() == {}


def test_calibration_never_uses_what_makes_the_runs_machine_another_one() -> None:
    recorded, here = {"threads": 2, "cpu_capability": "AVX2"}, {"threads": 1, "cpu_capability": "DEFAULT"}
    found = variations(recorded, here, REPLAYS)
    assert len(found) == REPLAYS
    assert all(each.threads != 2 for each in found)
    assert len(available()) == 1 or all(each.instructions != "avx2" for each in found)
