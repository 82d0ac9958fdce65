"""What the whole guard costs a training, and each family of rules by itself.

    python bench/guard.py [--rounds 5] [--seconds 12] [--models ...] [--families ...]

Every round trains in fresh processes, one after the other, in an order that turns from round to round:
bare; recorded, with every family of rules off; with one family on; with all of them. A row compares
within each round, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from veristep.case import rules

HERE = Path(__file__).parent
MODELS = ("mlp", "convnet", "transformer")
BARE, RECORDED, WHOLE = "bare", "recorded, no rule", "the whole guard"


@dataclass(frozen=True, slots=True)
class Training:
    """One training: seconds from its start to its first step, and the seconds of its steps."""

    start: float
    steps: Sequence[float]

    @property
    def median(self) -> float:
        """Of the steps, seconds."""
        return statistics.median(self.steps)

    @property
    def p95(self) -> float:
        """What 95 of 100 steps stay below, seconds."""
        return statistics.quantiles(self.steps, n=20)[-1]


def known_families() -> tuple[str, ...]:
    """Return the families that `veristep run` looks at; RPL is replay's."""
    return tuple(sorted({each.rstrip("0123456789") for each in rules.known()} - {"RPL"}))


def train(model: str, seconds: float, on: Sequence[str] | None, families: Sequence[str]) -> Training:
    """Train once in a folder of its own; `on` are the families that are on, None for a bare training."""
    command = [sys.executable, str(HERE / "training.py"), "--model", model, "--seconds", str(seconds)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with tempfile.TemporaryDirectory() as folder:
        if on is not None:
            lines = [f'{family} = "{"alert" if family in on else "off"}"' for family in families]
            Path(folder, "veristep.toml").write_text("\n".join(["[rules]", *lines, ""]), encoding="utf-8")
            environment["VERISTEP_LEDGER"] = f"{folder}/ledger"
            command = [sys.executable, "-m", "veristep.cli.main", "run", "--", *command]
        began = time.time()
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, check=True
        )
    result = json.loads(done.stdout.splitlines()[-1])
    return Training(result["began"] - began, result["times"])


def measure(model: str, rounds: int, seconds: float, families: Sequence[str]) -> None:
    """Measure one model and print its rows."""
    ways: dict[str, Sequence[str] | None] = {BARE: None, RECORDED: ()}
    ways |= {family: (family,) for family in families} | {WHOLE: known_families()}
    measured: dict[str, list[Training]] = {way: [] for way in ways}
    for number in range(rounds):
        names = [*ways][number % len(ways) :] + [*ways][: number % len(ways)]
        for way in names if number % 2 == 0 else reversed(names):
            measured[way].append(train(model, seconds, ways[way], known_families()))
    step = statistics.median(each.median for each in measured[BARE])
    for way in ways:
        if way == BARE:
            continue
        against = BARE if way in (RECORDED, WHOLE) else RECORDED
        print(
            f"| {model}, {1e3 * step:.1f} ms | {way} | {against} | "
            f"{_ratios([a.median / b.median for a, b in _pairs(measured, way, against)])} | "
            f"{_ratios([a.p95 / b.p95 for a, b in _pairs(measured, way, against)])} | "
            f"{_seconds([a.start - b.start for a, b in _pairs(measured, way, against)])} |",
            flush=True,
        )


def _pairs(measured: dict[str, list[Training]], way: str, against: str) -> list[tuple[Training, Training]]:
    return list(zip(measured[way], measured[against], strict=True))


def _ratios(ratios: Sequence[float]) -> str:
    percent = sorted(100 * (ratio - 1) for ratio in ratios)
    return f"{statistics.median(percent):+.1f} % ({percent[0]:+.1f} to {percent[-1]:+.1f})"


def _seconds(values: Sequence[float]) -> str:
    return f"{statistics.median(values):+.2f} s ({min(values):+.2f} to {max(values):+.2f})"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12.0, help="length of each training")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--families", nargs="*", choices=known_families(), default=list(known_families()))
    chosen = parser.parse_args()
    print(f"{chosen.rounds} rounds of {chosen.seconds:.0f} s, 1 thread; median (lowest to highest)")
    print("| training, bare step | with | against | median step | 95th of 100 | start to first step |")
    print("|---|---|---|---|---|---|")
    for model in chosen.models:
        measure(model, chosen.rounds, chosen.seconds, chosen.families)


if __name__ == "__main__":
    main()
