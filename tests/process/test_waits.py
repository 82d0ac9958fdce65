"""Row 9: code that makes steps wait is named, by file and line; honest waiting raises nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from desk import Desk
from veristep.core.verdicts import Finding
from veristep.drill.attack import Attack, family
from veristep.ledger.log import Ledger

WAITING = [each for each in family("process") if each.rule in ("PROC001", "PROC002")]
# Every module of `lib` is imported in good faith; enough steps that short waits are met.
TRAIN = """
import importlib, os, pkgutil, sys, time
sys.path.insert(0, {lib!r})
import torch
model = torch.nn.Linear(8, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
data = torch.utils.data.TensorDataset(torch.randn(4000, 8))
for each in pkgutil.iter_modules([{lib!r}]):
    importlib.import_module(each.name)
until, steps = time.monotonic() + {seconds}, 0
def enough():
    return time.monotonic() > until and steps > 120
while not enough():
    for (batch,) in torch.utils.data.DataLoader(data, batch_size=16):
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
        steps += 1
        if enough():
            break
print("trained")
"""


def train(desk: Desk, attacks: list[Attack], seconds: float) -> dict[str, Path]:
    planted = {each.name: each.plant(desk.folder) for each in attacks}
    script = desk.write("train.py", TRAIN.format(lib=str(desk.folder / "lib"), seconds=seconds))
    done = desk.run([sys.executable, str(script)])
    assert done.returncode == 0, done.stderr
    assert b"trained" in done.stdout
    return planted


def named(desk: Desk, attack: Attack, path: Path) -> list[Finding]:
    return [each for each in desk.findings(attack.rule) if each.evidence["path"] == str(path)]


def raised(desk: Desk) -> list[str]:
    with Ledger.open(desk.ledger) as ledger:
        return [str(entry.body["rule"]) for entry in ledger.entries(kind="finding.raised")]


def test_each_way_of_waiting_is_named_by_file_and_line(desk: Desk) -> None:
    attacks = [each for each in WAITING if each.name != "sleep on one rank"]
    planted = train(desk, attacks, 8.0)
    for attack in attacks:
        found = named(desk, attack, planted[attack.name])
        assert found, f"{attack.name} was not found"
        assert found[0].rank == 0
        line = found[0].evidence["line"]
        if planted[attack.name].exists():
            text = planted[attack.name].read_text().splitlines()[int(str(line)) - 1]
            assert any(word in text for word in ("sleep", "wait", "acquire", "select", "run(")), text
        # What takes the place of a method of torch is called by the script.
        assert found[0].evidence["called_by_torch"] is (attack.name != "slow loader")
        assert "process" in {each.what for each in found[0].suspects}
    assert desk.checks()["waits"]["processes that train"]["checked"] == 1


HONEST = """
import subprocess, sys, threading, time
import torch
from torch.utils.data import DataLoader, Dataset

class Slow(Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, item):
        time.sleep(0.002)
        return torch.randn(8)

def evaluate(model):
    with torch.no_grad():
        for _ in range(12):
            model(torch.randn(16, 8))
            time.sleep(0.1)

model = torch.nn.Linear(8, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for batch in DataLoader(Slow(), batch_size=4, num_workers=epoch % 2):
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
    evaluate(model)
    torch.save(model.state_dict(), "model.pt")
    subprocess.run(["sleep", "0.3"])
    threading.Event().wait(0.3)
    sum(range(10_000_000))
print("trained")
"""


def test_slow_evaluation_data_and_checkpoints_of_ones_own_raise_nothing(desk: Desk) -> None:
    done = desk.run([sys.executable, str(desk.write("honest.py", HONEST))])
    assert done.returncode == 0, done.stderr
    assert raised(desk) == []
    assert desk.checks()["waits"]["processes that train"] == {"total": 1, "checked": 1, "not_checked": {}}


@pytest.mark.long
def test_a_rank_that_sleeps_is_named_and_those_that_wait_for_it_are_not(desk: Desk) -> None:
    (attack,) = (each for each in WAITING if each.name == "sleep on one rank")
    path = attack.plant(desk.folder)
    text = TRAIN.format(lib=str(desk.folder / "lib"), seconds=1e9)
    text = text.replace(
        "optimizer = ", "torch.distributed.init_process_group('gloo')\n"
        "model = torch.nn.parallel.DistributedDataParallel(model)\noptimizer = ", 1,
    )  # fmt: skip
    text = text.replace("while not enough():", "for epoch in range(2):")
    script = desk.write("train.py", text)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    done = desk.run([sys.executable, *launch])
    assert done.returncode == 0, done.stderr
    found = desk.findings("PROC002")
    assert {each.rank for each in found} == {1}
    assert {each.evidence["path"] for each in found} == {str(path)}
    assert set(raised(desk)) == {"PROC002"}
