"""Which batch a step used: seen, recognised by its values, or not known, and then nobody is accused."""

from __future__ import annotations

from typing import Any, NoReturn

import torch

from veristep.core.records import StepRecord, UnitsDigest
from veristep.replay.inside.tape_feed_torch import IntervalFeed
from veristep.replay.order import Order, StreamOrder

DIGEST = UnitsDigest("", 0, 0)
# A loader read ahead by one or two batches: how far the run was ahead of the replay has to be guessed.
YIELDS = (3, 5, 6, 9, 11, 12)
MASK = torch.ones(2)


def record(number: int) -> StepRecord:
    return StepRecord(
        stream="0", step=number, optimizer=0, began_ns=0, ended_ns=0, boundary="forward", entry=None,
        batch="", rng="", hyper=[], grads=DIGEST, params=DIGEST, forwards=2, skipped=0,
        yields={"0": YIELDS[number]}, consumed={}, loss=None, grad_norm=None, tape=None,
    )  # fmt: skip


class Feed(IntervalFeed):
    """A feed whose batches need no tape."""

    def _taped_fetches(self) -> dict[tuple[int, int], dict[str, Any]]:
        batches = [[torch.full((2,), float(index)), MASK] for index in range(12)]
        return {(0, n): {"slot": 0, "index": n, "tensors": batch} for n, batch in enumerate(batches)}


def fail(reason: str) -> NoReturn:
    raise AssertionError(reason)


def feed() -> Feed:
    records = [record(number).to_json() for number in range(len(YIELDS))]
    mine = StreamOrder(records[1], records, [], "snapshot", "")
    return Feed(Order(3, 6, 1, "", "", {"0": mine}, []), mine, fail)


def test_how_far_a_varying_loader_was_ahead_is_not_known() -> None:
    assert feed().shift == {0: 4}
    assert feed().fetch_ahead_varies()


def test_a_batch_that_reaches_a_forward_as_a_copy_is_recognised_by_its_values() -> None:
    each = feed()
    first, second = each.fetch(0, 0), each.fetch(0, 1)
    assert first is not None and second is not None
    each.recognise(second["tensors"][0].clone(), second["tensors"][0].clone())
    assert not each.fetch_ahead_varies()


def test_neither_what_every_batch_holds_nor_another_batch_recognises_one() -> None:
    each = feed()
    assert each.fetch(0, 0) and each.fetch(0, 1)
    each.recognise(MASK.clone(), MASK.clone())
    each.recognise(torch.full((2,), 99.0), torch.full((2,), 99.0))
    each.recognise(torch.full((2,), 4.0), torch.full((2,), 5.0))
    assert each.fetch_ahead_varies()
