"""Each kind of unmodified training script records and replays bit for bit."""

from __future__ import annotations

import pytest

from lab import Lab, python, torchrun

OPTIMIZERS = [
    "sgd", "adam", "adamw-foreach", "adamw-fused", "adamw-single", "rmsprop", "adagrad", "lbfgs", "own",
]  # fmt: skip
STEPS = 20
MORE = ("functional_loss", "prefetch_loader", "whole_model")
SCRIPTS = [
    "classifier_loader", "augmented_workers", "gpt_memmap", "gan", "amp_clip", "resumes", "unusual",
    *(pytest.param(each, marks=pytest.mark.long) for each in MORE),
]  # fmt: skip
# Two optimizers step in turn, and each of their updates is a step; a gradient scaler leaves some out.
UPDATES = {"gan": 2 * STEPS, "unusual": 2 * STEPS, "amp_clip": STEPS // 2}


def assert_verified(lab: Lab, run: str, at_least: int = STEPS) -> None:
    verdict = lab.audit(run, "--all")
    coverage = verdict["coverage"]
    assert verdict["verdict"] == "verified", verdict
    assert verdict["findings"] == []
    assert coverage["steps_checked"] == coverage["steps"] >= at_least
    assert coverage["intervals_checked"] == coverage["intervals"] >= 2
    assert coverage["blocks_checked"] == coverage["blocks"] > 0
    assert coverage["not_checked"] == {}


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_honest_script_records_and_replays_bit_for_bit(lab: Lab, script: str) -> None:
    lab.script(script)
    run = lab.record(python(f"{script}.py", "--steps", str(STEPS)))
    assert_verified(lab, run, UPDATES.get(script, STEPS))


def test_a_compiled_model_replays_bit_for_bit_from_the_middle(lab: Lab) -> None:
    # One interval: every replay compiles anew, with a cache of its own.
    lab.script("compiled")
    lab.record(python("compiled.py", "--steps", str(STEPS)))
    verdict = lab.audit("last", "--steps", "10:20")
    assert (verdict["verdict"], verdict["coverage"]["steps_checked"]) == ("verified", 10)


COMPILED_STEP = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters())
data = TensorDataset(torch.randn(320, 8), torch.randint(2, (320,)))

@torch.compile(fullgraph=True, backend="aot_eager")
def loss_of(x, y):
    return nn.functional.cross_entropy(model(x), y)

for x, y in {batches}:
    optimizer.zero_grad()
    loss_of(x, y).backward()
    optimizer.step()
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "batches",
    [
        "DataLoader(data, batch_size=16, shuffle=True)",
        "[(torch.randn(16, 8), torch.randint(2, (16,))) for _ in range(20)]",
    ],
    ids=["a loader", "no loader"],
)
def test_a_forward_inside_a_compiled_function_replays_from_another_boundary(lab: Lab, batches: str) -> None:
    script = lab.work / "train.py"
    script.write_text(COMPILED_STEP.format(batches=batches), encoding="utf-8")
    run = lab.record(python("train.py"))
    verdict = lab.audit(run, "--all", status=None)
    assert verdict["verdict"] in ("verified", "unverified"), verdict
    assert verdict["findings"] == []
    if "DataLoader" in batches:
        assert verdict["verdict"] == "verified", verdict


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_replays_bit_for_bit(lab: Lab, optimizer: str) -> None:
    lab.script("optimizers")
    lab.record(python("optimizers.py", "--optimizer", optimizer, "--steps", str(STEPS)))
    # The interval whose replay is given the optimizer's state; the scripts above start by themselves too.
    verdict = lab.audit("last", "--steps", "10:20")
    coverage = verdict["coverage"]
    assert (verdict["verdict"], coverage["steps_checked"]) == ("verified", 10), verdict
    assert coverage["blocks_checked"] == coverage["blocks"] > 0
    assert coverage["not_checked"] == {}


def test_a_ddp_training_replays_on_all_its_ranks(lab: Lab) -> None:
    lab.script("ddp")
    run = lab.record(torchrun("ddp.py", "--steps", str(STEPS)))
    assert_verified(lab, run, 2 * STEPS)


def test_a_run_that_resumed_from_its_own_checkpoint_replays_from_what_it_resumed_from(
    lab: Lab,
) -> None:
    lab.script("resumes")
    first = lab.record(python("resumes.py", "--steps", "10"), interval=5)
    second = lab.record(python("resumes.py", "--steps", "10"), interval=5)
    # The checkpoint on disk is by now the second run's; each replay must start from its own past.
    assert_verified(lab, first, 10)
    assert_verified(lab, second, 10)


def test_auto_digests_verify_too_and_say_what_they_did_not_compare(lab: Lab) -> None:
    lab.script("gpt_memmap")
    command = python("gpt_memmap.py", "--steps", str(STEPS))
    done = lab.veristep("run", "--interval", "10", "--", *command)
    assert done.status == 0, done.err
    verdict = lab.audit("last", "--steps", "10:20")
    assert verdict["verdict"] == "verified"
    assert 0 < verdict["coverage"]["blocks_checked"] <= verdict["coverage"]["blocks"]
