"""Every rehearsal does what its name says at the updates it was told, and nothing at any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from once import BYTE_CODE
from veristep.drill import (
    learning_rate_off_schedule,
    nudged_weights,
    one_rank,
    repeated_batch,
    reversed_update,
    scaled_gradient,
)

# Fits one weight, and prints per update: the input seen, the gradient, the move, the weight after it all.
TRAINING = """
import json, sys, torch
from torch.utils.data import DataLoader, TensorDataset

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(1))
        self.saw = []
    def forward(self, x):
        self.saw.append(x.item())
        return (self.w * x).sum()

loaded, by_closure = "loader" in sys.argv, "closure" in sys.argv
numbers = torch.arange(1.0, 7.0)[:, None]
model = Model()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
lines = []
for batch in DataLoader(TensorDataset(numbers)) if loaded else [(each,) for each in numbers]:
    def closure():
        optimizer.zero_grad()
        model(batch[0]).backward()
    was = model.w.item()
    if by_closure:
        optimizer.step(closure)
    else:
        closure()
        optimizer.step()
        if "twice" in sys.argv:
            optimizer.step()
    lines.append([model.saw[-1], model.w.grad.item(), was, model.w.item()])
print(json.dumps([lines, optimizer.param_groups[0]["lr"]]))
"""
HONEST = [[n, n, -0.5 * n * (n - 1) / 2, -0.5 * n * (n + 1) / 2] for n in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)]
Lines = list[list[float]]


def train(folder: Path, how: str = "", rank: str = "0") -> Lines:
    """Train with whatever was planted in `folder`; the learning rate must be as set afterwards."""
    script = folder / "train.py"
    script.write_text(TRAINING, encoding="utf-8")
    own = {"RANK": rank, "PYTHONPATH": str(folder), "PYTHONPYCACHEPREFIX": str(BYTE_CODE)}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, str(script), how],
        env=environment | own,
        capture_output=True,
        text=True,
        check=True,
    )
    lines: Lines
    lines, rate = json.loads(done.stdout)
    assert rate == 0.5
    return lines


def test_without_an_implant_the_training_is_what_the_other_tests_say(tmp_path: Path) -> None:
    assert train(tmp_path) == HONEST


def test_an_update_is_reversed_at_its_step_only(tmp_path: Path) -> None:
    reversed_update.plant(tmp_path, steps=[3])
    moves = [after - before for _, _, before, after in train(tmp_path)]
    assert moves == [-0.5, -1.0, -1.5, 2.0, -2.5, -3.0]


@pytest.mark.parametrize("how", ["", "closure"])
def test_a_gradient_is_scaled_once_it_is_there(tmp_path: Path, how: str) -> None:
    scaled_gradient.plant(tmp_path, steps=[3], amount=1.5)
    lines = train(tmp_path, how)
    assert [gradient for _, gradient, _, _ in lines] == [1.0, 2.0, 3.0, 6.0, 5.0, 6.0]
    assert lines[3][3] - lines[3][2] == -3.0


def test_a_learning_rate_is_off_for_one_step_and_put_back(tmp_path: Path) -> None:
    learning_rate_off_schedule.plant(tmp_path, steps=[3], amount=2.0)
    moves = [after - before for _, _, before, after in train(tmp_path)]
    assert moves == [-0.5, -1.0, -1.5, -4.0, -2.5, -3.0]


def test_weights_are_nudged_after_the_update(tmp_path: Path) -> None:
    nudged_weights.plant(tmp_path, steps=[3], amount=0.25)
    lines = train(tmp_path)
    assert lines[:3] == HONEST[:3]
    assert lines[3][3] == lines[4][2] == HONEST[3][3] + 0.25


def test_an_update_without_a_forward_hands_the_repeated_batch_to_the_next(tmp_path: Path) -> None:
    # Every other update has the forward, as where two optimizers share one: update 3 has none.
    repeated_batch.plant(tmp_path, steps=[3])
    assert [saw for saw, _, _, _ in train(tmp_path, "twice")] == [1.0, 2.0, 2.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize("how", ["", "loader"])
def test_a_batch_is_repeated_with_and_without_a_loader(tmp_path: Path, how: str) -> None:
    repeated_batch.plant(tmp_path, steps=[3])
    assert [saw for saw, _, _, _ in train(tmp_path, how)] == [1.0, 2.0, 3.0, 3.0, 5.0, 6.0]


def test_only_the_rank_it_was_told_acts(tmp_path: Path) -> None:
    one_rank.plant(tmp_path, steps=[3], rank=1)
    assert train(tmp_path, rank="0") == HONEST
    assert train(tmp_path, rank="1")[3][3] == HONEST[3][2] + 2.0
