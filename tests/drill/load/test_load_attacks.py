"""Every attack on a load: stopped, found by its rule at its file; the training ends as it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from gated import Gated
from veristep.core.verdicts import Severity
from veristep.drill.attack import Attack, family
from veristep.drill.load.payload import MARK, SCRIPT
from veristep.guard.policy import Policy
from veristep.supervise.checks import load as check

# Those that import torch take some seconds each; that one of them is in the default set is enough.
SLOW = {
    "legacy torch checkpoint",
    "re-exported module",
    "torch.package",
    "in a DataLoader worker",
    "poisoned compile cache",
    "falls back to unsafe loading",
    "weights only is switched off",
    "TorchScript, by getattr",
    "TorchScript, in capitals",
    "TorchScript, under another name",
    "TorchScript by torch.load",
    "library of operators",
    "compiled model",
}
ATTACKS = [
    pytest.param(each, id=each.name, marks=pytest.mark.long if each.name in SLOW else ())
    for each in family("load")
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_attack_is_stopped_and_found_by_its_rule_at_its_file(attack: Attack, tmp_path: Path) -> None:
    gated = Gated(tmp_path, root="project")
    gated.work.mkdir()
    path = attack.plant(gated.work)
    done = gated.python((gated.work / SCRIPT).read_text(encoding="utf-8"))
    assert not (gated.work / MARK).exists(), done.err
    assert "trained" in done.out, done.err
    assert done.status == 0
    told = [each for each in done.told if each.get("rule") == attack.rule]
    assert told, (done.err, done.out, done.told)
    found = check.finding(told[0])
    assert found is not None
    assert found.rule == attack.rule
    # Of unsafe loading nothing is refused but what the file then names.
    worst = [each for each in map(check.finding, done.told) if each and each.severity is Severity.ERROR]
    assert worst
    assert all(each.evidence["refused"] for each in worst)
    assert found.evidence["path"] == str(path)
    assert {"file", "owner", "changed", "caller"} <= {each.what for each in found.suspects}


@pytest.mark.long
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_attack_fires_where_nothing_is_refused(attack: Attack, tmp_path: Path) -> None:
    gated = Gated(tmp_path, root="project")
    gated.work.mkdir()
    attack.plant(gated.work)
    done = gated.python(
        (gated.work / SCRIPT).read_text(encoding="utf-8"), actions=dict.fromkeys(check.DEFAULTS, "record")
    )
    assert (gated.work / MARK).exists() or attack.name in REACHES, done.err
    assert check.actions(Policy())["LOAD001"] == "block"


# These show that the way is open, and go no further.
REACHES = {
    "dotted name",
    "chain of getattr",
    "re-exported module",
    "library of operators",
    "compiled model",
}
