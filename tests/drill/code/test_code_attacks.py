"""Every rehearsed attack on the code is found by its rule at its file; nothing of the repository runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from coderepo import CodeRepository
from veristep.core.verdicts import Severity
from veristep.drill.attack import Attack, family

NOTES = {"CODE002", "CODE006", "CODE007"}


@pytest.mark.parametrize("attack", family("code"), ids=lambda attack: attack.name)
def test_the_attack_is_found_by_its_rule_at_its_file(code: CodeRepository, attack: Attack) -> None:
    path = attack.plant(code.repo)
    modules = (
        [path] if path.suffix == ".py" and path.name not in ("model.py", "train.py", "loss.py") else []
    )
    read = [path] if path.suffix == ".yaml" else []
    found = code.run(modules, read)
    mine = [each for each in found if each.rule == attack.rule and str(path) == each.evidence["path"]]
    assert mine, [(each.rule, each.summary) for each in found]
    alarms = {each.rule for each in found if each.severity is not Severity.INFO}
    assert alarms == (set() if attack.rule in NOTES else {attack.rule})
    assert not list(Path(code.folder).rglob("ran-the-filter"))
