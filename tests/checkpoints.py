"""Real checkpoints in a folder, and a ledger that knows that a run wrote them."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from veristep.core.canonical import Json
from veristep.core.checks import CheckResult
from veristep.core.verdicts import Finding
from veristep.guard.policy import Policy, Protect
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.record.reads import NOTES
from veristep.supervise.artifacts import store
from veristep.supervise.artifacts.members import describe
from veristep.supervise.checks.files import FileCheck
from veristep.supervise.checks.protocol import Subject
from veristep.supervise.data.declared import Declared


@dataclass
class Checkpoints:
    """What a run of three epochs left: ``out/epoch*.pt``, ``out/sharded/``, ``out/base.pt``."""

    folder: Path
    ledger: Ledger
    protect: Protect = field(default_factory=Protect)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def train(self) -> None:
        """Write checkpoints, and put that into the ledger as a run's supervisor does."""
        torch.manual_seed(3)
        sharded = self.out / "sharded"
        sharded.mkdir(parents=True)
        self.ledger.append(Draft("run.opened", {"started_ns": 1}, "r"))
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
        optimizer = torch.optim.AdamW(model.parameters())
        for epoch in (1, 2, 3):
            optimizer.zero_grad()
            model(torch.randn(5, 4)).square().sum().backward()
            optimizer.step()
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
            torch.save(state, self.out / f"epoch{epoch}.pt")
            self.wrote(self.out / f"epoch{epoch}.pt", 10 * epoch)
        self._shards(sharded, model)
        torch.save(model.state_dict(), self.out / "base.pt")
        self.wrote(self.out / "base.pt", 30)
        self.ledger.append(Draft("run.closed", {"steps": {"0": 30}, "returncode": 0, "ended_ns": 2}, "r"))

    def _shards(self, folder: Path, model: torch.nn.Module) -> None:
        for step in (20, 30):
            names = {}
            for number, (key, tensor) in enumerate(list(model.state_dict().items())[:2], 1):
                name = f"model-{number:05}-of-00002.bin"
                torch.save({key: tensor + step}, folder / name)
                names[key] = name
                if step == 20:
                    (folder.parent / f"old-{number}").write_bytes((folder / name).read_bytes())
                self.wrote(folder / name, step)
            (folder / "model.bin.index.json").write_text(json.dumps({"weight_map": names}))
            self.wrote(folder / "model.bin.index.json", step)
        for old in self.out.glob("old-*"):
            old.rename(self.folder / old.name)

    def wrote(self, path: Path, step: int, run: str = "r") -> None:
        """Log a writing, with the parts of what was written."""
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        body: dict[str, Json] = {
            "path": str(path), "size": len(data), "sha256": sha256, "step": step, "stream": "0",
        }  # fmt: skip
        self.ledger.append(Draft("artifact.written", body, run, "", frozenset({"path"})))
        members = describe(path)
        if members is not None:
            store.save(self.ledger, sha256, members, run, "")

    def verify(self) -> CheckResult:
        """Hold the folder against the record, as ``veristep verify out`` does."""
        from veristep.case.folder import check

        policy = Policy(protect=self.protect)
        return check(self.ledger, self.out, policy, time.time_ns())

    def load(self, *paths: Path) -> list[Finding]:
        """Return what a run that opens these files is told."""
        boot = self.folder / "boot"
        boot.mkdir()
        here = self.folder
        policy = Policy(protect=self.protect)
        subject = Subject(
            "new", "p", ("x",), here, here, {}, boot, self.ledger, policy, Declared(), time.time_ns() + 1
        )
        for path in paths:
            status = path.stat()
            with (boot / NOTES).open("a") as file:
                file.write(json.dumps(["read", str(path), status.st_size, status.st_mtime_ns]) + "\n")
        check = FileCheck(subject)
        return [*check.before(), *check.look(), *check.finish()]
