"""Rounding or intent: what an audit on a machine that rounds otherwise can tell, measured.

Each case records a training, honest or sabotaged at one step, and audits the interval as on another machine
(another thread count, another instruction set). Printed per case: the verdict; how far the record is from
the replays, and how far it may be, both in units of their own typical distance; the smallest change that
would show, in units of one update; and how many of the replays are called different when each in turn is
held against the others. That last number is the false alarms, for every replay is honest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from veristep.drill import nudged_weights, reversed_update, scaled_gradient
from veristep.ledger.log import Ledger
from veristep.replay import recorded as records
from veristep.replay.audit import Auditor
from veristep.replay.noise import elsewhere
from veristep.replay.noise import significance as noise
from veristep.replay.noise.likeness import parse
from veristep.replay.order import Sampled
from veristep.replay.plan.intervals import make_plan
from veristep.replay.room.prepare import RoomOptions, prepare

HERE = Path(__file__).parent
STEPS, INTERVAL, TAMPERED = 40, 20, 25

Plant = Callable[[Path], Path]
CASES: dict[str, Plant | None] = {
    "honest": None,
    "update reversed": lambda folder: reversed_update.plant(folder, steps=[TAMPERED]),
    "gradient x 1.02": lambda folder: scaled_gradient.plant(folder, steps=[TAMPERED]),
    "gradient x 1.02 at every step": lambda folder: scaled_gradient.plant(folder, steps=range(STEPS)),
    "weights + 1e-4": lambda folder: nudged_weights.plant(folder, steps=[TAMPERED], amount=1e-4),
    "weights + 1e-5": lambda folder: nudged_weights.plant(folder, steps=[TAMPERED], amount=1e-5),
    "weights + 1e-6": lambda folder: nudged_weights.plant(folder, steps=[TAMPERED], amount=1e-6),
}


@dataclass(frozen=True)
class Measured:
    """One case."""

    held: noise.Held
    alarms: int
    replays: int


def measure(model: str, optimizer: str, case: str, platform: str, seed: int) -> Measured | None:
    """Record and audit one case; None when the interval replays bit for bit all the same."""
    with tempfile.TemporaryDirectory(prefix="noise-") as name:
        folder = Path(name)
        ledger = _record(folder, model, optimizer, CASES[case], seed)
        try:
            run = records.load(ledger, records.find(ledger, "last"))
            interval = next(each for each in make_plan(run).intervals if each.start == INTERVAL)
            origin = records.origin(ledger, run)
            options = RoomOptions(in_place=True, allow_unsandboxed=True)
            auditor = Auditor(ledger.objects, run, origin, prepare(ledger, run, origin, options))
            auditor = auditor.under(parse(platform).variables())
            first = auditor.replay(interval, 1)
            if not auditor.read(interval, first).platforms:
                return None
            replays = elsewhere.calibrate(auditor, interval, 1, first)
        finally:
            ledger.close()
    observed = [list(each.answers["0"].observed) for each in replays]
    held = noise.hold(observed)
    assert held is not None, [each.reason or each.answers for each in replays]
    alarms = sum(not _one_out(observed, number).within for number in range(len(observed)))
    return Measured(held, alarms, len(observed))


def _one_out(observed: list[list[Sampled]], number: int) -> noise.Held:
    """Hold one replay, as if it were the record, against the others."""
    record = observed[number]
    others = [
        [replace(line, recorded=mine.replayed) for line, mine in zip(each, record, strict=True)]
        for place, each in enumerate(observed)
        if place != number
    ]
    held = noise.hold(others)
    assert held is not None
    return held


def _record(folder: Path, model: str, optimizer: str, plant: Plant | None, seed: int) -> Ledger:
    environment = os.environ | {"VERISTEP_LEDGER": str(folder / "ledger"), "OMP_NUM_THREADS": "1"}
    if plant is not None:
        environment["PYTHONPATH"] = str(plant(folder / "implant").parent)
    veristep = [sys.executable, "-m", "veristep.cli.main", "run", "--interval", str(INTERVAL), "--"]
    script = [sys.executable, str(HERE / "noise_training.py"), "--model", model, "--optimizer", optimizer]
    words = [*veristep, *script, "--steps", str(STEPS), "--seed", str(seed)]
    subprocess.run(words, env=environment, cwd=HERE, check=True, capture_output=True)
    return Ledger.open(folder / "ledger")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="append", choices=("mlp", "convnet", "transformer"))
    parser.add_argument("--optimizer", action="append", choices=("adamw", "sgd"))
    parser.add_argument("--platform", action="append", help="as for veristep audit")
    parser.add_argument("--case", action="append", choices=tuple(CASES))
    parser.add_argument("--seeds", type=int, default=1, help="trainings per case, with other seeds")
    arguments = parser.parse_args()
    print("| model | optimizer | as on | case | verdict | distance | limit | shows | alarms |")
    print("|---|---|---|---|---|---|---|---|---|")
    for model in arguments.model or ("mlp", "convnet"):
        for optimizer in arguments.optimizer or ("adamw", "sgd"):
            for platform in arguments.platform or ("threads=2", "isa=default"):
                for case in arguments.case or CASES:
                    for seed in range(arguments.seeds):
                        found = measure(model, optimizer, case, platform, seed)
                        print(
                            f"| {model} | {optimizer} | {platform} | {case} | {_row(found)} |", flush=True
                        )


def _row(found: Measured | None) -> str:
    if found is None:
        return "bit for bit | | | | "
    held = found.held
    verdict = (
        "within noise" if held.within else f"violated at step {held.first.step if held.first else '?'}"
    )
    shows = f"{held.shows:.2g}" if held.shows is not None else ""
    return f"{verdict} | {held.ratio:.3g} | {held.limit:.3g} | {shows} | {found.alarms} of {found.replays}"


if __name__ == "__main__":
    main()
