"""A real run: its rotation of checkpoints is on record, and what it loads is held against the record."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import Lab, python
from veristep.ledger.log import Ledger
from veristep.supervise.artifacts import store
from veristep.supervise.artifacts.known import read

SCRIPT = """
import os, shutil, sys, time, torch
if len(sys.argv) > 1:
    torch.load(sys.argv[1])
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.Adam(model.parameters())
for step in range(30):
    model(torch.randn(2, 4)).sum().backward()
    optimizer.step()
    if step % 10 == 9:
        os.makedirs(f"out/step{step}", exist_ok=True)
        torch.save(optimizer.state_dict(), f"out/step{step}/optimizer.pt")
        torch.save(model.state_dict(), "out/latest.tmp")
        os.replace("out/latest.tmp", "out/latest.pt")
        torch.save(step, f"out/small{step}.pt")
        if step > 10:
            shutil.rmtree(f"out/step{step - 10}")
            os.remove(f"out/small{step - 10}.pt")
        if step == 29:
            os.makedirs("out/staging", exist_ok=True)
            torch.save(model.state_dict(), "out/staging/final.pt")
            time.sleep(0.5)
            shutil.rmtree("out/final", ignore_errors=True)
            os.rename("out/staging", "out/final")
        time.sleep(0.6)
"""


@pytest.mark.long
def test_rotation_is_on_record_and_a_changed_checkpoint_is_told_at_load(lab: Lab, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("XDG_STATE_HOME", lab.environment["XDG_STATE_HOME"])
    (lab.work / "train.py").write_text(SCRIPT)
    assert lab.veristep("run", "--", *python("train.py")).status == 0
    done = lab.veristep("verify", "out")
    assert done.status == 0, done.out + done.err
    with Ledger.open(lab.ledger) as ledger:
        known = read(ledger)
        last = known.last(str(lab.work / "out" / "step29" / "optimizer.pt"))
        assert last is not None
        assert store.find(ledger, last.sha256) is not None
        assert known.last(str(lab.work / "out" / "final" / "final.pt")) is not None
    gone = [path for path in known.by_path if not Path(path).exists()]
    assert {Path(path).name for path in gone} >= {"optimizer.pt", "small9.pt"}
    assert all(known.removal(known.by_path[path][-1]) is not None for path in gone)

    path = lab.work / "out" / "step29" / "optimizer.pt"
    (lab.work / "out" / "latest.pt").replace(path)
    told = lab.veristep("run", "--", *python("train.py", str(path)))
    assert told.status == 0
    assert "error[FILE002]" in told.err
    assert "error[FILE001]" not in told.err
