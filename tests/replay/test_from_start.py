"""`audit --from-start`: the whole script again, with nothing taken as recorded."""

from __future__ import annotations

from typing import Any

import pytest

from implants import implant
from lab import Lab, python, torchrun


def from_start(lab: Lab, status: int = 0) -> dict[str, Any]:
    return lab.audit("last", "--from-start", status=status)


def test_an_honest_run_is_verified_without_conditions(lab: Lab) -> None:
    script = "augmented_workers"
    lab.script(script)
    lab.record(python(f"{script}.py", "--steps", "20"))
    verdict = from_start(lab)
    coverage = verdict["coverage"]
    assert (verdict["verdict"], verdict["findings"]) == ("verified", [])
    assert coverage["unconditioned"] is True
    assert coverage["steps_checked"] == coverage["steps"] == 20
    every = {"checked": 20}
    assert coverage["conditions"] == {
        "hyperparameters": every,
        "batches": every,
        "random states": every,
    }


@pytest.mark.long
def test_all_ranks_are_run_from_their_start(lab: Lab) -> None:
    lab.script("ddp")
    lab.record(torchrun("ddp.py", "--steps", "12"))
    verdict = from_start(lab)
    assert (verdict["verdict"], verdict["coverage"]["steps_checked"]) == ("verified", 24)


# What one step of another interval than the first was given wrongly: a replay of the interval follows it.
GIVEN = {
    "batch repeated": ("pass", True, "batch", "RPL003"),
    "reseeded": ("torch.manual_seed(5)", False, "rng", "RPL004"),
}


@pytest.mark.parametrize("name", GIVEN)
def test_what_a_step_was_given_wrongly_is_named(lab: Lab, name: str) -> None:
    action, repeats, what, rule = GIVEN[name]
    lab.script("classifier_loader")
    extra = implant(lab, action, repeats=repeats)
    lab.record(python("classifier_loader.py", "--steps", "16"), extra=extra)
    verdict = from_start(lab, status=1)
    assert verdict["verdict"] == "violated"
    (finding,) = verdict["findings"]
    assert (finding["rule"], finding["evidence"]["what"]) == (rule, what)
    assert finding["step"] in (12, 13)


ANOTHER_DAY = """
from veristep.replay.pretend.guise import put_on
put_on({"seconds": 3 * 86400})
"""
SEEDS = {
    "by the process": "import os; torch.manual_seed(os.getpid())",
    "by the date": "import datetime; torch.manual_seed(datetime.date.today().toordinal())",
}


@pytest.mark.long
@pytest.mark.parametrize("name", SEEDS)
def test_a_script_seeded_otherwise_each_time_is_unverified_not_accused(lab: Lab, name: str) -> None:
    script = lab.script("classifier_loader")
    text = script.read_text(encoding="utf-8")
    assert "torch.manual_seed(1337)" in text
    script.write_text(text.replace("torch.manual_seed(1337)", SEEDS[name]), encoding="utf-8")
    folder = lab.folder / "day"
    folder.mkdir()
    # The run was three days from now: both executions of the audit are of today.
    (folder / "sitecustomize.py").write_text(ANOTHER_DAY, encoding="utf-8")
    lab.record(python("classifier_loader.py", "--steps", "4"), extra={"PYTHONPATH": str(folder)})
    verdict = from_start(lab, status=3)
    assert (verdict["verdict"], verdict["findings"]) == ("unverified", [])
    assert "not deterministic" in verdict["reason"]
