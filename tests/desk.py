"""Real training commands under a real `veristep run`, each in a home and ledger of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veristep.case import audited
from veristep.core.verdicts import Finding
from veristep.ledger.fsck import FsckReport, fsck
from veristep.ledger.log import Ledger
from veristep.replay import recorded
from veristep.replay.recorded import RecordedRun
from veristep.supervise.recover import recover_lost_runs

# A model so small that a step takes about a millisecond; `pause` makes it longer.
TRAIN = """\
import os, sys, time
import torch
steps, pause = int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
torch.manual_seed(0)
torch.set_num_threads(1)
model = torch.nn.Linear(8, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for step in range(steps):
    optimizer.zero_grad()
    loss = model(torch.randn(16, 8)).square().mean()
    loss.backward()
    optimizer.step()
    print(step, f"{loss.item():.9f}", flush=True)
    if os.path.exists("stop"):
        break
    time.sleep(pause)
print("trained", flush=True)
"""


@dataclass
class Desk:
    """A private home, working directory and ledger, and commands run in them."""

    folder: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def write(self, name: str, text: str) -> Path:
        """Write a file into the working directory."""
        path = self.work / name
        path.write_text(text, encoding="utf-8")
        return path

    def bare(
        self, command: Sequence[str | bytes], **more: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command without Veristep."""
        return subprocess.run(
            command,
            cwd=self.work,
            env=self.environment | dict(more.get("env", {})),
            capture_output=True,
            timeout=60,
            check=False,
        )

    def run(
        self, command: Sequence[str | bytes], **more: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command under Veristep."""
        return self.bare([*self.veristep(), *command], **more)

    def start(self, command: Sequence[str], **more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a command under Veristep, with its output in files out and err."""
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            process = subprocess.Popen(
                [*self.veristep(), *command],
                cwd=self.work,
                env=self.environment | dict(more.get("env", {})),
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
            )
        self.started.append(process)
        return process

    def veristep(self) -> list[str]:
        """Return the beginning of a command line."""
        return [sys.executable, "-m", "veristep.cli.main", "run", "--interval", "20", "--"]

    def out(self) -> str:
        """Return what a started command has printed."""
        return (self.folder / "out").read_text()

    def err(self) -> str:
        """Return what a started command has complained of."""
        return (self.folder / "err").read_text()

    def wait_for(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds} s; {self.out()} {self.err()}"
            time.sleep(0.02)

    def recorded(self, place: int = -1) -> RecordedRun:
        """Read a run back, the way a command that reads runs does."""
        with Ledger.open(self.ledger) as ledger:
            recover_lost_runs(ledger)
            runs = [entry.run for entry in ledger.entries(kind="run.opened")]
            return recorded.load(ledger, runs[place])

    def look_at_environment(self) -> None:
        """Have runs look at the environment they run in, which most tests do without."""
        self.write("veristep.toml", "")

    def findings(self, rule: str) -> list[Finding]:
        """Return what the last run raised under a rule."""
        with Ledger.open(self.ledger) as ledger:
            run = [entry.run for entry in ledger.entries(kind="run.opened")][-1]
            raised = [audited.finding(each) for each in ledger.entries(run=run, kind="finding.raised")]
        return [each for each in raised if each.rule == rule]

    def checks(self) -> Mapping[str, Any]:
        """Return what the checks of the last run covered, by the check's name."""
        (line,) = self.recorded().of_type("checks")
        coverage: Mapping[str, Any] = line["coverage"]
        return coverage

    def fsck(self) -> FsckReport:
        """Check the whole ledger."""
        return fsck(self.ledger)
