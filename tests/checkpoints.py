"""Real checkpoints in a folder, and a ledger that knows that a run wrote them."""

from __future__ import annotations

import hashlib
import io
import json
import time
from dataclasses import dataclass, field
from functools import cache
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


@cache
def trained() -> list[tuple[str, int, bytes]]:
    """Return what three epochs of training write: name, step and content, in the order of writing."""
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    optimizer = torch.optim.AdamW(model.parameters())
    found = []
    for epoch in (1, 2, 3):
        optimizer.zero_grad()
        model(torch.randn(5, 4)).square().sum().backward()
        optimizer.step()
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        found.append((f"epoch{epoch}.pt", 10 * epoch, saved(state)))
    for step in (20, 30):
        names = {}
        for number, (key, tensor) in enumerate(list(model.state_dict().items())[:2], 1):
            names[key] = f"model-{number:05}-of-00002.bin"
            found.append((f"sharded/{names[key]}", step, saved({key: tensor + step})))
        index = json.dumps({"weight_map": names}).encode()
        found.append(("sharded/model.bin.index.json", step, index))
    found.append(("base.pt", 30, saved(model.state_dict())))
    found.append(("model.safetensors", 30, safetensors(model.state_dict())))
    return found


def saved(state: object) -> bytes:
    """Return what `torch.save` writes."""
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def safetensors(state: dict[str, torch.Tensor]) -> bytes:
    """Return tensors in the form of a safetensors file."""
    header, data = {}, b""
    for name, tensor in state.items():
        part = tensor.numpy().tobytes()
        offsets = [len(data), len(data) + len(part)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        data += part
    head = json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + data


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
        (self.out / "sharded").mkdir(parents=True)
        drafts = [Draft("run.opened", {"started_ns": 1}, "r")]
        for name, step, data in trained():
            path = self.out / name
            path.write_bytes(data)
            if step == 20 and "sharded/model-" in name:
                (self.folder / f"old-{name[18]}").write_bytes(data)
            drafts += self._written(path, step)
        end: dict[str, Json] = {"steps": {"0": 30}, "returncode": 0, "ended_ns": 2}
        self.ledger.append(*drafts, Draft("run.closed", end, "r"))

    def _written(self, path: Path, step: int) -> list[Draft]:
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        body: dict[str, Json] = {
            "path": str(path), "size": len(data), "sha256": sha256, "step": step, "stream": "0",
        }  # fmt: skip
        drafts = [Draft("artifact.written", body, "r", "", frozenset({"path"}))]
        members = describe(path)
        return drafts + ([store.draft(self.ledger, sha256, members, "r", "")] if members else [])

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
