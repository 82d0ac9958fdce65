"""Ranks draw the same sample without talking, and a sample that somebody chose is noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from veristep.record.beacon import ENTRY, GRADS, PARAMS, Beacon
from veristep.supervise.beacons import BEFORE_NS, EVERY_NS, Beacons

SECOND = 1_000_000_000


def record(
    step: int, ended_ns: int, seeds: dict[str, int], units: int = 3, total: int = 10
) -> dict[str, Any]:
    digests = {name: ["00", units, total, seed] for name, seed in seeds.items()}
    line = {"type": "step", "stream": "0", "step": step, "ended_ns": ended_ns}
    return line | {"entry": None, "grads": ["00", 10, 10, None], "params": ["00", 10, 10, None]} | digests


def drawn(page: Beacon, step: int) -> dict[str, int]:
    kinds = {"entry": ENTRY, "grads": GRADS, "params": PARAMS}
    return {name: page.seed(step, what) for name, what in kinds.items()}


def test_all_processes_draw_the_same_until_the_beacon_changes(tmp_path: Path) -> None:
    beacons, one, other = Beacons(tmp_path), Beacon(tmp_path), Beacon(tmp_path)
    beacons.show(SECOND)
    first = [one.seed(step, PARAMS) for step in range(100)]
    assert first == [other.seed(step, PARAMS) for step in range(100)]
    assert len(set(first)) == 100
    assert one.seed(0, GRADS) != first[0]
    beacons.show(SECOND + EVERY_NS - 1)
    assert one.seed(0, PARAMS) == first[0]
    beacons.show(SECOND + EVERY_NS)
    assert not set(first) & {one.seed(step, PARAMS) for step in range(100)}


def test_without_a_supervisor_each_draws_its_own(tmp_path: Path) -> None:
    page = Beacon(tmp_path)
    assert page.seed(0, PARAMS) != page.seed(0, PARAMS)


def test_records_that_rest_on_the_beacons_are_no_gap(tmp_path: Path) -> None:
    beacons, page = Beacons(tmp_path), Beacon(tmp_path)
    for step, moment in enumerate(range(10 * SECOND, 40 * SECOND, SECOND // 4)):
        seeds = drawn(page, step)
        beacons.show(moment)
        # A step that read the page just before it changed, and one that was held up for a while.
        beacons.hear(record(step, moment + (3 * SECOND if step % 7 == 0 else 0), seeds))
    assert beacons.chosen == {}
    assert beacons.new() == []


def test_a_sample_that_was_chosen_is_told_once_with_its_step(tmp_path: Path) -> None:
    beacons, page = Beacons(tmp_path), Beacon(tmp_path)
    beacons.show(10 * SECOND)
    now = 10 * SECOND + BEFORE_NS
    beacons.hear(record(0, now, drawn(page, 0)))
    for step in (1, 2):
        beacons.hear(record(step, now, drawn(page, step) | {"params": 12345}))
    assert beacons.new() == [("0", 1)]
    assert beacons.new() == []


def test_an_old_beacon_cannot_be_used_again(tmp_path: Path) -> None:
    beacons, page = Beacons(tmp_path), Beacon(tmp_path)
    beacons.show(10 * SECOND)
    old = drawn(page, 7)
    for moment in range(11, 40):
        beacons.show(moment * SECOND)
    beacons.hear(record(7, 39 * SECOND, old))
    assert beacons.chosen == {"0": 7}


def test_a_step_that_shows_every_block_or_none_chose_nothing(tmp_path: Path) -> None:
    beacons = Beacons(tmp_path)
    beacons.show(SECOND)
    beacons.hear(record(0, 9 * SECOND, {"params": 1}, units=10))
    beacons.hear(record(1, 9 * SECOND, {"params": 1}, units=0))
    assert beacons.chosen == {}
