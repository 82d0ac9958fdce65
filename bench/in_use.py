"""An ordinary environment in ordinary use: how many false findings in an hour?

    python bench/in_use.py [--minutes 60 | --once] [--only NAME ...] [--lock] [--python PATH]

Makes an environment with torch, transformers, accelerate, lightning, scikit-learn and pandas (unless one is
given), and runs ordinary programs in it under `veristep run`, one after the other, until the time is over.
Whatever a rule says of them, beyond notes, is false: it is printed, and the status is 1. With
``--lock`` the environment is locked first, so that every file of it is compared with what the registry
published.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veristep.case import audited
from veristep.core.verdicts import Finding, Severity
from veristep.ledger.log import Ledger
from veristep.replay import recorded

HERE = Path(__file__).parent
SCRIPTS = HERE.parent / "tests/scripts"
OWN = HERE / "in_use"
# What runs: the program, what it is given, and how it is started.
PROGRAMS = (
    (OWN / "tables.py", ()),
    (OWN / "accelerated.py", ()),
    (SCRIPTS / "hf_trainer.py", ("--steps", "20")),
    (SCRIPTS / "lightning_run.py", ("--steps", "20")),
    (SCRIPTS / "augmented_workers.py", ("--steps", "20")),
    (SCRIPTS / "compiled.py", ("--steps", "10")),
    (SCRIPTS / "resumes.py", ("--steps", "10")),
    (SCRIPTS / "ddp.py", ("--steps", "10")),
)


def environment(folder: Path) -> Path:
    """Return the interpreter of a new environment."""
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        wanted = ["torch", "transformers", "accelerate", "pytorch-lightning", "scikit-learn", "pandas"]
        constraints = HERE.parent / "constraints.txt"
        pip = [str(python), "-m", "pip", "install", "-q", "-c", str(constraints)]
        subprocess.run([*pip, *wanted, str(HERE.parent)], check=True)
    return python


def run(python: Path, program: Path, words: tuple[str, ...], work: Path, ledger: Path) -> int:
    """Run a program under Veristep in a folder of its own, which it may find as it left it."""
    folder = work / program.stem
    folder.mkdir(exist_ok=True)
    for name in ("digits.npz", "corpus.txt"):
        shutil.copy(SCRIPTS / name, folder)
    shutil.copy(program, folder)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    start = [str(python), *(torchrun if program.stem == "ddp" else []), program.name, *words]
    veristep = [sys.executable, "-m", "veristep.cli.main", "run", "--ledger", str(ledger), "--"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with (work / "output.txt").open("ab") as output:
        done = subprocess.run(
            [*veristep, *start], cwd=folder, env=inherited, stdout=output, stderr=output, check=False
        )
    return done.returncode


def lock(python: Path, ledger: Path) -> None:
    """Lock the environment, and say what that found."""
    veristep = [sys.executable, "-m", "veristep.cli.main", "env", "lock", "--ledger", str(ledger)]
    subprocess.run([*veristep, str(python.parent.parent)], check=True)


def found_in(ledger: Path) -> list[tuple[str, Finding]]:
    """Return all findings on record, each with its run."""
    with Ledger.open(ledger) as log:
        return [(entry.run, audited.finding(entry)) for entry in log.entries(kind="finding.raised")]


def covered(ledger: Path) -> Counter[str]:
    """Return, over all runs, how much the checks looked at."""
    total: Counter[str] = Counter()
    with Ledger.open(ledger) as log:
        for entry in log.entries(kind="run.opened"):
            lines = recorded.load(log, entry.run).of_type("checks")
            for line in lines:
                checks: Mapping[str, Any] = line["coverage"]
                for name, tallies in checks.items():
                    for what, tally in tallies.items():
                        total[f"{name}: {what} checked"] += tally["checked"]
                        total[f"{name}: {what} not checked"] += tally["total"] - tally["checked"]
    return total


def main() -> int:
    """Run until the time is over, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--once", action="store_true", help="each program once, however long it takes")
    parser.add_argument("--only", nargs="+", default=[program.stem for program, _ in PROGRAMS])
    parser.add_argument("--python", type=Path)
    parser.add_argument("--lock", action="store_true")
    parser.add_argument("--out", type=Path, default=HERE.parent / "bench-out/in-use")
    chosen = parser.parse_args()
    out: Path = chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    python = chosen.python or environment(out / "environment")
    work, ledger = out / "work", out / "ledger"
    for folder in (work, ledger):
        shutil.rmtree(folder, ignore_errors=True)
    work.mkdir()
    if chosen.lock:
        lock(python, ledger)
    began = time.monotonic()
    deadline = began + (math.inf if chosen.once else 60 * chosen.minutes)
    programs = [each for each in PROGRAMS if each[0].stem in chosen.only]
    runs: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    while time.monotonic() < deadline:
        for program, words in programs:
            runs[program.stem] += 1
            if run(python, program, words, work, ledger):
                failed[program.stem] += 1
            if time.monotonic() > deadline:
                break
        if chosen.once:
            break
    minutes = (time.monotonic() - began) / 60
    print(f"{sum(runs.values())} runs in {minutes:.1f} minutes: {dict(runs)}; failed: {dict(failed)}")
    for name, count in sorted(covered(ledger).items()):
        print(f"  {count:8d} {name}")
    everything = found_in(ledger)
    false = [(name, each) for name, each in everything if each.severity is not Severity.INFO]
    print(f"{len(false)} findings, {len(everything) - len(false)} notes")
    for name, count in Counter(each.summary for _, each in everything).most_common(40):
        print(f"  {count:4d} x {name}")
    for name, each in false:
        print(f"  FALSE {each.rule} in {name}: {each.summary}")
    return 1 if false or failed else 0


if __name__ == "__main__":
    sys.exit(main())
