"""Trainings on several ranks: they replay as the ranks they were, and one that differs is named at once."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from lab import Lab, torchrun
from veristep.core.verdicts import Verdict
from veristep.drill.reversed_update import plant
from veristep.ledger.snapshots import SnapshotStore
from veristep.record.snapshots_torch import load
from veristep.record.tensors_torch import digest
from veristep.replay.audit import Judged, finding
from veristep.replay.order import Difference
from veristep.replay.plan.intervals import Interval
from whole_torch import whole_digests


def test_four_ranks_with_several_buckets_replay_and_the_one_that_differs_is_named_at_once(lab: Lab) -> None:
    lab.script("ddp")
    implant = plant(lab.folder / "implant", steps=[11], rank=2).parent
    words = ("run", "--interval", "5", "--digests", "full", "--")
    command = torchrun("ddp.py", "--steps", "14", ranks=4)
    done = lab.veristep(*words, *command, extra={"PYTHONPATH": str(implant)})
    assert done.status == 0, done.err
    # Told while the run went on, once, and written down.
    assert done.err.count("error[STEP001]") == 1
    findings = lab.veristep("show", "last", "--json").json()["findings"]
    (finding,) = [each for each in findings if each["rule"] == "STEP001"]
    # What else is told of it names the same step and rank.
    seen = {(each["step"], each["rank"]) for each in findings if each["rule"].startswith("STEP")}
    assert seen == {(11, 2)}
    assert (finding["rule"], finding["step"], finding["rank"]) == ("STEP001", 11, 2)
    assert finding["evidence"]["agreed_until"] == 10
    assert finding["evidence"]["gradients"] == "agree"
    # From the middle of the run, with the buckets DDP had by then.
    verdict = lab.audit("last", "--steps", "5:10")
    assert verdict["verdict"] == "verified"
    assert verdict["coverage"]["steps_checked"] == 4 * 5


@pytest.mark.long
def test_a_fully_sharded_training_replays_and_its_whole_tensors_have_the_digests_of_unsharded_ones(
    lab: Lab,
) -> None:
    lab.script("fsdp2")
    run = lab.record(torchrun("fsdp2.py", "--steps", "12"), interval=6)
    verdict = lab.audit(run, "--steps", "6:12")
    assert verdict["verdict"] == "verified", verdict
    assert verdict["coverage"]["steps_checked"] == 2 * 6
    # At step 0 the model is what the seed makes of it, without any sharding.
    torch.manual_seed(1234)
    layers = {"1": nn.Linear(64, 301), "4": nn.Linear(301, 128), "6": nn.Linear(128, 10)}
    expected = {
        f"modules.0.parameters.{number}.{name}": digest(tensor).hex()
        for number, layer in layers.items()
        for name, tensor in layer.named_parameters()
    }
    kept = SnapshotStore(next(lab.ledger.glob("runs/*/snapshots")))
    trees = [load(lab.ledger / "objects", kept.root, kept.kept()[rank, 0]) for rank in ("0", "1")]
    assert whole_digests(trees) == expected
    # Each rank holds, and stored, its own part.
    assert trees[0]["modules"][0]["parameters"]["1.weight"].shape == (151, 64)
    assert trees[1]["modules"][0]["parameters"]["1.weight"].shape == (150, 64)


def test_ranks_that_sample_their_digests_show_the_same_blocks_and_are_compared(lab: Lab) -> None:
    lab.script("ddp")
    done = lab.veristep("run", "--interval", "100", "--", *torchrun("ddp.py", "--steps", "60"))
    assert done.status == 0, done.err
    assert "STEP001" not in done.err
    lines = [
        json.loads(line)
        for log in sorted(lab.ledger.glob("runs/*/log/*.jsonl"))
        for line in log.read_text(encoding="utf-8").splitlines()
    ]
    (compared,) = [line for line in lines if line["type"] == "replicas"]
    assert compared["steps"]["agree"] > 0
    assert "differ" not in compared["steps"]
    assert compared["steps"]["agree"] + sum(compared["not_compared"].values()) == 60
    told = [line for line in lines if line["type"] == "step"]
    seeds = [{line["step"]: line["params"][3] for line in told if line["stream"] == rank} for rank in "01"]
    shared = [step for step, seed in seeds[0].items() if seed is not None and seeds[1][step] == seed]
    assert len(shared) > 20, compared
    assert not [line for line in lines if line.get("what") == "sampling"]


def test_an_average_that_is_wrong_on_all_ranks_is_blamed_on_none_of_them() -> None:
    interval = Interval(0, 10, 20, ("0", "1"), closed=True)
    wrong = ("0", Difference(11, "gradient", ["w"], "aa", "bb", 11))
    alone = finding(Judged(interval, Verdict.VIOLATED, "", wrong), "run")
    averaged = finding(Judged(interval, Verdict.VIOLATED, "", wrong, also=("1",)), "run")
    assert (alone.rank, averaged.rank) == (0, None)
    assert averaged.evidence["streams"] == ["0", "1"]
