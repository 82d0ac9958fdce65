"""The trainings the overhead is measured on. Ordinary loops; they print how long their steps took."""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return attention and feed-forward applied to `x` of shape (batch, time, width)."""
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
        down: torch.Tensor = self.down(F.gelu(self.up(self.norm2(x))))
        return x + down


class Transformer(nn.Module):
    """A small character model."""

    def __init__(self, width: int, depth: int, vocabulary: int = 96, length: int = 128) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(Block(width, 4) for _ in range(depth)))
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, vocabulary, time) for `tokens` of shape (batch, time)."""
        x = self.token(tokens) + self.place(torch.arange(tokens.shape[1]))
        logits: torch.Tensor = self.head(self.blocks(x))
        return logits.transpose(1, 2)


def model_and_batch(name: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Return a model with one batch and its targets."""
    if name == "mlp":
        hidden = (nn.Linear(256, 384), nn.ReLU(), nn.Linear(384, 384), nn.ReLU())
        mlp = nn.Sequential(*hidden, nn.Linear(384, 10))
        return mlp, torch.randn(64, 256), torch.randint(10, (64,))
    if name == "convnet":
        layers: list[nn.Module] = []
        for before, after, stride in ((3, 32, 1), (32, 48, 2), (48, 64, 2)):
            layers += [
                nn.Conv2d(before, after, 3, stride=stride, padding=1),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 64, 10))
        return net, torch.randn(8, 3, 32, 32), torch.randint(10, (8,))
    tokens = torch.randint(96, (8, 129))
    return Transformer(192, 4), tokens[:, :-1], tokens[:, 1:]


def recording_switch() -> Callable[[bool], None]:
    """Return a function that pauses and resumes the recording of this process, found from outside."""
    found: list[Any] = [each for each in gc.get_objects() if type(each).__name__ == "Process"]
    guard = next(each.guard for each in found if hasattr(each, "guard"))

    def switch(on: bool) -> None:
        guard.errors = 0 if on else 1000

    return switch


# What the background thread does for a step it does up to a quarter of a second later. So long after a
# switch no step is timed: the cost of one kind of block would be measured in the other.
SETTLE_SECONDS = 0.35


def alternate(step: Callable[[], None], block: int, seconds: float) -> list[tuple[float, float, float]]:
    """Run blocks of steps with recording on and off in turn.

    Returns per pair of blocks: ratio of medians, ratio of means, median bare step in seconds.
    """
    switch = recording_switch()
    ratios: list[tuple[float, float, float]] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        times: dict[bool, list[float]] = {}
        for on in (True, False) if len(ratios) % 2 else (False, True):
            switch(on)
            settled = time.perf_counter() + SETTLE_SECONDS
            while time.perf_counter() < settled:
                step()
            times[on] = []
            for _ in range(block):
                began = time.perf_counter()
                step()
                times[on].append(time.perf_counter() - began)
        bare = statistics.median(times[False])
        median = statistics.median(times[True]) / bare
        ratios.append((median, statistics.fmean(times[True]) / statistics.fmean(times[False]), bare))
    return ratios[2:]


def main() -> None:
    """Train for some steps and print the step times in seconds as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=("mlp", "convnet", "transformer"), required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--warm-up", type=int, default=15)
    parser.add_argument("--alternate", type=int, default=0, help="steps per block, recorded or not in turn")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, batch, targets = model_and_batch(arguments.model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> None:
        # Fresh memory each step, as a loader gives.
        x, y = batch.clone(), targets.clone()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    if arguments.alternate:
        print(json.dumps({"ratios": alternate(step, arguments.alternate, arguments.seconds)}))
        return
    times: list[float] = []
    began = time.time()
    until, last = time.perf_counter() + arguments.seconds, time.perf_counter()
    while last < until:
        step()
        now = time.perf_counter()
        times.append(now - last)
        last = now
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps({"times": times[arguments.warm_up :], "parameters": parameters, "began": began}))


if __name__ == "__main__":
    main()
