"""What belongs to a step, and what does not: evaluations between steps, wrappers, closures."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from veristep.record.state_torch import Roster
from veristep.record.steps_torch import Tracker, Underway


class Told:
    """A sink that remembers what it is told."""

    def __init__(self) -> None:
        self.points: list[str] = []

    def boundary(self, step: Underway, *, clean: bool) -> None:
        self.points.append(f"{step.number} {step.boundary}")

    def batch(self, step: Underway, slot: int, index: int, value: Any, _samples: Any) -> Any:
        self.points.append(f"batch {slot}.{index}")
        return value

    def epoch(self, step: Underway, slot: int, first: int, loader: Any) -> None:
        self.points.append(f"epoch {slot} from {first}")

    def inputs(self, step: Underway, args: Any, kwargs: Any) -> tuple[Any, Any]:
        self.points.append("inputs")
        return args, kwargs

    def evaluated(self, step: Underway, args: Any, kwargs: Any) -> None:
        self.points.append("evaluated")

    def closure_ahead(self, step: Underway, optimizer: torch.optim.Optimizer) -> None:
        self.points.append("closure ahead")

    def before_update(self, step: Underway, optimizer: torch.optim.Optimizer, number: int) -> None:
        self.points.append("gradients")

    def after_update(self, step: Underway, optimizer: torch.optim.Optimizer, number: int) -> None:
        self.points.append("updated")


class DataSet:
    pass


def tracked(model: nn.Module) -> tuple[Tracker, Told, torch.optim.Optimizer]:
    told = Told()
    tracker = Tracker(lambda _roster: told, Roster())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    tracker.optimizer_built(optimizer)
    return tracker, told, optimizer


def call(tracker: Tracker, module: nn.Module) -> bool:
    return tracker.called(module, (torch.zeros(1, 2),), {})[2]


def test_what_a_loader_yields_for_an_evaluation_belongs_to_no_step() -> None:
    model = nn.Linear(2, 1)
    tracker, told, _ = tracked(model)
    training, testing = DataSet(), DataSet()
    tracker.fetched(training, torch.zeros(1, 2))
    assert call(tracker, model)
    model.eval()
    tracker.fetched(testing, torch.zeros(1, 2))  # with gradients on: many trainers fetch so
    with torch.no_grad():
        assert not call(tracker, model)
    model.train()
    tracker.fetched(training, torch.zeros(1, 2))
    assert told.points == ["batch 0.0", "0 forward", "inputs", "evaluated", "batch 0.1"]
    assert tracker.counts == {"0": 2}


def test_a_second_loader_of_the_training_does_belong_to_it() -> None:
    model = nn.Linear(2, 1)
    tracker, told, _ = tracked(model)
    tracker.fetched(one := DataSet(), torch.zeros(1, 2))
    tracker.fetched(other := DataSet(), torch.zeros(1, 2))
    assert call(tracker, model)
    tracker.fetched(other, torch.zeros(1, 2))
    tracker.fetched(one, torch.zeros(1, 2))
    assert [each for each in told.points if "batch" in each] == [
        "batch 0.0", "batch 1.0", "batch 1.1", "batch 0.1",
    ]  # fmt: skip


def test_the_mode_of_a_wrapper_says_nothing_about_the_model_in_it() -> None:
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(2, 1)

    wrapper = Wrapper()
    tracker, told, _ = tracked(wrapper)
    wrapper.eval()
    assert not call(tracker, wrapper)
    wrapper.module.train()
    assert call(tracker, wrapper)
    wrapper.module.eval()
    wrapper.training = True
    tracker.fetched(DataSet(), torch.zeros(1, 2))
    tracker.fetched(DataSet(), torch.zeros(1, 2))
    assert [each for each in told.points if "batch" in each] == ["batch 0.0"]


def test_gradients_count_once_the_closure_that_computes_them_has_returned() -> None:
    model = nn.Linear(2, 1)
    tracker, told, optimizer = tracked(model)

    def closure() -> None: ...

    assert tracker.update_begins(optimizer, (optimizer, closure), {})
    assert call(tracker, model)
    tracker.closure_returned(optimizer)
    tracker.closure_returned(optimizer)  # LBFGS calls it again and again
    tracker.update_ended(optimizer)
    assert told.points == ["0 closure", "closure ahead", "inputs", "gradients", "updated"]


def test_an_update_that_never_calls_its_closure_is_recorded_all_the_same() -> None:
    tracker, told, optimizer = tracked(nn.Linear(2, 1))
    assert tracker.update_begins(optimizer, (optimizer,), {"closure": lambda: None})
    tracker.update_ended(optimizer)
    assert told.points == ["0 closure", "closure ahead", "gradients", "updated"]


def test_an_argument_that_is_no_closure_is_left_alone() -> None:
    tracker, told, optimizer = tracked(nn.Linear(2, 1))
    assert not tracker.update_begins(optimizer, (optimizer, 0.5), {})
    tracker.update_ended(optimizer)
    assert told.points[:3] == ["0 none", "gradients", "updated"]
