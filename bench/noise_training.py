"""A training to measure rounding noise on: the models of `training.py` with random batches."""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F  # noqa: N812
from training import model_and_batch


def main() -> None:
    """Train for some steps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=("mlp", "convnet", "transformer"), required=True)
    parser.add_argument("--optimizer", choices=("adamw", "sgd"), default="adamw")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    model, batch, targets = model_and_batch(arguments.model)
    if arguments.optimizer == "adamw":
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(arguments.steps):
        order = torch.randperm(len(batch))
        x = batch[order] + 0.1 * torch.randn(batch.shape) if batch.is_floating_point() else batch[order]
        optimizer.zero_grad()
        F.cross_entropy(model(x), targets[order]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


if __name__ == "__main__":
    main()
