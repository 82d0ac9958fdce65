"""Each elementwise optimizer of torch agrees with its pristine copy; any change of an update does not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from veristep.guard.step import shadow_torch as shadow
from veristep.guard.step.pristine_torch import ELEMENTWISE, Pristine, elementwise

PRISTINE = Pristine()
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "SGD": [{"lr": 0.1}, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}],
    "Adam": [{"amsgrad": True, "weight_decay": 0.1}, {"maximize": True}, {"lr": torch.tensor(1e-3)}],
    "AdamW": [{}, {"fused": True}, {"foreach": True}],
    "RMSprop": [{"centered": True, "momentum": 0.9, "weight_decay": 0.1}],
    "Adagrad": [{"lr_decay": 0.1, "initial_accumulator_value": 0.1}],
    "NAdam": [{"weight_decay": 0.1, "decoupled_weight_decay": True}],
    "Adadelta": [{"weight_decay": 0.1, "maximize": True}],
    "ASGD": [{"weight_decay": 0.1, "t0": 3}],
}
CASES = [(name, kwargs) for name in ELEMENTWISE for kwargs in SETTINGS.get(name, [{}])]
DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def made(name: str, kwargs: dict[str, Any], dtype: torch.dtype = torch.float32) -> torch.optim.Optimizer:
    """Return an optimizer of two groups over tensors of several shapes and layouts."""
    torch.manual_seed(0)
    tensors = [torch.randn(shape, dtype=dtype) for shape in ((300,), (17, 9), (), (3,), (2, 3, 4, 5))]
    tensors[4] = tensors[4].to(memory_format=torch.channels_last)
    parameters = [torch.nn.Parameter(each) for each in tensors]
    kind: Callable[..., torch.optim.Optimizer] = getattr(torch.optim, name)
    return kind([{"params": parameters[:2]}, {"params": parameters[2:]}], **kwargs)


def stepped(
    optimizer: torch.optim.Optimizer, step: int, spoil: Callable[[], None] = lambda: None
) -> list[shadow.Wrong]:
    """Take a step, spoiled after it, and return what is found."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.randn_like(parameter) * (1e-4 if step % 4 == 0 else 1.0)
    if step == 3:
        optimizer.param_groups[0]["params"][1].grad = None
    update = shadow.before(step, 0, elementwise(optimizer), optimizer, 16)
    optimizer.step()
    spoil()
    shadow.after(update, optimizer)
    return shadow.judge(update, PRISTINE)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=str)
def test_an_honest_update_agrees(name: str, kwargs: dict[str, Any], dtype: torch.dtype) -> None:
    optimizer = made(name, kwargs, dtype)
    assert elementwise(optimizer) == name
    for step in range(8):
        assert stepped(optimizer, step) == []


@torch.no_grad()
def _alter(optimizer: torch.optim.Optimizer, how: str) -> None:
    parameter = optimizer.param_groups[0]["params"][1]
    if how == "one coordinate block":
        parameter[:, :] += 1e-5
    elif how == "state":
        optimizer.state[parameter]["exp_avg"].zero_()
    elif how == "step count":
        optimizer.state[parameter]["step"] += 1
    elif how == "noise":
        parameter += torch.randn_like(parameter) * 1e-5
    elif how == "state dropped":
        del optimizer.state[parameter]["exp_avg_sq"]


@pytest.mark.parametrize("how", ["one coordinate block", "state", "step count", "noise", "state dropped"])
@pytest.mark.parametrize("kwargs", [{}, {"fused": True}, {"foreach": True}], ids=str)
def test_what_alters_an_update_is_found_with_its_tensor(how: str, kwargs: dict[str, Any]) -> None:
    optimizer = made("AdamW", kwargs)
    for step in range(2):
        assert stepped(optimizer, step) == []
    found = stepped(optimizer, 2, lambda: _alter(optimizer, how))
    assert [each.sample.number for each in found] == [1]


@pytest.mark.parametrize(
    ("key", "factor"), [("lr", 1.05), ("lr", -1.0), ("weight_decay", 0.0), ("eps", 1000.0)], ids=str
)
def test_a_hyperparameter_that_only_the_update_sees_is_found(key: str, factor: float) -> None:
    optimizer = made("AdamW", {"weight_decay": 0.1})
    stepped(optimizer, 0)
    real = optimizer.step

    def step() -> None:
        kept = [group[key] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group[key] *= factor
        real()
        for group, value in zip(optimizer.param_groups, kept, strict=True):
            group[key] = value

    optimizer.step = step  # type: ignore[assignment, method-assign]
    assert stepped(optimizer, 1)


def test_a_patched_class_in_memory_does_not_reach_the_pristine_copy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(*_args: Any, **_kwargs: Any) -> None:
        return None

    monkeypatch.setattr(torch.optim.AdamW, "step", nothing)
    monkeypatch.setattr(sys.modules["torch.optim.adam"], "adam", nothing)
    optimizer = made("AdamW", {})
    found = stepped(optimizer, 1)
    assert {each.difference.ratio for each in found} == {0.0}


class Own(torch.optim.AdamW):
    """An optimizer of the script's own."""


def test_optimizers_of_others_are_not_covered() -> None:
    parameters = [torch.nn.Parameter(torch.ones(2))]
    assert elementwise(Own(parameters)) == ""
    assert elementwise(torch.optim.LBFGS(parameters)) == ""
    assert elementwise(torch.optim.Adafactor(parameters)) == ""
    assert elementwise(torch.optim.AdamW(parameters)) == "AdamW"


def test_draws_are_spread_and_never_twice_the_same_tensor() -> None:
    seen = set()
    for _ in range(400):
        drawn = list(shadow.draw(20, 4))
        assert len(set(drawn)) == len(drawn) <= 4
        seen.update(drawn)
    assert seen == set(range(20))
    assert list(shadow.draw(3, 4)) == [0, 1, 2]
