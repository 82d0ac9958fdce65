"""Every rehearsed attack on checkpoints is found by its rule at its file: on disk, and at load."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
import torch

from checkpoints import Checkpoints
from veristep.drill.attack import Attack, family
from veristep.guard.policy import Protect
from veristep.supervise.artifacts import approvals


@pytest.fixture
def protected(checkpoints: Checkpoints) -> Checkpoints:
    """With base weights that one person has approved."""
    folder, path = checkpoints.folder, checkpoints.out / "base.pt"
    key = folder / "ann.key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (folder / "signers").write_text(f"ann {key.with_suffix('.key.pub').read_text()}")
    checkpoints.protect = Protect((str(path),), str(folder / "signers"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    approvals.give(checkpoints.ledger, str(path), digest, "trained in run r", key)
    return checkpoints


@pytest.mark.parametrize("attack", family("file"), ids=lambda attack: attack.name)
def test_the_attack_is_found_by_its_rule_at_its_file(protected: Checkpoints, attack: Attack) -> None:
    path = attack.plant(protected.out)
    found = protected.verify().findings
    (finding,) = [each for each in found if each.rule == attack.rule and each.evidence["path"] == str(path)]
    suspects = {each.what: each.value for each in finding.suspects}
    assert suspects["file"] == str(path)
    assert {"owner", "changed"} <= suspects.keys()
    if attack.rule == "FILE006":
        return
    # A loader reads the index first.
    loaded = sorted(protected.out.glob("sharded/*"), reverse=True) if "sharded" in str(path) else [path]
    told = protected.load(*loaded)
    assert (attack.rule, str(path)) in {(each.rule, each.evidence["path"]) for each in told}


@pytest.mark.parametrize("name", ["optimizer_state", "second_moment", "weights", "one_weight"])
def test_what_is_altered_in_place_still_loads(protected: Checkpoints, name: str) -> None:
    """The rehearsal is worth something only if torch takes the file without a complaint."""
    attack = next(each for each in family("file") if each.plant.__module__.endswith(f".{name}"))
    path: Path = attack.plant(protected.out)
    state = torch.load(path)
    assert set(state) == {"model", "optimizer", "epoch"}


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("optimizer_state", "optimizer.state.0.exp_avg"),
        ("second_moment", "optimizer.state.2.exp_avg_sq"),
        ("weights", "model.1.weight"),
        ("safetensors_tensor", "1.weight"),
    ],
)
def test_the_tensor_that_was_altered_is_named_and_no_other(
    protected: Checkpoints, name: str, tensor: str
) -> None:
    attack = next(each for each in family("file") if each.plant.__module__.endswith(f".{name}"))
    path = attack.plant(protected.out)
    (finding,) = protected.verify().findings
    assert finding.evidence["path"] == str(path)
    assert str(finding.evidence["detail"]).startswith(f"changed: {tensor}")
    assert "," not in str(finding.evidence["detail"])
