"""What goes into updates: honest habits are let be, what nobody of the script's did is told."""

from __future__ import annotations

import math
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from veristep.core.verdicts import Severity
from veristep.guard.step import between, gradient, own_code, samples, schedule
from veristep.guard.step import gradients_torch as gradients
from veristep.guard.step import kept_torch as kept
from veristep.guard.step import shadow_torch as shadow
from veristep.guard.step.answers_torch import KnownAnswers
from veristep.guard.step.inputs_torch import Rates, Samples, epoch_of
from veristep.guard.step.purse import CALIBRATION_STEPS, FEWEST, MOST, Purse
from veristep.guard.step.random_states import RandomStates
from veristep.guard.step.signals import FEWEST as FEWEST_NUMBERS
from veristep.guard.step.signals import Series
from veristep.record.copies_torch import Copies

DATA = TensorDataset(torch.arange(64.0).reshape(64, 1))


def told_of(orders: list[list[int]], size: int = 8, swapped: tuple[int, int] | None = None) -> list[Any]:
    """Return what is told of epochs drawn in these orders, with one batch's data in another's place."""
    told: list[Any] = []
    watched = Samples(told.append)
    step = 0
    for order in orders:
        watched.begins(0, epoch_of(DataLoader(DATA, batch_size=size, shuffle=True)))
        batches = [order[at : at + size] for at in range(0, len(order), size)]
        for place, numbers in enumerate(batches):
            held = batches[swapped[1]] if swapped and place == swapped[0] else numbers
            data = torch.stack([DATA[each][0] for each in held])
            watched.drawn(step, 0, numbers, [Copies().copy(data)])
            step += 1
    watched.finish()
    return told


def shuffled(seed: int) -> list[int]:
    order = list(range(64))
    random.Random(seed).shuffle(order)
    return order


def test_honest_epochs_are_let_be() -> None:
    assert told_of([shuffled(seed) for seed in range(5)]) == []
    assert told_of([shuffled(1)[:20]]) == []


def test_a_sample_drawn_twice_is_named_with_both_steps() -> None:
    order = shuffled(1)
    order[40] = order[3]
    (line,) = told_of([order])
    finding = samples.of({**line, "stream": "0"})
    assert (line["sample"], line["step"], line["earlier"]) == (order[3], 5, 0)
    assert finding.severity is Severity.ERROR


def test_data_in_the_place_of_others_is_named() -> None:
    (line,) = told_of([shuffled(1)], swapped=(6, 5))
    assert (line["of"], line["step"], line["earlier"]) == ("data", 6, 5)


def test_an_order_that_comes_again_is_a_warning_only_where_there_were_others() -> None:
    (late,) = told_of([shuffled(1), shuffled(2), shuffled(2)])
    assert samples.of(late).severity is Severity.WARNING
    (always,) = told_of([shuffled(1), shuffled(1)])
    assert samples.of(always).severity is Severity.INFO


def test_padding_and_replacement_are_no_repetition() -> None:
    sampler: Any = DistributedSampler(DATA, num_replicas=3, rank=0)
    epoch = epoch_of(DataLoader(DATA, batch_size=8, sampler=sampler))
    assert not isinstance(epoch, str)
    assert epoch.padding == 2
    drawn = torch.utils.data.RandomSampler(DATA, replacement=True)
    assert "replacement" in str(epoch_of(DataLoader(DATA, sampler=drawn)))


def rates(scheduled: bool) -> tuple[Rates, Any, list[Any], Any]:
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    schedules = [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)] if scheduled else []
    told: list[Any] = []
    roster: Any = SimpleNamespace(schedulers=lambda: schedules)
    return Rates(roster, told.append), optimizer, told, schedules


def hyper(optimizer: Any) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups
    ]


def test_a_rate_off_its_schedule_is_told_once_and_a_habit_never() -> None:
    watched, optimizer, told, schedules = rates(scheduled=True)
    for step in range(60):
        if step == 40:
            optimizer.param_groups[0]["lr"] *= 1.05
        watched.look(step, optimizer, 0, hyper(optimizer))
        if step == 40:
            optimizer.param_groups[0]["lr"] /= 1.05
            optimizer.param_groups[0]["lr"] = schedules[0].get_last_lr()[0]
        optimizer.step()
        schedules[0].step()
    assert [(line["step"], line["key"], line["by"]) for line in told] == [(40, "lr", "ExponentialLR")]
    found = schedule.of(told[0], [])
    assert found is not None
    assert found.severity is Severity.ERROR
    noted = schedule.of(told[0], ["train.py:3"])
    assert noted is not None
    assert noted.severity is Severity.INFO


@pytest.mark.parametrize(("key", "at", "count"), [("momentum", 40, 1), ("momentum", 5, 0), ("lr", 40, 1)])
def test_a_hyperparameter_that_stood_is_told_when_it_moves(key: str, at: int, count: int) -> None:
    watched, optimizer, told, _ = rates(scheduled=False)
    for step in range(60):
        if step >= at:
            optimizer.param_groups[0][key] = 0.01 * (step if at == 5 else 1)
        watched.look(step, optimizer, 0, hyper(optimizer))
    assert len(told) == count


