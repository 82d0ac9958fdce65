"""The demonstration: train, audit, sabotage, catch. What it plants is random; what it finds is compared."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veristep.drill.reversed_update import plant
from veristep.errors import UnavailableError

INTERVAL = 48
EPOCHS = 12
STEPS_PER_EPOCH = 24
PLANTED = 3

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What the demonstration showed.

    Attributes:
        honest: the verdict on the honest run.
        sabotaged: the verdict on the sabotaged run.
        planted: steps at which the implant acted.
        found: steps, tensors and inputs the audit named.
        ledger: the exit status of the ledger's check.
        folder: where everything lies.
    """

    honest: Mapping[str, Any]
    sabotaged: Mapping[str, Any]
    planted: tuple[int, ...]
    found: tuple[tuple[int, str, str], ...]
    ledger: int
    folder: Path

    @property
    def as_expected(self) -> bool:
        """Whether the honest run was verified, every planted step found and nothing else."""
        return (
            self.honest["verdict"] == "verified"
            and self.sabotaged["verdict"] == "violated"
            and tuple(step for step, _, _ in self.found) == self.planted
            and self.ledger == 0
        )


def rehearse(folder: Path, say: Say, implant: Callable[..., Path] = plant) -> Rehearsed:
    """Do the whole job in `folder`, which is emptied first.

    Raises:
        UnavailableError: a command of the demonstration failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    work = folder / "work"
    shutil.copytree(Path(__file__).with_name("digits"), work, ignore=shutil.ignore_patterns("__pycache__"))
    train = [sys.executable, "train.py", "--epochs", str(EPOCHS)]
    run = ["run", "--interval", str(INTERVAL), "--digests", "full", "--project", "digits", "--"]

    say("1. Training as usual, under `veristep run -- python train.py`")
    _command([*run, *train], folder, work, say=say)
    say("2. Auditing it: every interval is executed again and compared bit for bit")
    honest = _audit(folder, work, say)

    planted = _choose()
    planting = implant(folder / "implant", steps=planted).parent
    say("3. Training again, while something on the module path reverses the update at "
        f"{len(planted)} random late steps")  # fmt: skip
    _command([*run, *train], folder, work, say=say, extra={"PYTHONPATH": str(planting)})
    say("4. Auditing that: nobody tells it what was planted, or where")
    sabotaged = _audit(folder, work, say)
    found = tuple(
        (each["step"], (each["evidence"]["tensors"] or ["?"])[0], each["evidence"]["what"])
        for each in sabotaged["findings"]
    )
    say("5. Checking the ledger: every byte of it")
    status = _command(["ledger", "fsck"], folder, work, say=say, may_fail=True)
    return Rehearsed(honest, sabotaged, planted, found, status, folder)


def _choose() -> tuple[int, ...]:
    """Return random steps of the last half, each in an interval of its own."""
    intervals = EPOCHS * STEPS_PER_EPOCH // INTERVAL
    late = list(range(intervals // 2, intervals))
    chosen = secrets.SystemRandom().sample(late, PLANTED)
    return tuple(sorted(each * INTERVAL + secrets.randbelow(INTERVAL) for each in chosen))


def _environment(folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
    environment = dict(os.environ) | {"VERISTEP_LEDGER": str(folder / "ledger")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    # What is read from a previous demonstration of the same folder would only confuse.
    environment["XDG_STATE_HOME"] = str(folder / "state")
    return environment | dict(extra)


def _audit(folder: Path, work: Path, say: Say) -> dict[str, Any]:
    words = [sys.executable, "-m", "veristep.cli.main", "audit", "--all", "--in-place", "--json", "last"]
    say("   (two to four seconds for each of the "
        f"{EPOCHS * STEPS_PER_EPOCH // INTERVAL} intervals)")  # fmt: skip
    done = subprocess.run(
        words, cwd=work, env=_environment(folder, {}), stdout=subprocess.PIPE, check=False
    )
    try:
        result: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise UnavailableError(f"the audit ended with status {done.returncode}") from error
    coverage = result["coverage"]
    intervals = f"{coverage['intervals_checked']} of {coverage['intervals']} intervals"
    steps = f"{coverage['steps_checked']} of {coverage['steps']} steps compared and equal"
    say(f"   {result['verdict']}: {intervals}, {steps}")
    for finding in result["findings"]:
        say(f"   {finding['rule']}: {finding['summary']}")
    return result


def _command(
    words: Sequence[str],
    folder: Path,
    work: Path,
    *,
    say: Say,
    extra: Mapping[str, str] | None = None,
    may_fail: bool = False,
) -> int:
    process = subprocess.Popen(
        [sys.executable, "-m", "veristep.cli.main", *words],
        cwd=work,
        env=_environment(folder, extra or {}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            say(f"   {line.rstrip()}")
    status = process.wait()
    if status and not may_fail:
        raise UnavailableError(f"`veristep {words[0]}` ended with status {status}")
    return status
