"""Every attack on steps is found by its rule, with its step, while the training goes on to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import Lab, python, torchrun
from veristep.case import audited
from veristep.core.verdicts import Finding, Severity
from veristep.drill import reversed_update
from veristep.drill.attack import Attack, family
from veristep.drill.step import ACT_AT, SCRIPT
from veristep.ledger.log import Ledger

# Each is a training of its own; that some of them are in the default set is enough.
QUICK = {"learning rate times 1.05 inside one update", "weights nudged after an update"}
ATTACKS = [
    pytest.param(each, id=each.name, marks=() if each.name in QUICK else pytest.mark.long)
    for each in family("step")
]


def found_in(lab: Lab) -> list[Finding]:
    """Return what the last run raised under the rules of this family."""
    with Ledger.open(lab.ledger) as ledger:
        run = [entry.run for entry in ledger.entries(kind="run.opened")][-1]
        raised = [audited.finding(each) for each in ledger.entries(run=run, kind="finding.raised")]
    return [each for each in raised if each.rule.startswith("STEP")]


def trained(lab: Lab, implant: Path | None) -> list[Finding]:
    """Train, with an implant or without, and return what was found."""
    (lab.folder / "work" / "train.py").write_text(SCRIPT, encoding="utf-8")
    extra = {"PYTHONPATH": str(implant)} if implant else {}
    done = lab.veristep("run", "--digests", "full", "--", *python("train.py"), extra=extra)
    assert done.status == 0, done.err
    assert "trained" in done.out
    return found_in(lab)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_attack_is_found_by_its_rule_with_its_step(attack: Attack, lab: Lab) -> None:
    implant = attack.plant(lab.folder)
    found = trained(lab, implant.parent)
    mine = [each for each in found if each.rule == attack.rule]
    assert mine, found
    first = mine[0]
    assert first.severity is not Severity.INFO
    # A generator's state shows at the step after, an epoch at its end, a kernel when it is asked again.
    late = {"STEP006": 1, "STEP007": 30, "STEP008": 30}.get(attack.rule, 0)
    assert first.step is not None
    assert ACT_AT <= first.step <= ACT_AT + late, first.summary
    if attack.rule in ("STEP002", "STEP003", "STEP004"):
        assert first.evidence["tensors"]


def test_the_training_without_an_attack_raises_nothing(lab: Lab) -> None:
    assert trained(lab, None) == []


@pytest.mark.long
def test_an_attack_on_one_of_two_ranks_is_found_with_its_rank(lab: Lab) -> None:
    lab.script("ddp")
    implant = reversed_update.plant(lab.folder / "implant", steps=[11], rank=1).parent
    command = torchrun("ddp.py", "--steps", "20")
    done = lab.veristep("run", "--digests", "full", "--", *command, extra={"PYTHONPATH": str(implant)})
    assert done.status == 0, done.err
    updates = [each for each in found_in(lab) if each.rule == "STEP002"]
    assert [(each.step, each.rank) for each in updates] == [(11, 1)]