def left(then: torch.Tensor, now: torch.Tensor) -> gradients.Left:
    count = then.numel()
    block, later = bytes(then.numpy().tobytes()), bytes(now.numpy().tobytes())
    return gradients.Left(torch.ones(1), 0, 0, count, then.dtype, block, later)


def test_scaling_and_clipping_are_let_be() -> None:
    torch.manual_seed(0)
    grads = [torch.randn(64) * scale for scale in (1.0, 1e-3, 30.0)]
    for factor in (1.0, 0.37, 1 / 65536.0):
        assert gradients.altered([left(g, g * factor) for g in grads]) is None
    assert gradients.altered([left(g, g.clamp(-0.5, 0.5)) for g in grads]) is None
    assert gradients.altered([left(g, torch.full_like(g, math.nan)) for g in grads]) is None


@pytest.mark.parametrize("how", ["one tensor scaled", "signs", "noise", "part zeroed"])
def test_other_changes_of_a_gradient_are_named(how: str) -> None:
    torch.manual_seed(0)
    grads = [torch.randn(64) for _ in range(4)]
    changed = [g * 0.5 for g in grads]
    if how == "one tensor scaled":
        changed[2] = changed[2] * 1.02
    elif how == "signs":
        changed[2][::2] *= -1
    elif how == "noise":
        changed[2] += 1e-3 * torch.randn(64)
    else:
        changed[2][:8] = 0.0
    blocks = [left(then, now) for then, now in zip(grads, changed, strict=True)]
    found = gradients.altered(blocks)
    assert found is not None
    assert found.left is blocks[2]
    line = {"stream": "0", "step": 4, "tensor": "w", "compared": 50, "altered": 1, "factor": found.factor}
    assert gradient.of(line, []).severity is Severity.WARNING
    assert gradient.of(line, ["train.py:9"]).severity is Severity.INFO
    assert gradient.of({**line, "compared": 50, "altered": 20}, []).severity is Severity.INFO


def test_what_changes_between_updates_is_seen_and_a_dropped_state_is_not() -> None:
    parameter = torch.nn.Parameter(torch.randn(100))
    optimizer = torch.optim.AdamW([parameter])
    parameter.grad = torch.randn(100)
    update = shadow.before(0, 0, "AdamW", optimizer, 4)
    optimizer.step()
    shadow.after(update, optimizer)
    assert kept.changes(kept.again(update, 1, optimizer)) == []
    state = optimizer.state[parameter]
    state["exp_avg"].zero_()
    assert [each.what for each in kept.changes(kept.again(update, 1, optimizer))] == ["exp_avg"]
    optimizer.state.clear()
    assert kept.changes(kept.again(update, 1, optimizer)) == []
    parameter.data.add_(1e-3)
    (change,) = kept.changes(kept.again(update, 1, optimizer))
    assert (change.what, change.wrong) == ("parameter", 64)
    line = {"stream": "0", "step": 0, "until": 1, "tensor": "w", "compared": 40, "changed": 1}
    assert between.of(line, []).severity is Severity.WARNING
    assert between.of({**line, "compared": 5}, []).severity is Severity.INFO


def test_states_that_come_again_are_told_and_those_that_stand_are_not() -> None:
    states = RandomStates()
    assert [states.add(step, name) for step, name in enumerate("aaabbcdb")] == [None] * 7 + [3]
    assert all(RandomStates().add(step, "a") is None for step in range(50))


def test_a_number_unlike_its_history_is_a_signal() -> None:
    drawn = random.Random(5)
    series = Series()
    assert all(series.add(math.exp(drawn.gauss(0, 0.1))) is None for _ in range(3 * FEWEST_NUMBERS))
    assert series.add(50.0) is not None
    assert Series().add(math.nan) is None


def test_own_code_names_places_and_imports_are_none(tmp_path: Path) -> None:
    lines = (
        "from torch.utils.data import DataLoader",
        "nn.init.normal_(w)",
        "torch.utils.data.Subset",
        "p.data",
    )
    (tmp_path / "train.py").write_text("\n".join(lines))
    assert own_code.places(tmp_path, own_code.WRITES_TENSORS) == ["train.py:4"]


def test_short_steps_are_looked_at_now_and_then_and_long_ones_always() -> None:
    purse = Purse()
    for _ in range(CALIBRATION_STEPS):
        assert purse.tensors(0.001) == FEWEST
    short = [purse.tensors(0.001) for _ in range(2000)]
    assert 0 < sum(each > 0 for each in short) < 1000
    assert all(purse.tensors(1.0) >= FEWEST for _ in range(100))
    assert purse.tensors(math.inf) == MOST


def test_a_patched_function_changes_the_known_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    known = KnownAnswers(told.append)
    before = torch.get_rng_state()
    known.take(0)
    known.take(1)
    assert len(told) == 1
    true = torch.nn.functional.gelu
    monkeypatch.setattr(torch.nn.functional, "gelu", lambda x: true(x) * 1.0001)
    known.take(7)
    assert [(line["step"], line["changed"]) for line in told[1:]] == [(7, ["gelu"])]
    assert torch.equal(before, torch.get_rng_state())
