"""What an audit costs: processor time of replays against that of the training, by risk limit.

Trains the digits classifier once under `veristep run`, then audits that run to a risk limit, one replay
after another, and measures each. Processor time (user and system, of all processes) is what is compared: it
depends on the machine's other work much less than the clock does. The number of intervals a limit takes is
exact; the cost at limits that were not carried out is that number times the mean of the replays measured.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import veristep.drill
from veristep.core.verdicts import Verdict
from veristep.ledger.log import Ledger
from veristep.replay import recorded
from veristep.replay.audit import Judged
from veristep.replay.conduct import conduct
from veristep.replay.draw import making as drawing
from veristep.replay.plan import intervals as plan
from veristep.replay.plan.choice import Risk
from veristep.replay.plan.risk import meant, miss_probability, needed, parse_share, percent
from veristep.replay.resuming import Begun
from veristep.replay.room.prepare import RoomOptions

STEPS_PER_EPOCH = 24
LIMITS = tuple(Fraction(1, each) for each in (10, 20, 100, 1000))
TAMPERED = tuple(Fraction(each, 100) for each in (10, 5, 1))


@dataclass(frozen=True)
class Measured:
    """One training and the replays of its intervals, in seconds of processor time."""

    training: float
    replays: tuple[float, ...]
    intervals: int
    steps: int
    start: float

    @property
    def replay(self) -> float:
        """The mean of a replay."""
        return statistics.fmean(self.replays)


def children_seconds() -> float:
    """Return the processor time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def train(folder: Path, epochs: int, interval: int) -> float:
    """Train under `veristep run`; return the processor time it took."""
    work = folder / "work"
    source = Path(veristep.drill.__file__).with_name("digits")
    shutil.copytree(source, work, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "veristep.cli.main", "run", "--interval", str(interval), "--"]
    command += [sys.executable, "train.py", "--epochs", str(epochs)]
    began = children_seconds()
    subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL)
    return children_seconds() - began


def started(folder: Path) -> float:
    """Return the processor time of a training of no epochs: what each replay pays before its first step."""
    began = children_seconds()
    command = [sys.executable, "train.py", "--epochs", "0"]
    subprocess.run(command, cwd=folder / "work", check=True, stdout=subprocess.DEVNULL)
    return children_seconds() - began


def audit(training: float, start: float, choice: Risk) -> Measured:
    """Audit the run to a limit, and measure each replay."""
    with Ledger.open(Path(os.environ["VERISTEP_LEDGER"])) as ledger:
        run = recorded.find(ledger, "last")
        record = recorded.load(ledger, run)
        planned = plan.make_plan(record)
        marks = [children_seconds()]

        def progress(judged: Judged, total: int) -> None:
            marks.append(children_seconds())
            print(
                f"{len(marks) - 1} of {total}: {judged.verdict.value}, {marks[-1] - marks[-2]:.1f} s",
                file=sys.stderr,
            )

        draw = drawing.make(ledger, run, planned.intervals, None)
        begun = Begun(draw, choice, escalate=True, journal=None)
        # In place: building the environment is done once per machine, and is no part of a replay.
        room = RoomOptions(in_place=True, allow_unsandboxed=True)
        result = conduct(ledger, record, planned, begun, progress, engine="inline", room=room)
        if result.result.verdict is not Verdict.VERIFIED:
            which = [f"{e.interval.start}:{e.interval.stop} {e.reason}" for e in result.judged if e.reason]
            raise SystemExit("an honest run was not verified: " + "; ".join(which))
    replays = tuple(after - before for before, after in itertools.pairwise(marks))
    return Measured(training, replays, len(planned.intervals), record.steps, start)


def show(measured: Measured, choice: Risk) -> None:
    """Print what was measured, as Markdown."""
    n, each = measured.intervals, measured.replay
    length = measured.training / n
    low, _, high = statistics.quantiles(measured.replays, n=4)
    print(
        f"{measured.steps} steps in {n} intervals; training {measured.training:.0f} s, a replay "
        f"{each:.1f} s (quartiles {low:.1f} to {high:.1f}, {len(measured.replays)} replays), of which the "
        f"script's start {measured.start:.1f} s; the interval itself took {length:.1f} s in training. "
        f"Carried out: {percent(choice.limit)} at {percent(choice.tampered)}; the rest follows.\n"
    )
    print("| tampered intervals | " + " | ".join(f"risk {percent(limit)}" for limit in LIMITS) + " |")
    print("|---|" + "---|" * len(LIMITS))
    for share in TAMPERED:
        m = meant(n, share)
        cells = []
        for limit in LIMITS:
            k = needed(n, m, limit)
            assert miss_probability(n, k, m) <= limit
            cells.append(f"{k}: {percent(k * each / measured.training)}")
        print(f"| {percent(share)} ({m} of {n}) | " + " | ".join(cells) + " |")


def arithmetic(intervals: int) -> None:
    """Print k/n for a longer run: the cost when intervals are long against the script's start."""
    print(f"\n{intervals} intervals, each long against the script's start: k / n, exact.\n")
    print("| tampered intervals | " + " | ".join(f"risk {percent(limit)}" for limit in LIMITS) + " |")
    print("|---|" + "---|" * len(LIMITS))
    for share in TAMPERED:
        m = meant(intervals, share)
        counts = [needed(intervals, m, limit) for limit in LIMITS]
        cells = [f"{k}: {percent(k / intervals)}" for k in counts]
        print(f"| {percent(share)} ({m} of {intervals}) | " + " | ".join(cells) + " |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--interval", type=int, default=60)
    parser.add_argument("--risk-limit", default="10%")
    parser.add_argument("--max-tampered", default="10%")
    parser.add_argument("--long", type=int, default=1000, help="intervals of the longer run computed")
    parser.add_argument("--exact-only", action="store_true", help="compute, and measure nothing")
    arguments = parser.parse_args()
    if arguments.exact_only:
        return arithmetic(arguments.long)
    choice = Risk(
        parse_share(arguments.risk_limit, "--risk-limit"),
        parse_share(arguments.max_tampered, "--max-tampered"),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["VERISTEP_LEDGER"] = str(folder / "ledger")
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        training = train(folder, arguments.epochs, arguments.interval)
        measured = audit(training, started(folder), choice)
    show(measured, choice)
    return arithmetic(arguments.long)


if __name__ == "__main__":
    main()
