"""Each kind of unmodified training script records and replays bit for bit."""

from __future__ import annotations

import pytest

from lab import Lab, python, torchrun

OPTIMIZERS = [
    "sgd", "adam", "adamw-foreach", "adamw-fused", "adamw-single", "rmsprop", "adagrad", "lbfgs", "own",
]  # fmt: skip
STEPS = 20
SCRIPTS = [
    "classifier_loader", "augmented_workers", "gpt_memmap", "gan", "amp_clip", "resumes", "compiled",
    "unusual", "functional_loss", "prefetch_loader", "whole_model",
]  # fmt: skip


def assert_verified(lab: Lab, run: str) -> None:
    verdict = lab.audit(run, "--all")
    coverage = verdict["coverage"]
    assert verdict["verdict"] == "verified", verdict
    assert verdict["findings"] == []
    assert coverage["steps_checked"] == coverage["steps"] > 0
    assert coverage["intervals_checked"] == coverage["intervals"] >= 2
    assert coverage["blocks_checked"] == coverage["blocks"] > 0
    assert coverage["not_checked"] == {}


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_honest_script_records_and_replays_bit_for_bit(lab: Lab, script: str) -> None:
    lab.script(script)
    assert_verified(lab, lab.record(python(f"{script}.py", "--steps", str(STEPS))))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_replays_bit_for_bit(lab: Lab, optimizer: str) -> None:
    lab.script("optimizers")
    words = ("--optimizer", optimizer, "--steps", str(STEPS))
    assert_verified(lab, lab.record(python("optimizers.py", *words)))


def test_a_ddp_training_replays_on_all_its_ranks(lab: Lab) -> None:
    lab.script("ddp")
    run = lab.record(torchrun("ddp.py", "--steps", str(STEPS)))
    assert_verified(lab, run)
    assert lab.audit(run, "--all")["coverage"]["steps"] == 2 * STEPS


def test_a_run_that_resumed_from_its_own_checkpoint_replays_from_what_it_resumed_from(
    lab: Lab,
) -> None:
    lab.script("resumes")
    first = lab.record(python("resumes.py", "--steps", "10"), interval=5)
    second = lab.record(python("resumes.py", "--steps", "10"), interval=5)
    # The checkpoint on disk is by now the second run's; each replay must start from its own past.
    assert_verified(lab, first)
    assert_verified(lab, second)


def test_auto_digests_verify_too_and_say_what_they_did_not_compare(lab: Lab) -> None:
    lab.script("gpt_memmap")
    command = python("gpt_memmap.py", "--steps", str(STEPS))
    done = lab.veristep("run", "--interval", "10", "--", *command)
    assert done.status == 0, done.err
    verdict = lab.audit("last", "--all")
    assert verdict["verdict"] == "verified"
    assert 0 < verdict["coverage"]["blocks_checked"] <= verdict["coverage"]["blocks"]
