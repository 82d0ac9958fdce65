"""Ordinary trainings of every kind, twice each for what they keep: no load of theirs is told of."""

from __future__ import annotations

import pytest

from lab import SCRIPTS, Lab, python, torchrun
from veristep.ledger.log import Ledger

STEPS = "6"
RANKS = {"ddp": 2, "fsdp2": 2}
# Workers, own classes in whole models, a resumed checkpoint: what the gate sees most of.
QUICK = ("augmented_workers",)
EVERY = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.long)
    for name in sorted(path.stem for path in SCRIPTS.glob("*.py"))
]


def told(lab: Lab) -> list[object]:
    """Return the findings of loads, and what gates said that is not good."""
    with Ledger.open(lab.ledger) as ledger:
        found = [dict(entry.body) for entry in ledger.entries(kind="finding.raised")]
    return [each for each in found if str(each["rule"]).startswith("LOAD")]


@pytest.mark.parametrize("name", EVERY)
def test_no_load_of_an_ordinary_training_is_told_of(lab: Lab, name: str) -> None:
    script = lab.script(name)
    words = [script.name, "--steps", STEPS]
    command = torchrun(*words, ranks=RANKS[name]) if name in RANKS else python(*words)
    for _ in range(1 if name in QUICK else 2):
        done = lab.veristep("run", "--", *command)
        assert done.status == 0, done.err
    assert told(lab) == []
