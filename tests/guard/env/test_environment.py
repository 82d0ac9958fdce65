"""An environment that is what was published raises nothing; each attack on one is found, at its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments import look, make_environment, site_of
from veristep.core.verdicts import Severity
from veristep.drill.attack import Attack, family

ATTACKS = family("env")


def test_an_environment_as_it_was_published_raises_nothing(tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    findings, coverage = look(prefix, reference, byte_code=False)
    assert findings == []
    assert coverage["files"].checked == coverage["files"].total > 10
    assert coverage["distributions"].checked == 2


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_found_by_its_rule_at_its_file(attack: Attack, tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    path = attack.plant(prefix)
    cached = attack.rule in ("ENV004", "ENV005")
    findings, _ = look(prefix, reference, byte_code=cached)
    mine = [
        each for each in findings if each.rule == attack.rule and each.evidence.get("path") == str(path)
    ]
    assert mine, [each.summary for each in findings]
    assert mine[0].severity in (Severity.ERROR, Severity.WARNING)
    assert {"file", "owner", "changed"} <= {each.what for each in mine[0].suspects}
    others = [each for each in findings if each.rule != attack.rule and each.severity is Severity.ERROR]
    assert all(str(path) in each.summary for each in others), [each.summary for each in others]
    assert site_of(prefix).exists()
