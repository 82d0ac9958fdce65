"""A run whose script loads a poisoned checkpoint: stopped, told, on record, and the training goes on."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from blake3 import blake3

from desk import Desk
from veristep.ledger.log import Ledger

POISONED = """
import os, pickle, sys
import torch
class Payload:
    def __reduce__(self):
        return os.system, ("echo fired > mark",)
torch.save({"weights": torch.ones(3), "extra": Payload()}, "shared.pt")
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
try:
    torch.load("shared.pt", weights_only=False)
except RuntimeError as refused:
    print("refused", type(refused).__name__)
    if "die" in sys.argv:
        os.kill(os.getpid(), 9)
for _ in range(3):
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
print("trained")
"""


def raised(desk: Desk) -> list[dict[str, object]]:
    with Ledger.open(desk.ledger) as ledger:
        return [dict(entry.body) for entry in ledger.entries(kind="finding.raised")]


def test_a_poisoned_checkpoint_is_refused_and_the_training_goes_on(desk: Desk) -> None:
    script = desk.write("poisoned.py", POISONED)
    done = desk.run([sys.executable, str(script)])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [b"refused", b"RefusedLoad", b"trained"]
    assert not (desk.work / "mark").exists()
    (found,) = raised(desk)
    assert found["rule"] == "LOAD001"
    evidence, suspects = found["evidence"], found["suspects"]
    assert isinstance(evidence, dict)
    assert isinstance(suspects, list)
    path = desk.work / "shared.pt"
    assert evidence["path"] == str(path)
    assert evidence["digest"] == f"blake3:{blake3(path.read_bytes()).hexdigest()}"
    assert evidence["got"] == "posix.system('echo fired > mark',)"
    assert evidence["refused"] is True
    line = POISONED.splitlines().index('    torch.load("shared.pt", weights_only=False)') + 1
    assert evidence["caller"] == f"{script}:{line}"
    assert {"file", "owner", "changed", "caller", "process"} <= {each["what"] for each in suspects}
    assert b"error[LOAD001]" in done.stderr
    run = desk.recorded()
    assert run.of_type("checks")[-1]["coverage"]["loads"]["processes"]["checked"] == 1


def test_what_was_refused_is_on_record_even_when_the_process_is_killed_at_once(desk: Desk) -> None:
    script = desk.write("poisoned.py", POISONED)
    done = desk.run([sys.executable, str(script), "die"])
    assert done.returncode == -signal.SIGKILL
    rules = [found["rule"] for found in raised(desk)]
    assert [rule for rule in rules if str(rule).startswith("LOAD")] == ["LOAD001"]


@pytest.mark.long
def test_a_policy_that_wants_no_gate_has_none(desk: Desk) -> None:
    desk.write("veristep.toml", '[rules]\nLOAD = "off"\nENV = "off"\n')
    script = desk.write("poisoned.py", POISONED)
    done = desk.run([sys.executable, str(script)])
    assert done.stdout.split() == [b"trained"], done.stderr
    assert (desk.work / "mark").exists()
    assert raised(desk) == []


def test_an_ordinary_training_raises_nothing(desk: Desk, classifier: Path) -> None:
    done = desk.run([sys.executable, str(classifier)])
    assert done.returncode == 0, done.stderr
    assert raised(desk) == []
    assert b"LOAD" not in done.stderr
