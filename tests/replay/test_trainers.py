"""Trainings that a framework drives: its loaders read ahead, its closures, its evaluation in between."""

from __future__ import annotations

import pytest

from lab import Lab, python
from veristep.drill import nudged_weights, scaled_gradient

STEPS, INTERVAL = 20, 10
# Epochs end within the second interval, with a step of fewer micro-batches than the others.
TRAINERS = ("hf_trainer", "lightning_run")


@pytest.mark.long  # both are trained honestly and sabotaged by `make matrix` too
@pytest.mark.parametrize("script", TRAINERS)
def test_a_trainers_run_records_and_replays_bit_for_bit(lab: Lab, script: str) -> None:
    lab.script(script)
    run = lab.record(python(f"{script}.py", "--steps", str(STEPS)), interval=INTERVAL)
    verdict = lab.audit(run, "--all")
    coverage = verdict["coverage"]
    assert verdict["verdict"] == "verified", verdict
    assert coverage["steps_checked"] == coverage["steps"] == STEPS
    assert coverage["blocks_checked"] == coverage["blocks"] > 0
    assert coverage["not_checked"] == {}


@pytest.mark.long
def test_a_gradient_that_a_closure_computed_is_named_when_it_is_scaled(lab: Lab) -> None:
    lab.script("lightning_run")
    implant = scaled_gradient.plant(lab.folder / "implant", steps=[14]).parent
    extra = {"PYTHONPATH": str(implant)}
    lab.record(python("lightning_run.py", "--steps", str(STEPS)), interval=INTERVAL, extra=extra)
    (finding,) = lab.audit("last", "--steps", "14", status=1)["findings"]
    assert (finding["step"], finding["rank"]) == (14, 0)
    assert finding["evidence"]["what"] == "gradient"
    assert finding["evidence"]["tensors"][0] == "net.1.weight"


@pytest.mark.long
def test_a_weight_nudged_between_two_intervals_of_a_trainer_is_named(lab: Lab) -> None:
    # No step of the first interval begins with it, and the second one's snapshot holds it.
    lab.script("hf_trainer")
    implant = nudged_weights.plant(lab.folder / "implant", steps=[9]).parent
    extra = {"PYTHONPATH": str(implant)}
    lab.record(python("hf_trainer.py", "--steps", str(STEPS)), interval=INTERVAL, extra=extra)
    (finding,) = lab.audit("last", "--all", status=1)["findings"]
    assert (finding["step"], finding["rank"]) == (10, 0)
    assert finding["evidence"]["what"] == "entry"
    assert finding["evidence"]["tensors"] == ["transformer.wte.weight"]
