"""What recording costs: the same training with and without Veristep, alternated, as a ratio.

Each pair is two fresh processes, one bare and one under `veristep run`, in an order that alternates.
The ratio of a pair is that of its median step times; the mean ratio counts everything that falls on a few
steps too, snapshots among them. Absolute times depend on the machine and its other work; ratios of pairs
much less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MODELS = ("mlp", "convnet", "transformer")


@dataclass(frozen=True)
class Pair:
    """Step times in seconds of one bare and one recorded training."""

    bare: Sequence[float]
    recorded: Sequence[float]

    @property
    def median_ratio(self) -> float:
        """Recorded by bare median step time."""
        return statistics.median(self.recorded) / statistics.median(self.bare)

    @property
    def mean_ratio(self) -> float:
        """Recorded by bare mean step time, the slowest hundredth of each left out as foreign."""
        return _mean(self.recorded) / _mean(self.bare)


@dataclass(frozen=True)
class Recorded:
    """What the record of one training holds: bytes per step, snapshots and their cost."""

    record_bytes: float
    tape_bytes: float
    snapshot_bytes: int
    snapshots: int
    seen_ms: float
    blocks: float


def _mean(times: Sequence[float]) -> float:
    kept = sorted(times)[: max(1, int(len(times) * 0.99))]
    return statistics.fmean(kept)


def alternated(model: str, seconds: float) -> None:
    """Print the cost measured inside one recorded process, recording switched on and off in turn.

    Nothing but recording differs between neighbouring blocks, so this is much sharper than two processes
    on a busy machine; the supervisor runs throughout.
    """
    block = {"mlp": 250, "convnet": 60, "transformer": 5}[model]
    with tempfile.TemporaryDirectory() as folder:
        result = train(model, seconds, Path(folder) / "ledger", "--alternate", str(block))
    medians = sorted(ratio for ratio, _, _ in result["ratios"])
    means = sorted(ratio for _, ratio, _ in result["ratios"])
    step = statistics.median(bare for _, _, bare in result["ratios"])
    print(f"| {model} | {step * 1e3:.1f} ms | {_quartiles(medians)} | {_quartiles(means)} |", flush=True)


def _quartiles(ratios: Sequence[float]) -> str:
    low, middle, high = (100 * (each - 1) for each in statistics.quantiles(ratios, n=4))
    return f"{middle:+.1f} % ({low:+.1f} to {high:+.1f})"


def train(model: str, seconds: float, ledger: Path | None, *more: str) -> dict[str, Any]:
    """Train once, recorded into `ledger` or bare."""
    command = [sys.executable, str(HERE / "training.py"), "--model", model, "--seconds", str(seconds)]
    command += more
    if ledger is not None:
        command = [sys.executable, "-m", "veristep.cli.main", "run", "--", *command]
    environment = os.environ | {"VERISTEP_LEDGER": str(ledger)} if ledger else dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, env=environment, cwd=HERE, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def look(ledger: Path) -> Recorded:
    """Measure the record of the last run in a ledger."""
    lines = [
        json.loads(line)
        for log in ledger.glob("runs/*/log/*.jsonl")
        for line in log.read_text(encoding="utf-8").splitlines()
    ]
    steps = [line for line in lines if line["type"] == "step"]
    snapshots = [line for line in lines if line["type"] == "snapshot"]
    digests = [line[part] for line in steps for part in ("entry", "grads", "params") if line[part]]
    logs = sum(path.stat().st_size for path in ledger.glob("runs/*/log/*.jsonl"))
    tape = sum(line["tape"][2] for line in steps if line["tape"])
    return Recorded(
        record_bytes=logs / len(steps),
        tape_bytes=tape / len(steps),
        snapshot_bytes=max(line["size"] for line in snapshots),
        snapshots=len(snapshots),
        seen_ms=statistics.median(line["seen_ns"] for line in snapshots) / 1e6,
        blocks=sum(d[1] for d in digests) / sum(d[2] for d in digests),
    )


def measure(model: str, pairs: int, seconds: float) -> None:
    """Measure one model and print its row."""
    measured: list[Pair] = []
    record: Recorded | None = None
    parameters = 0
    for number in range(pairs):
        with tempfile.TemporaryDirectory() as folder:
            ledger = Path(folder) / "ledger"
            order = (None, ledger) if number % 2 == 0 else (ledger, None)
            results = {where is None: train(model, seconds, where) for where in order}
            record = look(ledger)
        parameters = results[True]["parameters"]
        measured.append(Pair(results[True]["times"], results[False]["times"]))
    medians = sorted(pair.median_ratio for pair in measured)
    means = sorted(pair.mean_ratio for pair in measured)
    step = statistics.median(statistics.median(pair.bare) for pair in measured)
    assert record is not None
    print(
        f"| {model} | {parameters / 1e6:.2f} M | {step * 1e3:.1f} ms | "
        f"{_span(medians)} | {_span(means)} | {record.blocks:.0%} | "
        f"{record.record_bytes:.0f} B | {record.tape_bytes / 1e3:.1f} kB | "
        f"{record.snapshots} x {record.snapshot_bytes / 1e6:.1f} MB, {record.seen_ms:.1f} ms |",
        flush=True,
    )


def _span(ratios: Sequence[float]) -> str:
    percent = [100 * (ratio - 1) for ratio in ratios]
    return f"{statistics.median(percent):+.1f} % ({percent[0]:+.1f} to {percent[-1]:+.1f})"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="0 leaves the pairs out")
    parser.add_argument("--seconds", type=float, default=12.0, help="length of each training")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    arguments = parser.parse_args()
    seconds = f"{arguments.seconds:.0f} s"
    print(f"One process, recording on and off in turn for {seconds}; median of pairs (quartiles)")
    print("| model | step | ratio of medians | ratio of means |\n|---|---|---|---|")
    for model in arguments.models:
        alternated(model, arguments.seconds)
    print()
    if not arguments.pairs:
        return
    print(f"{arguments.pairs} pairs of {seconds} each, 1 thread; median (lowest to highest)")
    print("| model | parameters | step | ratio of medians | ratio of means | blocks digested | record/step "
          "| tape/step | snapshots, seen by training |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for model in arguments.models:
        measure(model, arguments.pairs, arguments.seconds)


if __name__ == "__main__":
    main()
