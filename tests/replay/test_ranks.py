"""Trainings on several ranks: they replay as the ranks they were, and one that differs is named at once."""

from __future__ import annotations

from lab import Lab, torchrun
from veristep.drill.reversed_update import plant


def test_four_ranks_with_several_buckets_replay_and_the_one_that_differs_is_named_at_once(lab: Lab) -> None:
    lab.script("ddp")
    implant = plant(lab.folder / "implant", steps=[11], rank=2).parent
    words = ("run", "--interval", "5", "--digests", "full", "--")
    command = torchrun("ddp.py", "--steps", "14", ranks=4)
    done = lab.veristep(*words, *command, extra={"PYTHONPATH": str(implant)})
    assert done.status == 0, done.err
    # Told while the run went on, once, and written down.
    assert done.err.count("error[STEP001]") == 1
    (finding,) = lab.veristep("show", "last", "--json").json()["findings"]
    assert (finding["rule"], finding["step"], finding["rank"]) == ("STEP001", 11, 2)
    assert finding["evidence"]["agreed_until"] == 10
    assert finding["evidence"]["gradients"] == "agree"
    # From the middle of the run, with the buckets DDP had by then.
    verdict = lab.audit("last", "--steps", "5:10")
    assert verdict["verdict"] == "verified"
    assert verdict["coverage"]["steps_checked"] == 4 * 5
